// Reading sealed records, each checked along its path from the manifest. Private to store/; what
// SealedTable's snapshots and transactions have in common.
//
// Thread-safety: SealedShared and CheckedState serve any thread; a SealedView belongs to one.
// Errors: as EntryTable.

#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/entry_cache.h"
#include "store/hash_tree.h"
#include "store/header.h"
#include "store/lmdb/transaction.h"
#include "store/node_cache.h"
#include "store/record_codec.h"

namespace certfs {

class AuditLog;

// One committed state, as far as it has been checked: its manifest, and the stores that were read.
class CheckedState {
 public:
  CheckedState(std::uint64_t base, Manifest manifest) : base_(base), manifest_(std::move(manifest)) {}

  std::uint64_t base() const noexcept { return base_; }
  const Manifest& manifest() const noexcept { return manifest_; }

  std::optional<Store> ByNumber(Number number);
  std::optional<Store> ByName(const std::string& folded);
  void Put(const Store& store);

 private:
  const std::uint64_t base_;
  const Manifest manifest_;
  std::mutex mutex_;
  std::unordered_map<Number, Store> by_number_;
  std::unordered_map<std::string, Number> by_name_;
};

// What a listing shows of the entries beneath one node of a tree, whose digest fixes all of it.
struct HeadBlock {
  struct Head {
    Cursor at;
    EntryHead head;
  };
  std::vector<Head> heads;

  std::size_t MemoryBytes() const noexcept;
};

class HeadCache : public DigestCache<HeadBlock> {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{32} << 20;  // A hundred thousand entries in a half.
  HeadCache() : DigestCache(kBytesMax) {}
};

// What a manifest says about the keys of a table, without showing one.
struct ManifestFacts {
  std::uint32_t epoch = 0;        // Of the data key that seals.
  std::size_t old_data_keys = 0;  // How many others there are.
  bool rewrite_pending = false;   // As Manifest.
};
ManifestFacts FactsOf(const Manifest& manifest);

// What all snapshots and transactions of one table share.
class SealedShared {
 public:
  SealedShared(std::unique_ptr<lmdb::Environment> lmdb_environment, RootKeys root_keys)
      : environment(std::move(lmdb_environment)), keys(std::move(root_keys)) {}

  // Returns the state that `transaction` began from. kCorrupt if it is older than one that was there before:
  // then somebody put back a whole keystore of earlier.
  Result<std::shared_ptr<CheckedState>> StateOf(lmdb::Transaction& transaction);

  const std::unique_ptr<lmdb::Environment> environment;
  const RootKeys keys;
  AuditLog* audit = nullptr;  // Borrowed. Where every commit is noted; null where none is.
  EntryCache cache;
  NodeCache nodes;
  HeadCache heads;

 private:
  Result<Manifest> ReadManifest(lmdb::Transaction& transaction, const Bytes& key);

  std::mutex mutex_;
  std::shared_ptr<CheckedState> latest_;  // Guarded by mutex_.
};

// The nodes of all trees, in LMDB; `cache` is borrowed.
class LmdbNodes final : public NodeTable {
 public:
  LmdbNodes(lmdb::Transaction& transaction, NodeCache& cache) : transaction_(transaction), cache_(cache) {}
  Result<std::optional<BytesView>> Get(Number tree, std::uint8_t depth, BytesView prefix) override;
  Result<void> Put(Number tree, std::uint8_t depth, BytesView prefix, BytesView node) override;
  Result<void> Remove(Number tree, std::uint8_t depth, BytesView prefix) override;
  NodeCache* cache() override { return &cache_; }

 private:
  lmdb::Transaction& transaction_;
  NodeCache& cache_;
};

// What a transaction has done to stores and not yet sealed; nothing for a store that it removed.
using PendingStores = std::map<Number, std::optional<Store>>;

// On disk: the keys of the tables, and what names map to in a hash tree. `parent` is 0 for a store.
Bytes RecordKey(Number number);
Bytes ContentKey(Number number, Member member);
inline const Bytes kManifestKey{0};
inline const Bytes kSettingsKey{1};
inline const Bytes kAnnouncedKey{2};  // The manifest once more, under the root key that is about to come.
inline const Bytes kAuthorityKey{3};
inline constexpr Number kTreeOfStores = 0;
inline constexpr Number kTreeOfSerials = 1;
inline constexpr Number kTreeOfIssued = 2;
inline constexpr Number kTreeOfGroups = 3;
Digest NameKey(const Manifest& manifest, Number parent, std::string_view name);
Digest SerialKey(const Manifest& manifest, const IssuedSerial& serial);
Digest IssuedKey(const Manifest& manifest, const SerialNumber& serial);
// Of a line in the tree of groups.
Digest GroupedKey(const Manifest& manifest, const IssuedGroupKey& group, const Digest& issued_key);
RecordIdentity ManifestIdentity(const StoreId& store_id);
RecordIdentity SettingsIdentity(const StoreId& store_id, std::uint32_t epoch);

class SealedView {
 public:
  // Borrows everything. A snapshot has no `pending`; a transaction's manifest and pending stores change
  // beneath it.
  SealedView(SealedShared& shared, lmdb::Transaction& transaction, CheckedState& checked,
             const Manifest& manifest, const PendingStores* pending)
      : shared_(shared),
        transaction_(transaction),
        checked_(checked),
        manifest_(manifest),
        pending_(pending),
        nodes_(transaction, shared.nodes) {}

  Result<std::optional<Store>> FindStoreFolded(const StoreName& name);
  Result<std::optional<Entry>> FindEntryFolded(Number store, const Alias& alias);
  Result<std::optional<Store>> FindStoreByNumber(Number number);
  Result<std::optional<Entry>> FindEntryByNumber(Number number);
  Result<std::optional<std::uint64_t>> FindEntryMark(Number number);
  Result<std::optional<Listed<Store>>> NextStore(Cursor after, Cursor* skipped);
  Result<std::optional<Listed<Entry>>> NextEntry(Number store, Cursor after, Cursor* skipped);
  Result<void> ListEntries(Number store, Cursor after, const EntryHeadSink& sink);
  Result<SecretBytes> ReadFile(const Entry& entry, Member member);
  Result<std::optional<SerialHolder>> FindSerial(const IssuedSerial& serial);
  Result<Settings> GetSettings();
  Result<AuthorityRecord> GetAuthority();
  bool has_authority() const noexcept { return manifest_.has_authority; }
  Result<std::optional<IssuedCertificate>> FindIssued(const SerialNumber& serial);
  Result<std::optional<IssuedCertificate>> FindIssuedByNumber(Number number);
  Result<void> ListIssued(Cursor after, const IssuedSink& sink);
  Result<void> ListIssued(const IssuedGroupKey& group, const IssuedSink& sink);
  std::uint64_t issued_count() const noexcept { return manifest_.issued_count; }
  std::uint64_t commit() const noexcept { return manifest_.commit; }
  StoreId store_id() const noexcept { return shared_.keys.store_id; }
  Result<SecretBytes> DeriveViewKey();

  LmdbNodes& nodes() noexcept { return nodes_; }

 private:
  struct Record {
    Digest digest;
    SecretBytes plaintext;
  };

  Result<Record> Open(BytesView sealed, RecordKind kind, Number number, std::uint64_t member,
                      const Digest* expected);
  class Lister;
  class IssuedLister;

  Result<Store> LoadStore(const TreeItem& item);
  Result<std::shared_ptr<const Entry>> LoadEntry(const Store& store, const TreeItem& item,
                                                 const std::string* known_name);
  Result<std::optional<IssuedCertificate>> OpenIssued(Number number, Digest& digest);
  Result<IssuedCertificate> LoadIssued(const TreeItem& item);

  SealedShared& shared_;
  lmdb::Transaction& transaction_;
  CheckedState& checked_;
  const Manifest& manifest_;
  const PendingStores* pending_;
  LmdbNodes nodes_;
};

// The reading half of TableSnapshot or TableTransaction, whichever `Interface` is.
template <typename Interface>
class SealedReads : public Interface {
 public:
  Result<std::optional<Store>> FindStoreFolded(const StoreName& name) final {
    return Noted(view_.FindStoreFolded(name));
  }
  Result<std::optional<Entry>> FindEntryFolded(Number store, const Alias& alias) final {
    return Noted(view_.FindEntryFolded(store, alias));
  }
  Result<std::optional<Store>> FindStoreByNumber(Number number) final {
    return Noted(view_.FindStoreByNumber(number));
  }
  Result<std::optional<Entry>> FindEntryByNumber(Number number) final {
    return Noted(view_.FindEntryByNumber(number));
  }
  Result<std::optional<std::uint64_t>> FindEntryMark(Number number) final {
    return Noted(view_.FindEntryMark(number));
  }
  Result<std::optional<Listed<Store>>> NextStore(Cursor after, Cursor* skipped) final {
    return Noted(view_.NextStore(after, skipped));
  }
  Result<std::optional<Listed<Entry>>> NextEntry(Number store, Cursor after, Cursor* skipped) final {
    return Noted(view_.NextEntry(store, after, skipped));
  }
  Result<void> ListEntries(Number store, Cursor after, const EntryHeadSink& sink) final {
    return Noted(view_.ListEntries(store, after, sink));
  }
  Result<SecretBytes> ReadFile(const Entry& entry, Member member) final {
    return Noted(view_.ReadFile(entry, member));
  }
  Result<std::optional<SerialHolder>> FindSerial(const IssuedSerial& serial) final {
    return Noted(view_.FindSerial(serial));
  }
  Result<Settings> GetSettings() final { return Noted(view_.GetSettings()); }
  Result<AuthorityRecord> GetAuthority() final { return Noted(view_.GetAuthority()); }
  bool has_authority() final { return view_.has_authority(); }
  Result<std::optional<IssuedCertificate>> FindIssued(const SerialNumber& serial) override {
    return Noted(view_.FindIssued(serial));
  }
  Result<std::optional<IssuedCertificate>> FindIssuedByNumber(Number number) override {
    return Noted(view_.FindIssuedByNumber(number));
  }
  Result<void> ListIssued(Cursor after, const IssuedSink& sink) override {
    return Noted(view_.ListIssued(after, sink));
  }
  Result<void> ListIssued(const IssuedGroupKey& group, const IssuedSink& sink) override {
    return Noted(view_.ListIssued(group, sink));
  }
  std::uint64_t issued_count() final { return view_.issued_count(); }
  std::uint64_t commit() final { return view_.commit(); }
  StoreId store_id() final { return view_.store_id(); }
  Result<SecretBytes> DeriveViewKey() final { return view_.DeriveViewKey(); }

 protected:
  SealedReads(SealedShared& shared, lmdb::Transaction& transaction, CheckedState& checked,
              const Manifest& manifest, const PendingStores* pending)
      : view_(shared, transaction, checked, manifest, pending), environment_(*shared.environment) {}

  SealedView view_;

 private:
  // What is damaged in one place may be so in others, where LMDB follows it.
  template <typename T>
  T Noted(T result) {
    if (!result.has_value() && result.error().code() == ErrorCode::kCorrupt) environment_.Suspect();
    return result;
  }

  lmdb::Environment& environment_;
};

}  // namespace certfs
