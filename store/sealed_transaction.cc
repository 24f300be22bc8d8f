#include "store/sealed_transaction.h"

#include <limits>

#include "store/audit_log.h"

namespace certfs {

namespace {

// Node ids of the mount have 32 bits for a number.
constexpr Number kNumberEnd = Number{1} << 32;

}  // namespace

Result<Number> SealedTransaction::NewNumber() {
  if (manifest_.next_number >= kNumberEnd)
    return Error(ErrorCode::kNoSpace, "the keystore has used up its numbers");
  return manifest_.next_number++;
}

Result<Bytes> SealedTransaction::SealRecord(RecordKind kind, Number number, std::uint64_t member,
                                            BytesView plaintext) {
  return SealRecordAs(manifest_.commit, kind, number, member, plaintext);
}

Result<Bytes> SealedTransaction::SealRecordAs(std::uint64_t revision, RecordKind kind, Number number,
                                              std::uint64_t member, BytesView plaintext) {
  const DataKey& current = manifest_.data_keys.back();
  return Seal(current.key, {shared_.keys.store_id, kind, current.epoch, number, member}, revision, plaintext);
}

Result<void> SealedTransaction::IndexStore(const Store& store, const Digest& digest) {
  HashTree tree(view_.nodes(), kTreeOfStores, manifest_.stores);
  TRY(tree.Put({NameKey(manifest_, kTreeOfStores, store.name.text()), store.number, digest}));
  manifest_.stores = tree.root();
  return {};
}

Result<void> SealedTransaction::ForgetStoreName(const Store& store) {
  HashTree tree(view_.nodes(), kTreeOfStores, manifest_.stores);
  TRY(tree.Remove(NameKey(manifest_, kTreeOfStores, store.name.text())));
  manifest_.stores = tree.root();
  return {};
}

Result<Store> SealedTransaction::StoreOf(Number number) {
  std::optional<Store> store = TRY(FindStoreByNumber(number));
  if (!store) return Error(ErrorCode::kNotFound, "there is no such store");
  return *std::move(store);
}

// A store's record is sealed by Commit, once: until then its leaf holds no digest, and readers ask
// `pending_`.
Result<Number> SealedTransaction::PutStore(Store store) {
  const std::optional<Store> taken = TRY(FindStoreFolded(store.name));
  if (taken && taken->number != store.number) return Error(ErrorCode::kAlreadyExists, "the name is taken");
  store.entries = {};
  store.entry_count = 0;
  if (store.number == 0) {
    store.number = TRY(NewNumber());
    ++manifest_.store_count;
  } else {
    // What hangs off the store is this class's to say, not that of whoever read the store earlier.
    const Store old = TRY(StoreOf(store.number));
    store.entries = old.entries;
    store.entry_count = old.entry_count;
    if (!taken) TRY(ForgetStoreName(old));
  }
  if (!taken) TRY(IndexStore(store, Digest{}));
  Touch(store);
  const Number number = store.number;
  pending_[number] = std::move(store);
  return number;
}

// Takes an entry as it is stored out of its store's tree.
Result<void> SealedTransaction::ForgetAlias(const Entry& entry) {
  Store store = TRY(StoreOf(entry.store));
  HashTree tree(view_.nodes(), store.number, store.entries);
  const bool removed = TRY(tree.Remove(NameKey(manifest_, store.number, entry.alias.text())));
  store.entries = tree.root();
  if (removed) --store.entry_count;
  pending_[store.number] = std::move(store);
  return {};
}

Result<Number> SealedTransaction::PutEntry(Entry entry) {
  const std::optional<Entry> taken = TRY(FindEntryFolded(entry.store, entry.alias));
  if (taken && taken->number != entry.number) return Error(ErrorCode::kAlreadyExists, "the alias is taken");
  TRY(StoreOf(entry.store));
  if (entry.number == 0) {
    entry.number = TRY(NewNumber());
  } else if (!taken) {
    const std::optional<Entry> old = TRY(FindEntryByNumber(entry.number));
    if (!old) return Error(ErrorCode::kNotFound, "there is no such entry");
    TRY(ForgetAlias(*old));
  }
  const Bytes sealed = TRY(SealRecord(RecordKind::kEntry, entry.number, 0, EncodeEntry(entry)));
  TRY(transaction_->Put(lmdb::Table::kEntries, RecordKey(entry.number), sealed));
  Store store = TRY(StoreOf(entry.store));  // Again: taking the entry out may have changed it.
  HashTree tree(view_.nodes(), store.number, store.entries);
  TRY(tree.Put({NameKey(manifest_, store.number, entry.alias.text()), entry.number, Sha256({sealed})}));
  store.entries = tree.root();
  if (!taken) ++store.entry_count;
  Touch(store, entry);
  pending_[store.number] = std::move(store);
  return entry.number;
}

Result<void> SealedTransaction::PutFile(Entry& entry, Member member, BytesView bytes) {
  if (entry.number == 0 || bytes.empty())
    return Error(ErrorCode::kInvalidArgument, "no number, or nothing to store");
  if (bytes.size() > std::numeric_limits<std::uint32_t>::max())
    return Error(ErrorCode::kTooLarge, "a file too large");
  const Bytes sealed =
      TRY(SealRecord(RecordKind::kContent, entry.number, static_cast<std::uint64_t>(member), bytes));
  TRY(transaction_->Put(lmdb::Table::kContents, ContentKey(entry.number, member), sealed));
  auto& file = entry.file(member);
  if (!file) file.emplace();
  file->size = static_cast<std::uint32_t>(bytes.size());
  file->digest = Sha256({sealed});
  return {};
}

Result<void> SealedTransaction::RemoveFile(Entry& entry, Member member) {
  TRY(transaction_->Remove(lmdb::Table::kContents, ContentKey(entry.number, member)));
  entry.file(member).reset();
  return {};
}

Result<void> SealedTransaction::RemoveStore(const Store& store) {
  const Store old = TRY(StoreOf(store.number));
  if (old.entry_count != 0) return Error(ErrorCode::kNotEmpty, "the store holds entries");
  TRY(ForgetStoreName(old));
  TRY(transaction_->Remove(lmdb::Table::kStores, RecordKey(old.number)));
  --manifest_.store_count;
  Touch(old);
  pending_[old.number] = std::nullopt;
  return {};
}

Result<void> SealedTransaction::RemoveEntry(const Entry& entry) {
  const std::optional<Entry> old = TRY(FindEntryByNumber(entry.number));
  if (!old) return Error(ErrorCode::kNotFound, "there is no such entry");
  Touch(TRY(StoreOf(old->store)), *old);
  TRY(ForgetAlias(*old));
  for (const Member member : kMembers) {
    TRY(transaction_->Remove(lmdb::Table::kContents, ContentKey(old->number, member)));
  }
  return transaction_->Remove(lmdb::Table::kEntries, RecordKey(old->number));
}

Result<void> SealedTransaction::PutSerial(const IssuedSerial& serial, const SerialHolder& holder) {
  HashTree tree(view_.nodes(), kTreeOfSerials, manifest_.serials);
  const Digest key = SerialKey(manifest_, serial);
  if (holder.files == 0) {
    TRY(tree.Remove(key));
  } else {
    TRY(tree.Put({key, holder.files, holder.certificate}));
  }
  manifest_.serials = tree.root();
  return {};
}

Result<void> SealedTransaction::PutSettings(const Settings& settings) {
  if (settings.export_password.size() > kExportPasswordBytesMax)
    return Error(ErrorCode::kInvalidArgument, "the export password is longer than 1024 bytes");
  const Bytes sealed = TRY(SealRecord(RecordKind::kSettings, 0, 0, EncodeSettings(settings).Reveal()));
  TRY(transaction_->Put(lmdb::Table::kManifest, kSettingsKey, sealed));
  manifest_.settings = Sha256({sealed});
  touched_settings_ = true;
  return {};
}

Result<void> SealedTransaction::SealAll() {
  TRY(IndexNewLines());
  for (const auto& [number, store] : pending_) {
    if (!store) continue;
    const Bytes sealed = TRY(SealRecord(RecordKind::kStore, number, 0, EncodeStore(*store)));
    TRY(transaction_->Put(lmdb::Table::kStores, RecordKey(number), sealed));
    TRY(IndexStore(*store, Sha256({sealed})));
  }
  // Only what is on disk: after a power cut the manifest must not know lines that are gone.
  if (shared_.audit != nullptr) manifest_.audit.Advance(shared_.audit->Durable());
  TRY(WriteManifest(*transaction_, shared_.keys, manifest_));
  // An anchor alone leaves what was announced for the next change.
  if (!announced_)
    return only_anchors_ ? Result<void>() : transaction_->Remove(lmdb::Table::kManifest, kAnnouncedKey);
  Manifest after = manifest_.Clone();
  after.data_keys.push_back(std::move(announced_->data_key));
  const Bytes sealed = TRY(SealManifest(announced_->keys, after));
  return transaction_->Put(lmdb::Table::kManifest, kAnnouncedKey, sealed);
}

// The map may have become larger than the limit for a removal: its size alone does not keep to it.
Result<void> SealedTransaction::CheckUsage() {
  if (!used_bytes_max_ || TRY(transaction_->UsedBytes()) <= *used_bytes_max_) return {};
  return Error(ErrorCode::kNoSpace, "the keystore has reached its size limit");
}

Result<void> SealedTransaction::Commit() {
  auto sealed = SealAll();
  if (sealed.has_value()) sealed = CheckUsage();
  if (sealed.has_value()) sealed = NoteChange();
  if (!sealed.has_value()) {
    transaction_->Abandon();
    return sealed;
  }
  auto committed = transaction_->Commit();
  if (!committed.has_value()) {
    NoteFailure(committed.error());
  } else if (shared_.audit != nullptr) {
    shared_.audit->NoteAnchored(manifest_.audit.last);
  }
  return committed;
}

Result<SecretBytes> RandomDataKey() {
  SecretBytes key(kDataKeyBytes);
  TRY(FillRandom({key.data(), key.size()}));
  return key;
}

Result<Bytes> SealManifest(const RootKeys& keys, const Manifest& manifest) {
  const SecretBytes plaintext = EncodeManifest(manifest);
  return Seal(keys.manifest_key, ManifestIdentity(keys.store_id), manifest.commit, plaintext.Reveal());
}

Result<void> WriteManifest(lmdb::Transaction& transaction, const RootKeys& keys, const Manifest& manifest) {
  const Bytes sealed = TRY(SealManifest(keys, manifest));
  return transaction.Put(lmdb::Table::kManifest, kManifestKey, sealed);
}

SealedTransaction::SealedTransaction(SealedShared& shared, std::unique_ptr<lmdb::Transaction> transaction,
                                     std::shared_ptr<CheckedState> checked,
                                     std::optional<std::uint64_t> used_bytes_max)
    : SealedReads(shared, *transaction, *checked, manifest_, &pending_),
      shared_(shared),
      transaction_(std::move(transaction)),
      checked_(std::move(checked)),
      used_bytes_max_(used_bytes_max),
      manifest_(checked_->manifest().Clone()) {
  ++manifest_.commit;
}

Result<std::unique_ptr<SealedTransaction>> SealedTransaction::Begin(
    SealedShared& shared, std::optional<std::uint64_t> used_bytes_max) {
  auto transaction = TRY(lmdb::Transaction::Begin(*shared.environment, lmdb::Access::kWrite));
  auto checked = TRY(shared.StateOf(*transaction));
  // Before this transaction puts another anchor there.
  if (shared.audit != nullptr) TRY(shared.audit->Learn(checked->manifest().audit));
  return std::unique_ptr<SealedTransaction>(
      new SealedTransaction(shared, std::move(transaction), std::move(checked), used_bytes_max));
}

}  // namespace certfs
