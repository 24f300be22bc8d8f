#include "store/sealed_view.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kNameLabel = "certfs/v1/name\0"sv;
constexpr auto kSerialLabel = "certfs/v1/serial\0"sv;
constexpr auto kViewLabel = "certfs/v1/view\0"sv;

// Stores that are kept checked. More than that is unusual, and costs a check each.
constexpr std::size_t kCheckedStoresMax = 1024;

Error Damaged(std::string_view kind, Number number, std::string_view how) {
  return {ErrorCode::kCorrupt, std::string(kind) + " " + std::to_string(number) + ": " + std::string(how)};
}

Bytes NodeKey(Number tree, std::uint8_t depth, BytesView prefix) {
  Bytes key;
  Writer writer(key);
  writer.U64(tree);
  writer.U8(depth);
  writer.Raw(prefix);
  return key;
}

}  // namespace

Bytes RecordKey(Number number) {
  Bytes key;
  Writer(key).U64(number);
  return key;
}

Bytes ContentKey(Number number, Member member) {
  Bytes key = RecordKey(number);
  key.push_back(static_cast<std::uint8_t>(member));
  return key;
}

Digest NameKey(const Manifest& manifest, Number parent, std::string_view name) {
  return HmacSha256(manifest.index_key, {AsBytes(kNameLabel), RecordKey(parent), AsBytes(FoldName(name))});
}

Digest SerialKey(const Manifest& manifest, const IssuedSerial& serial) {
  Bytes issuer_size;
  Writer(issuer_size).U32(static_cast<std::uint32_t>(serial.issuer.size()));
  return HmacSha256(manifest.index_key, {AsBytes(kSerialLabel), issuer_size, serial.issuer, serial.serial});
}

RecordIdentity ManifestIdentity(const StoreId& store_id) {
  return {store_id, RecordKind::kManifest, 0, 0, 0};
}

RecordIdentity SettingsIdentity(const StoreId& store_id, std::uint32_t epoch) {
  return {store_id, RecordKind::kSettings, epoch, 0, 0};
}

// --- What is shared

std::optional<Store> CheckedState::ByNumber(Number number) {
  const std::lock_guard lock(mutex_);
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) return std::nullopt;
  return found->second;
}

std::optional<Store> CheckedState::ByName(const std::string& folded) {
  const std::lock_guard lock(mutex_);
  const auto number = by_name_.find(folded);
  if (number == by_name_.end()) return std::nullopt;
  return by_number_.at(number->second);
}

void CheckedState::Put(const Store& store) {
  const std::lock_guard lock(mutex_);
  if (by_number_.size() >= kCheckedStoresMax) {
    by_name_.clear();
    by_number_.clear();
  }
  by_number_.insert_or_assign(store.number, store);
  by_name_.insert_or_assign(FoldName(store.name.text()), store.number);
}

ManifestFacts FactsOf(const Manifest& manifest) {
  return {manifest.data_keys.back().epoch, manifest.data_keys.size() - 1, manifest.rewrite_pending};
}

Result<Manifest> SealedShared::ReadManifest(lmdb::Transaction& transaction, const Bytes& key) {
  const std::optional<BytesView> sealed = TRY(transaction.Get(lmdb::Table::kManifest, key));
  if (!sealed) return Error(ErrorCode::kCorrupt, "the manifest is missing");
  auto opened = Unseal(keys.manifest_key, ManifestIdentity(keys.store_id), *sealed);
  if (!opened.has_value()) return std::move(opened).error().Within("the manifest");
  Manifest manifest = TRY(DecodeManifest(opened.value().plaintext.Reveal()));
  if (manifest.commit != opened.value().revision) {
    return Error(ErrorCode::kCorrupt, "the manifest is of another commit than its seal says");
  }
  return manifest;
}

Result<std::shared_ptr<CheckedState>> SealedShared::StateOf(lmdb::Transaction& transaction) {
  {
    const std::lock_guard lock(mutex_);
    if (latest_ && latest_->base() == transaction.base()) return latest_;
  }
  auto manifest = ReadManifest(transaction, kManifestKey);
  if (!manifest.has_value() && manifest.error().code() == ErrorCode::kCorrupt) {
    // Whoever changed the root key may have died after he left the new header and before his next commit.
    auto announced = ReadManifest(transaction, kAnnouncedKey);
    if (announced.has_value()) manifest = std::move(announced);
  }
  if (!manifest.has_value()) return std::move(manifest).error();
  auto state = std::make_shared<CheckedState>(transaction.base(), std::move(manifest).value());
  const std::lock_guard lock(mutex_);
  // Whoever commits to LMDB counts its transactions up, the older manifest that he puts in counts down.
  const bool later = latest_ && latest_->base() <= state->base();
  if (later && (latest_->manifest().commit > state->manifest().commit ||
                latest_->manifest().audit.last.number > state->manifest().audit.last.number)) {
    return Error(ErrorCode::kCorrupt, "the manifest is older than one that was here before");
  }
  // An older snapshot that was slow must not displace a newer state.
  if (!latest_ || latest_->base() < state->base()) latest_ = state;
  return state;
}

Result<std::optional<BytesView>> LmdbNodes::Get(Number tree, std::uint8_t depth, BytesView prefix) {
  return transaction_.Get(lmdb::Table::kNodes, NodeKey(tree, depth, prefix));
}

Result<void> LmdbNodes::Put(Number tree, std::uint8_t depth, BytesView prefix, BytesView node) {
  return transaction_.Put(lmdb::Table::kNodes, NodeKey(tree, depth, prefix), node);
}

Result<void> LmdbNodes::Remove(Number tree, std::uint8_t depth, BytesView prefix) {
  return transaction_.Remove(lmdb::Table::kNodes, NodeKey(tree, depth, prefix));
}

// --- Records

// Opens `sealed`; checks its digest first where one is expected.
Result<SealedView::Record> SealedView::Open(BytesView sealed, RecordKind kind, Number number,
                                            std::uint64_t member, const Digest* expected) {
  // A copy: the file could change between the check and the use of it.
  const Bytes copy(sealed.begin(), sealed.end());
  const Digest digest = Sha256({copy});
  if (expected != nullptr && digest != *expected) {
    return Damaged("record", number, "it is not the one that its parent knows");
  }
  Reader reader(copy);
  reader.U32();
  const std::uint32_t epoch = reader.U32();
  const SecretBytes* const key = manifest_.KeyOf(epoch);
  if (key == nullptr) return Damaged("record", number, "it is sealed under a key that was never used");
  auto opened = Unseal(*key, {shared_.keys.store_id, kind, epoch, number, member}, copy);
  if (!opened.has_value()) return std::move(opened).error().Within("record " + std::to_string(number));
  return Record{digest, std::move(opened).value().plaintext};
}

// Reads the store that a leaf of the tree of stores points to.
Result<Store> SealedView::LoadStore(const TreeItem& item) {
  if (pending_ != nullptr) {
    const auto pending = pending_->find(item.number);
    if (pending != pending_->end() && pending->second) return *pending->second;
  }
  const std::optional<BytesView> sealed = TRY(transaction_.Get(lmdb::Table::kStores, RecordKey(item.number)));
  if (!sealed) return Damaged("store", item.number, "its record is missing");
  const Record record = TRY(Open(*sealed, RecordKind::kStore, item.number, 0, &item.digest));
  Store store = TRY(DecodeStore(record.plaintext.Reveal()));
  if (store.number != item.number || NameKey(manifest_, kTreeOfStores, store.name.text()) != item.key) {
    return Damaged("store", item.number, "its record is that of another");
  }
  checked_.Put(store);
  return store;
}

// Reads the entry that a leaf of the tree of `store` points to. `known_name`, unless null, is the folded name
// whose key `item` was found under.
Result<std::shared_ptr<const Entry>> SealedView::LoadEntry(const Store& store, const TreeItem& item,
                                                           const std::string* known_name) {
  std::shared_ptr<const Entry> entry;
  if (const auto cached = shared_.cache.ByNumber(item.number); cached && cached->record == item.digest) {
    entry = cached->entry;
  } else {
    const std::optional<BytesView> sealed =
        TRY(transaction_.Get(lmdb::Table::kEntries, RecordKey(item.number)));
    if (!sealed) return Damaged("entry", item.number, "its record is missing");
    const Record record = TRY(Open(*sealed, RecordKind::kEntry, item.number, 0, &item.digest));
    entry = std::make_shared<const Entry>(TRY(DecodeEntry(record.plaintext.Reveal())));
  }
  const bool named = known_name != nullptr
                         ? FoldName(entry->alias.text()) == *known_name
                         : NameKey(manifest_, store.number, entry->alias.text()) == item.key;
  if (entry->number != item.number || entry->store != store.number || !named) {
    return Damaged("entry", item.number, "its record is that of another");
  }
  return entry;
}

// --- Lookups

Result<std::optional<Store>> SealedView::FindStoreFolded(const StoreName& name) {
  if (pending_ == nullptr) {
    if (auto known = checked_.ByName(FoldName(name.text()))) return known;
  }
  HashTree tree(nodes_, kTreeOfStores, manifest_.stores);
  const std::optional<TreeItem> item = TRY(tree.Find(NameKey(manifest_, kTreeOfStores, name.text())));
  if (!item) return std::optional<Store>();
  return std::optional<Store>(TRY(LoadStore(*item)));
}

Result<std::optional<Store>> SealedView::FindStoreByNumber(Number number) {
  if (pending_ != nullptr) {
    if (const auto pending = pending_->find(number); pending != pending_->end()) return pending->second;
  }
  if (auto known = checked_.ByNumber(number)) return known;
  const std::optional<BytesView> sealed = TRY(transaction_.Get(lmdb::Table::kStores, RecordKey(number)));
  if (!sealed) return std::optional<Store>();
  const Record record = TRY(Open(*sealed, RecordKind::kStore, number, 0, nullptr));
  Store store = TRY(DecodeStore(record.plaintext.Reveal()));
  HashTree tree(nodes_, kTreeOfStores, manifest_.stores);
  const std::optional<TreeItem> item = TRY(tree.Find(NameKey(manifest_, kTreeOfStores, store.name.text())));
  if (!item || item->number != number || item->digest != record.digest || store.number != number) {
    return Damaged("store", number, "its record is not the one that the tree knows");
  }
  checked_.Put(store);
  return std::optional<Store>(std::move(store));
}

Result<std::optional<Entry>> SealedView::FindEntryFolded(Number number, const Alias& alias) {
  const std::optional<Store> store = TRY(FindStoreByNumber(number));
  if (!store) return std::optional<Entry>();
  const std::string folded = FoldName(alias.text());
  const auto cached = shared_.cache.ByName(number, folded);
  if (cached && cached->entries == store->entries) return std::optional<Entry>(*cached->entry);
  HashTree tree(nodes_, number, store->entries);
  const std::optional<TreeItem> item = TRY(tree.Find(NameKey(manifest_, number, folded)));
  if (!item) return std::optional<Entry>();
  const std::shared_ptr<const Entry> entry = TRY(LoadEntry(*store, *item, &folded));
  shared_.cache.Put({entry, item->digest, store->entries});
  return std::optional<Entry>(*entry);
}

Result<std::optional<Entry>> SealedView::FindEntryByNumber(Number number) {
  if (const auto cached = shared_.cache.ByNumber(number)) {
    const std::optional<Store> store = TRY(FindStoreByNumber(cached->entry->store));
    if (store && store->entries == cached->entries) return std::optional<Entry>(*cached->entry);
    if (store) {
      // Another entry of the store may be what changed.
      HashTree tree(nodes_, store->number, store->entries);
      const auto item = TRY(tree.Find(NameKey(manifest_, store->number, cached->entry->alias.text())));
      if (item && item->number == number && item->digest == cached->record) {
        shared_.cache.Put({cached->entry, cached->record, store->entries});
        return std::optional<Entry>(*cached->entry);
      }
    }
  }
  const std::optional<BytesView> sealed = TRY(transaction_.Get(lmdb::Table::kEntries, RecordKey(number)));
  if (!sealed) return std::optional<Entry>();
  const Record record = TRY(Open(*sealed, RecordKind::kEntry, number, 0, nullptr));
  auto entry = std::make_shared<const Entry>(TRY(DecodeEntry(record.plaintext.Reveal())));
  const std::optional<Store> store = TRY(FindStoreByNumber(entry->store));
  if (!store) return Damaged("entry", number, "its store does not exist");
  HashTree tree(nodes_, store->number, store->entries);
  const std::optional<TreeItem> item = TRY(tree.Find(NameKey(manifest_, store->number, entry->alias.text())));
  if (!item || item->number != number || item->digest != record.digest || entry->number != number) {
    return Damaged("entry", number, "its record is not the one that the tree knows");
  }
  shared_.cache.Put({entry, record.digest, store->entries});
  return std::optional<Entry>(*entry);
}

// The commit that wrote the record stands in the clear part of its seal (store/README.md, "Sealed records").
Result<std::optional<std::uint64_t>> SealedView::FindEntryMark(Number number) {
  const std::optional<BytesView> sealed = TRY(transaction_.Get(lmdb::Table::kEntries, RecordKey(number)));
  if (!sealed) return std::optional<std::uint64_t>();
  Reader reader(*sealed);
  reader.U64();
  return std::optional(reader.U64());
}

// --- Listings

Result<std::optional<Listed<Store>>> SealedView::NextStore(Cursor after, Cursor* skipped) {
  HashTree tree(nodes_, kTreeOfStores, manifest_.stores);
  const std::optional<TreeItem> item = TRY(tree.Next(after, skipped));
  if (!item) return std::optional<Listed<Store>>();
  const Cursor at = CursorOf(item->key);
  if (skipped != nullptr) *skipped = at;
  return std::optional(Listed<Store>{at, TRY(LoadStore(*item))});
}

Result<std::optional<Listed<Entry>>> SealedView::NextEntry(Number number, Cursor after, Cursor* skipped) {
  // Nothing lies behind the last position; asking the store again would only fail again.
  if (after >= kCursorMax) return std::optional<Listed<Entry>>();
  // Without its store, nothing of the listing can be had.
  if (skipped != nullptr) *skipped = kCursorMax;
  const std::optional<Store> store = TRY(FindStoreByNumber(number));
  if (!store) return std::optional<Listed<Entry>>();
  HashTree tree(nodes_, number, store->entries);
  const std::optional<TreeItem> item = TRY(tree.Next(after, skipped));
  if (!item) return std::optional<Listed<Entry>>();
  const Cursor at = CursorOf(item->key);
  if (skipped != nullptr) *skipped = at;
  // Not put into the cache: whoever walks over a whole store would displace all that is in use.
  return std::optional(Listed<Entry>{at, *TRY(LoadEntry(*store, *item, nullptr))});
}

Result<SecretBytes> SealedView::ReadFile(const Entry& entry, Member member) {
  const auto& file = entry.file(member);
  if (!file) return Error(ErrorCode::kNotFound, "the entry has no such file");
  const std::optional<BytesView> sealed =
      TRY(transaction_.Get(lmdb::Table::kContents, ContentKey(entry.number, member)));
  if (!sealed) return Damaged("entry", entry.number, "the bytes of a file are missing");
  Record record = TRY(
      Open(*sealed, RecordKind::kContent, entry.number, static_cast<std::uint64_t>(member), &file->digest));
  if (record.plaintext.size() != file->size) return Damaged("entry", entry.number, "a file has another size");
  return std::move(record.plaintext);
}

Result<std::optional<SerialHolder>> SealedView::FindSerial(const IssuedSerial& serial) {
  HashTree tree(nodes_, kTreeOfSerials, manifest_.serials);
  const std::optional<TreeItem> item = TRY(tree.Find(SerialKey(manifest_, serial)));
  if (!item) return std::optional<SerialHolder>();
  return std::optional(SerialHolder{item->digest, item->number});
}

Result<Settings> SealedView::GetSettings() {
  if (manifest_.settings == Digest{}) return Settings{};
  const std::optional<BytesView> sealed = TRY(transaction_.Get(lmdb::Table::kManifest, kSettingsKey));
  if (!sealed) return Error(ErrorCode::kCorrupt, "the record of the settings is missing");
  auto record = Open(*sealed, RecordKind::kSettings, 0, 0, &manifest_.settings);
  if (!record.has_value()) return std::move(record).error().Within("the settings");
  return DecodeSettings(record.value().plaintext.Reveal());
}

Result<SecretBytes> SealedView::DeriveViewKey() {
  Bytes info;
  Writer writer(info);
  writer.Raw(AsBytes(kViewLabel));
  writer.Raw(shared_.keys.store_id);
  return DeriveKey(manifest_.index_key, {}, info, 32);
}

}  // namespace certfs
