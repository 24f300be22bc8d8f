// The functions that the rows of the table of views name. Private to store/.
//
// Each returns the bytes of its view; none where there is nothing to show, and then the view is not listed.
// Those of encrypted views have a second that tells the size alone: it needs no password.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include "store/view.h"
#include "store/view/context.h"
#include "store/view/material.h"

namespace certfs::view {

// --- Of an entry. What they are made from was read beforehand, from `snapshot`.

struct EntryArgument {
  TableSnapshot& snapshot;
  Context& context;
  const EntryMaterial& material;
};
// Fills in `material.findings`, which info.txt and info.json show.
Result<void> JudgeMaterial(TableSnapshot& snapshot, Context& context, EntryMaterial& material);

Result<ViewBytes> MakeFullChain(const EntryArgument& of);
Result<ViewBytes> MakeChain(const EntryArgument& of);
Result<ViewBytes> MakeCombined(const EntryArgument& of);
Result<ViewBytes> MakeCertificateDer(const EntryArgument& of);
Result<ViewBytes> MakePublicKey(const EntryArgument& of);
Result<ViewBytes> MakeRequest(const EntryArgument& of);
Result<ViewBytes> MakeInfoText(const EntryArgument& of);
Result<ViewBytes> MakeInfoJson(const EntryArgument& of);
Result<ViewBytes> MakeKeystore(const EntryArgument& of);
Result<std::uint64_t> MeasureKeystore(const EntryArgument& of);

// --- Of a store, or of all that are exported.

struct StoreArgument {
  TableSnapshot& snapshot;
  Context& context;
  std::span<const Store> stores;
};
Result<ViewBytes> MakeStoreKeystore(const StoreArgument& of);
Result<std::uint64_t> MeasureStoreKeystore(const StoreArgument& of);
Result<ViewBytes> MakeIndex(const StoreArgument& of);
Result<ViewBytes> MakeBundle(const StoreArgument& of);
Result<ViewBytes> MakeTrustStore(const StoreArgument& of);
Result<std::uint64_t> MeasureTrustStore(const StoreArgument& of);
Result<ViewBytes> MakeServerKeystore(const StoreArgument& of);
Result<std::uint64_t> MeasureServerKeystore(const StoreArgument& of);

// Calls `visit` with each entry of `store`, staged ones left out, in the order of their aliases.
Result<void> ForEachEntry(TableSnapshot& snapshot, const Store& store,
                          const std::function<Result<void>(const Entry&)>& visit);

// Says whether everybody may read `member`: what whole stores show to all is no more than that.
bool IsPublic(const Store& store, const Entry& entry, Member member);

}  // namespace certfs::view
