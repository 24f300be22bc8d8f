// The generated files of `export/`: what consumers read instead of the files of an entry. One table.
//
// A view is a row: its name, where it stands, what it shows, and a function from a snapshot to bytes. Nothing
// of it is stored. The bytes are the same for as long as what they show is the same, and their number is
// known without making those that are encrypted (no password is stretched for it).
//
// Thread-safety: the table is constant; Views may be used from any thread. Ownership: Views borrows the
// keystore. Errors, besides those of TableSnapshot: kPasswordRequired ("export-password") when a view that
// bears keys is read while no export password is set; kMalformed where a stored file cannot be read (an older
// certfs accepted it): such a file shows nothing.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/secret.h"
#include "store/keystore.h"

namespace certfs {

// In node ids, hence in what NFS clients and backup programs remember: never change or reuse.
enum class ViewKind : std::uint8_t {
  kFullChain = 1,
  kChain = 2,
  kCombined = 3,
  kCertificateDer = 4,
  kPublicKey = 5,
  kKeystore = 6,
  kRequest = 7,
  kInfoText = 8,
  kInfoJson = 9,
  kStoreKeystore = 10,
  kIndex = 11,
  kBundle = 12,
  kTrustStore = 13,
  kHashedRoot = 14,
  kHashedList = 15,
  kServerKeystore = 16,
  kOrchestratorRequest = 19,  // 17 and 18 are backup/, from 20 on ca/.
};

// On what a row stands.
enum class ViewPlace : std::uint8_t {
  kEntry,       // export/<STORE>/<alias>/
  kStore,       // export/<STORE>/
  kTrustStore,  // export/TRUSTED_ROOTS/ alone.
  kHashed,      // export/TRUSTED_ROOTS/hashed/: one file a certificate or CRL, under a name of its own.
  kExport,      // export/
};

struct View {
  ViewKind kind;
  ViewPlace place;
  std::string_view name;  // Empty for those whose name depends on what they show.
  bool encrypted;         // Opens with the export password, and cannot be made without one.
  bool secret;            // Its bytes are key material in the clear.
};

std::span<const View> ViewTable();
const View& ViewOf(ViewKind kind);
// Null for what is none: a node's number may be anybody's, or of another version's table.
const View* FindViewOf(ViewKind kind);

// The directory of hashed names, and the stores that are not shown (BACKUP_STORE: nobody consumes what was).
inline constexpr std::string_view kHashedName = "hashed";
bool IsExported(const Store& store);

// What stat shows of a view.
struct ShownView {
  const View* view = nullptr;
  Number number = 0;  // Of the entry or store that it shows; 0 in export/ itself.
  std::string name;   // In its directory.
  Digest identity{};  // Another one whenever the bytes may be others.
  std::uint64_t size = 0;
  Attributes attributes;
};

// The bytes of a view; one of the two is empty.
struct ViewBytes {
  Bytes plain;
  SecretBytes secret;
};

class Views {
 public:
  // `owner` is the daemon's: what shows several keys belongs to it.
  Views(Keystore& keystore, Actor owner);
  ~Views();
  Views(const Views&) = delete;
  Views& operator=(const Views&) = delete;

  // What there is to show, in the order of the table: of an entry, of a store, in hashed/, in export/.
  Result<std::vector<ShownView>> OfEntry(TableSnapshot& snapshot, const Entry& entry);
  Result<std::vector<ShownView>> OfStore(TableSnapshot& snapshot, const Store& store);
  Result<std::vector<ShownView>> Hashed(TableSnapshot& snapshot);
  Result<std::vector<ShownView>> OfExport(TableSnapshot& snapshot);

  // One of them again; nothing when it is not there any more.
  Result<std::optional<ShownView>> Find(TableSnapshot& snapshot, ViewKind kind, Number number);

  // The bytes of what `shown` stands for in this snapshot.
  Result<ViewBytes> Read(TableSnapshot& snapshot, const ShownView& shown);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace certfs
