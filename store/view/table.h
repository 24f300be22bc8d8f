// The table of views: one row each. A new view is a row here and a function in rows.h. Private to store/.
//
// Thread-safety: constants.

#pragma once

#include <array>

#include "store/view.h"
#include "store/view/rows.h"

namespace certfs::view {

// Whose permissions a view of an entry has: those of the first of these that the entry holds.
using Shows = std::array<Member, 4>;
inline constexpr Member kCertificate = Member::kCertificate;
inline constexpr Member kKey = Member::kKey;
inline constexpr Shows kPublicPart{kCertificate, Member::kRevocationList, kKey, Member::kSecret};
inline constexpr Shows kKeyPart{kKey, kKey, kKey, kKey};

struct EntryRow {
  View view;
  Shows shows;
  Result<ViewBytes> (*make)(const EntryArgument&);
  Result<std::uint64_t> (*measure)(const EntryArgument&);  // Null: by making it.
};

inline constexpr std::array<EntryRow, 10> kEntryRows{{
    {{ViewKind::kFullChain, ViewPlace::kEntry, "fullchain.pem", false, false},
     kPublicPart,
     MakeFullChain,
     nullptr},
    {{ViewKind::kChain, ViewPlace::kEntry, "chain.pem", false, false}, kPublicPart, MakeChain, nullptr},
    {{ViewKind::kCombined, ViewPlace::kEntry, "combined.pem", false, true}, kKeyPart, MakeCombined, nullptr},
    {{ViewKind::kCertificateDer, ViewPlace::kEntry, "cert.der", false, false},
     kPublicPart,
     MakeCertificateDer,
     nullptr},
    {{ViewKind::kPublicKey, ViewPlace::kEntry, "public.pem", false, false},
     kPublicPart,
     MakePublicKey,
     nullptr},
    {{ViewKind::kKeystore, ViewPlace::kEntry, "keystore.p12", true, false},
     kKeyPart,
     MakeKeystore,
     MeasureKeystore},
    {{ViewKind::kRequest, ViewPlace::kEntry, "request.csr", false, false}, kPublicPart, MakeRequest, nullptr},
    // By the name that vRealize Orchestrator's keytool steps have.
    {{ViewKind::kOrchestratorRequest, ViewPlace::kEntry, "VSOcertificate.csr", false, false},
     kPublicPart,
     MakeRequest,
     nullptr},
    {{ViewKind::kInfoText, ViewPlace::kEntry, "info.txt", false, false}, kPublicPart, MakeInfoText, nullptr},
    {{ViewKind::kInfoJson, ViewPlace::kEntry, "info.json", false, false}, kPublicPart, MakeInfoJson, nullptr},
}};

struct StoreRow {
  View view;
  bool for_owner;  // It shows several keys: 0600 of the daemon's user. Else as the store.
  Result<ViewBytes> (*make)(const StoreArgument&);
  Result<std::uint64_t> (*measure)(const StoreArgument&);
};

inline constexpr std::array<StoreRow, 5> kStoreRows{{
    {{ViewKind::kStoreKeystore, ViewPlace::kStore, "store.p12", true, false},
     true,
     MakeStoreKeystore,
     MeasureStoreKeystore},
    {{ViewKind::kIndex, ViewPlace::kStore, "index.json", false, false}, false, MakeIndex, nullptr},
    {{ViewKind::kBundle, ViewPlace::kTrustStore, "ca-bundle.pem", false, false}, false, MakeBundle, nullptr},
    {{ViewKind::kTrustStore, ViewPlace::kTrustStore, "truststore.p12", false, false},
     false,
     MakeTrustStore,
     MeasureTrustStore},
    {{ViewKind::kServerKeystore, ViewPlace::kExport, "vmo-server.vmokeystore", true, false},
     true,
     MakeServerKeystore,
     MeasureServerKeystore},
}};

inline constexpr std::array<View, 2> kHashedViews{{
    {ViewKind::kHashedRoot, ViewPlace::kHashed, "", false, false},
    {ViewKind::kHashedList, ViewPlace::kHashed, "", false, false},
}};

}  // namespace certfs::view
