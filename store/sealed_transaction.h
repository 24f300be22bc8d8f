// One change of a SealedTable. Private to store/.
//
// Thread-safety: as TableTransaction. Errors: as EntryTable.

#pragma once

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "store/audit_event.h"
#include "store/sealed_view.h"

namespace certfs {

Result<SecretBytes> RandomDataKey();

Result<Bytes> SealManifest(const RootKeys& keys, const Manifest& manifest);

// Makes the first manifest, or a changed one, the root of everything. `manifest.commit` is the commit that
// writes it.
Result<void> WriteManifest(lmdb::Transaction& transaction, const RootKeys& keys, const Manifest& manifest);

// A record by its place.
struct RecordPlace {
  lmdb::Table table = lmdb::Table::kContents;
  Bytes key;

  friend auto operator<=>(const RecordPlace&, const RecordPlace&) = default;
};
// "key.pem of entry 17", for people.
std::string Describe(const RecordPlace& place);

// How many records there are, by epoch.
using EpochCounts = std::map<std::uint32_t, std::size_t>;

// What was sealed again.
struct Resealed {
  std::size_t records = 0;
  std::size_t bytes = 0;
};

class SealedTransaction final : public SealedReads<TableTransaction> {
 public:
  // Begins one on the table that `shared` belongs to and outlives. It may leave `used_bytes_max` in use.
  static Result<std::unique_ptr<SealedTransaction>> Begin(SealedShared& shared,
                                                          std::optional<std::uint64_t> used_bytes_max);

  Result<Number> PutStore(Store store) override;
  Result<Number> PutEntry(Entry entry) override;
  Result<void> PutFile(Entry& entry, Member member, BytesView bytes) override;
  Result<void> RemoveFile(Entry& entry, Member member) override;
  Result<void> RemoveStore(const Store& store) override;
  Result<void> RemoveEntry(const Entry& entry) override;
  Result<void> PutSerial(const IssuedSerial& serial, const SerialHolder& holder) override;
  Result<void> PutSettings(const Settings& settings) override;
  Result<void> PutAuthority(const AuthorityRecord& record) override;
  Result<Number> PutIssued(IssuedCertificate issued) override;
  Result<std::optional<IssuedCertificate>> FindIssued(const SerialNumber& serial) override;
  Result<std::optional<IssuedCertificate>> FindIssuedByNumber(Number number) override;
  Result<void> ListIssued(Cursor after, const IssuedSink& sink) override;
  Result<void> ListIssued(const IssuedGroupKey& group, const IssuedSink& sink) override;
  Result<void> Commit() override;
  bool WantsRoom() const override { return transaction_->map_full(); }

  // --- The keeping of keys (sealed_rotation.cc)

  ManifestFacts facts() const { return FactsOf(manifest_); }

  // From now on records are sealed under a new data key; those of before stay readable.
  Result<void> AddDataKey();

  // How many records there are of each epoch, as they say themselves.
  Result<EpochCounts> CountByEpoch();

  // Forgets the data keys, but the newest, that no record in `used` is sealed under, and notes that what they
  // sealed may still lie in free space.
  void DropDataKeys(const EpochCounts& used);

  // Notes that old ciphertext may lie in free space.
  void NoteOldCiphertext() { manifest_.rewrite_pending = true; }

  // Leaves the commit without a line in the audit log: nothing that anybody sees changes by it.
  void SkipAudit() { audited_ = false; }

  // Takes over what is newer in `anchor`. Returns whether anything is; the commit then has no number of its
  // own.
  bool Anchor(const AuditAnchor& anchor);

  // Leaves the manifest a second time, under the root key that is about to come and with a new data key:
  // whoever has the header of before or of after can open the table, and whoever has that of after seals what
  // the one of before never opens. The next commit leaves one again, under the keys of whoever makes it.
  Result<void> Announce(RootKeys keys);

  // The next record behind `after`, in the order of their tables and keys, that is not sealed under the
  // newest data key.
  Result<std::optional<RecordPlace>> FindOldRecord(const RecordPlace& after);

  // Says whether Reseal can take it on: kCorrupt where it is not what its parent knows. Changes nothing.
  Result<void> CheckOldRecord(const RecordPlace& place);

  // Seals what is there under the newest data key, and with it the whole entry that it belongs to.
  // Plaintexts, their revisions and times stay as they are; a damaged file stays as it is. After kCorrupt the
  // transaction is to be abandoned.
  Result<Resealed> Reseal(const RecordPlace& place);

 private:
  SealedTransaction(SealedShared& shared, std::unique_ptr<lmdb::Transaction> transaction,
                    std::shared_ptr<CheckedState> checked, std::optional<std::uint64_t> used_bytes_max);

  Result<Number> NewNumber();
  Result<Bytes> SealRecord(RecordKind kind, Number number, std::uint64_t member, BytesView plaintext);
  Result<Bytes> SealRecordAs(std::uint64_t revision, RecordKind kind, Number number, std::uint64_t member,
                             BytesView plaintext);
  Result<void> IndexStore(const Store& store, const Digest& digest);
  Result<void> ForgetStoreName(const Store& store);
  Result<void> ForgetAlias(const Entry& entry);
  Result<Store> StoreOf(Number number);
  Result<void> SealAll();
  Result<void> CheckUsage();
  Result<DataKey> NextDataKey() const;
  Result<Resealed> ResealEntry(Number number);
  Result<std::size_t> ResealFile(Entry& entry, Member member);
  Result<Resealed> ResealIssued(Number number);
  // Puts new lines into the trees of the ledger, where they are found. They come by the thousand, and each
  // node above them is written once.
  Result<void> IndexNewLines();
  // Returns how long the sealed record is.
  Result<std::size_t> SealIssued(const IssuedCertificate& issued, std::uint64_t revision);
  Result<void> Regroup(const std::vector<IssuedGroupKey>& before, const IssuedCertificate& issued);

  // --- The audit log (sealed_audit.cc)

  void Touch(const Store& store) { touched_stores_[store.number] = {store.name.text(), {}, std::nullopt}; }
  void Touch(const Store& store, const Entry& entry) {
    touched_entries_[entry.number] = {store.name.text(), entry.alias.text(), entry.revision};
  }
  AuditEvent DescribeChange() const;
  // Has the change noted; it must not happen where that fails.
  Result<void> NoteChange();
  // Notes that a change which was noted did not come to be.
  void NoteFailure(const Error& error);

  SealedShared& shared_;
  std::unique_ptr<lmdb::Transaction> transaction_;
  std::shared_ptr<CheckedState> checked_;
  const std::optional<std::uint64_t> used_bytes_max_;
  Manifest manifest_;  // As it will be committed.
  PendingStores pending_;
  std::map<Digest, TreeItem> new_lines_;   // By their keys in the tree.
  std::map<Digest, TreeItem> new_groups_;  // The same of their groups.
  struct Announced {
    RootKeys keys;
    DataKey data_key;
  };
  std::optional<Announced> announced_;
  // What the audit log is to say.
  bool audited_ = true;
  bool only_anchors_ = false;
  std::map<Number, AuditedEntry> touched_stores_;
  std::map<Number, AuditedEntry> touched_entries_;
  bool touched_settings_ = false;
  bool touched_authority_ = false;
  std::optional<std::uint64_t> line_;  // Of this commit.
};

}  // namespace certfs
