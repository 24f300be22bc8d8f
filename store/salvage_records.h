// The records and the nodes of hash trees that a data.mdb still holds, wherever they stand in it: those whose
// seals open. Private to store/.
//
// Thread-safety: none. Ownership: borrows the scan. Memory: some 80 bytes a record and 50 a node, old ones
// included. Errors: kCorrupt where there is no manifest, and hence no key to anything.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "store/hash_tree.h"
#include "store/header.h"
#include "store/node_cache.h"
#include "store/record_codec.h"
#include "store/salvage_pages.h"

namespace certfs {

// A record that opens as what it is filed under.
struct SalvagedRecord {
  FilePlace place;
  Standing standing = Standing::kUnknown;
  std::uint32_t epoch = 0;
  std::uint64_t revision = 0;  // The commit that wrote it.
  Digest digest{};             // Of the sealed record.
};

class SalvagedRecords {
 public:
  using Key = std::tuple<RecordKind, Number, std::uint64_t>;  // Kind, number, member.

  static Result<SalvagedRecords> Read(PageScan& scan, const RootKeys& keys,
                                      const PageScan::Progress& progress);

  // The newest that there is.
  const Manifest& manifest() const noexcept { return manifest_; }
  // Whether that is the one of the newest commit.
  bool is_current() const noexcept { return is_current_; }

  // The one of that digest; null where there is none.
  const SalvagedRecord* Find(const Key& key, const Digest& digest) const;
  // The newest of those that were not replaced or removed, as far as that is known; null for none.
  const SalvagedRecord* Newest(const Key& key) const;
  // The newest of those that were.
  const SalvagedRecord* NewestFree(const Key& key) const;

  // Opens one again, which is filed under `key`.
  Result<SecretBytes> Open(const Key& key, const SalvagedRecord& record) const;

  // The keys of a kind, in order, each once.
  std::vector<Key> KeysOf(RecordKind kind) const;

  // What a tree of that root leads to, in the order of its keys. `whole` becomes false where nodes are
  // missing.
  std::vector<TreeItem> ItemsOf(const Digest& root, bool& whole) const;

 private:
  explicit SalvagedRecords(const PageScan& scan, const RootKeys& keys) : scan_(scan), keys_(keys) {}
  bool TakeManifest(const FoundRow& row);
  bool TakeRow(const FoundRow& row);
  bool TakeRecord(const FoundRow& row);
  void Gather(const Digest& node, std::size_t depth, std::vector<TreeItem>& items, bool& whole) const;

  const PageScan& scan_;
  const RootKeys& keys_;
  std::optional<Manifest> newest_;
  Standing manifest_standing_ = Standing::kUnknown;
  Manifest manifest_;
  bool is_current_ = false;
  std::map<std::uint32_t, SecretBytes> data_keys_;  // Of all manifests.
  std::map<Key, std::vector<SalvagedRecord>> records_;
  std::unordered_map<Digest, FilePlace, DigestHash> nodes_;
};

}  // namespace certfs
