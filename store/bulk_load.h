// Filling a new table with many entries at once: records are sealed and put one behind the other, and each
// hash tree is built once, at the end. Private to store/.
//
// What comes of it is what the same changes through a transaction would have made; but it is no table until
// Finish() has succeeded.
//
// Thread-safety: Begin, and then all the rest, each on one thread: LMDB's transactions belong to theirs.
// Memory: some 80 bytes an entry and an indexed certificate, and 500 bytes a line of the ledger, besides a
// batch of records. Errors: as EntryTable; kRejected ("serial-reused") for two certificates with one issuer
// and serial number. The caller sees to it that no name comes twice.

#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store/backup_reader.h"
#include "store/hash_tree.h"
#include "store/header.h"
#include "store/node_cache.h"
#include "store/sealed_view.h"

namespace certfs {

class BulkLoad {
 public:
  // Opens the table that CreateSealedTable has made in `directory`. `bytes` is about how much will come.
  static Result<std::unique_ptr<BulkLoad>> Begin(const std::filesystem::path& directory, RootKeys keys,
                                                 std::uint64_t bytes);
  Result<void> Add(const BackupStore& store);
  // Of the store before it. A staged one comes right behind its live one.
  Result<void> Add(const BackupEntry& entry);

  // Behind all stores: what it says of entries is looked up among them.
  Result<void> Add(ArchivedAuthority authority);
  // Of the authority before it.
  Result<void> Add(ArchivedLine line);

  // Makes all of it one table, durable.
  Result<void> Finish(const Settings& settings);

 private:
  struct LoadedStore {
    Store store;
    std::vector<TreeItem> entries;
  };

  BulkLoad(std::unique_ptr<lmdb::Environment> environment, RootKeys keys)
      : shared_(std::move(environment), std::move(keys)) {}
  Result<Number> NewNumber();
  // The number that the store of this name has, or is going to have.
  Result<Number> NumberOf(const StoreName& name);
  // Seals a record, puts it and returns its digest.
  Result<Digest> Put(lmdb::Table table, BytesView key, RecordKind kind, Number number, std::uint64_t member,
                     BytesView plaintext);
  // Commits when a batch has become large: a transaction holds in memory what it writes.
  Result<void> Breathe();
  Result<void> CountSerials(const BackupEntry& entry);
  Result<void> FinishStore();
  // The entry of that name; 0 for none.
  Result<Number> NumberOf(const EntryName& name);
  Result<void> FinishLedger();
  Result<Digest> BuildTree(Number tree, std::vector<TreeItem> items);

  SealedShared shared_;
  Manifest manifest_;  // As it will be committed.
  std::unique_ptr<lmdb::Transaction> transaction_;
  std::size_t batch_bytes_ = 0;
  std::optional<LoadedStore> store_;  // That entries are added to.
  std::vector<TreeItem> stores_;
  std::map<std::string, Number> numbers_;  // Of stores, by folded names.
  std::unordered_map<Digest, SerialHolder, DigestHash> serials_;
  std::unordered_map<Number, Digest> leaves_;  // Of live entries: SHA-256 of the first certificate.
  std::map<std::string, std::pair<Number, Digest>> loaded_;  // By folded name: number, root of its tree.
  std::vector<TreeItem> issued_;
  std::vector<TreeItem> groups_;
  Number live_ = 0;  // The last entry that is not staged.
};

}  // namespace certfs
