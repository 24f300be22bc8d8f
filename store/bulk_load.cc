#include "store/bulk_load.h"

#include <algorithm>

#include "store/record_codec.h"
#include "store/sealed_transaction.h"

namespace certfs {

namespace {

// What one transaction writes, about.
constexpr std::size_t kBatchBytes = std::size_t{8} << 20;
// LMDB takes address space for its map, not memory; what is sealed takes more room than what was archived
// only for the smallest of files.
constexpr std::uint64_t kMapBytesMin = std::uint64_t{1} << 30;
constexpr std::uint64_t kMapFactor = 3;
constexpr Number kNumberEnd = Number{1} << 32;  // As in SealedTable.

}  // namespace

Result<std::unique_ptr<BulkLoad>> BulkLoad::Begin(const std::filesystem::path& directory, RootKeys keys,
                                                  std::uint64_t bytes) {
  const std::uint64_t map_bytes = std::max(kMapBytesMin, kMapFactor * bytes);
  auto environment = TRY(lmdb::Environment::Open(directory, map_bytes, false));
  std::unique_ptr<BulkLoad> load(new BulkLoad(std::move(environment), std::move(keys)));
  load->transaction_ = TRY(lmdb::Transaction::Begin(*load->shared_.environment, lmdb::Access::kWrite));
  load->manifest_ = TRY(load->shared_.StateOf(*load->transaction_))->manifest().Clone();
  ++load->manifest_.commit;
  return load;
}

Result<Number> BulkLoad::NewNumber() {
  if (manifest_.next_number >= kNumberEnd)
    return Error(ErrorCode::kNoSpace, "the keystore has used up its numbers");
  return manifest_.next_number++;
}

Result<Number> BulkLoad::NumberOf(const StoreName& name) {
  const auto [place, added] = numbers_.try_emplace(FoldName(name.text()), 0);
  if (added) place->second = TRY(NewNumber());
  return place->second;
}

Result<Digest> BulkLoad::Put(lmdb::Table table, BytesView key, RecordKind kind, Number number,
                             std::uint64_t member, BytesView plaintext) {
  const DataKey& current = manifest_.data_keys.back();
  const Bytes sealed = TRY(Seal(current.key, {shared_.keys.store_id, kind, current.epoch, number, member},
                                manifest_.commit, plaintext));
  TRY(transaction_->Put(table, key, sealed));
  batch_bytes_ += sealed.size();
  return Sha256({sealed});
}

Result<void> BulkLoad::Breathe() {
  if (batch_bytes_ < kBatchBytes) return {};
  batch_bytes_ = 0;
  // Nothing leads to these records before the manifest does.
  TRY(transaction_->Commit());
  transaction_.reset();
  transaction_ = TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kWrite));
  return {};
}

Result<void> BulkLoad::Add(const BackupStore& store) {
  TRY(FinishStore());
  LoadedStore& loaded = store_.emplace();
  loaded.store.number = TRY(NumberOf(store.name));
  loaded.store.name = store.name;
  loaded.store.attributes = store.attributes;
  loaded.store.enforce_revocation = store.enforce_revocation;
  return {};
}

Result<void> BulkLoad::Add(const BackupEntry& from) {
  Entry entry;
  entry.number = TRY(NewNumber());
  entry.store = store_->store.number;
  if (from.origin) entry.origin = TRY(NumberOf(*from.origin));
  if (from.is_staged()) {
    entry.origin = live_;
  } else {
    live_ = entry.number;
  }
  entry.revision = from.revision;
  entry.alias = from.alias;
  entry.attributes = from.attributes;
  entry.changed = from.changed;
  for (const Member member : kMembers) {
    const auto& file = from.file(member);
    if (!file) continue;
    const Digest digest =
        TRY(Put(lmdb::Table::kContents, ContentKey(entry.number, member), RecordKind::kContent, entry.number,
                static_cast<std::uint64_t>(member), file->bytes.Reveal()));
    entry.file(member) =
        File{file->attributes, static_cast<std::uint32_t>(file->bytes.size()), file->dated, digest};
  }
  const Digest digest = TRY(Put(lmdb::Table::kEntries, RecordKey(entry.number), RecordKind::kEntry,
                                entry.number, 0, EncodeEntry(entry)));
  store_->entries.push_back({NameKey(manifest_, entry.store, entry.alias.text()), entry.number, digest});
  TRY(CountSerials(from));
  if (!from.is_staged() && !from.certificates.empty())
    leaves_[entry.number] = from.certificates.front().fingerprint;
  return Breathe();
}

Result<void> BulkLoad::CountSerials(const BackupEntry& entry) {
  const auto& certificates = entry.certificates;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const CertificateOutline& each = certificates[i];
    const auto same = [&](const CertificateOutline& other) { return other.fingerprint == each.fingerprint; };
    if (std::any_of(certificates.begin(), certificates.begin() + static_cast<std::ptrdiff_t>(i), same))
      continue;
    auto [place, added] = serials_.try_emplace(SerialKey(manifest_, {each.issuer, each.serial}),
                                               SerialHolder{each.fingerprint, 0});
    if (place->second.certificate != each.fingerprint) {
      return Error(ErrorCode::kRejected, "serial-reused",
                   store_->store.name.text() + "/" + entry.alias.text() +
                       ": its issuer and serial number are those of another certificate of the backup");
    }
    ++place->second.files;
  }
  return {};
}

Result<Digest> BulkLoad::BuildTree(Number tree, std::vector<TreeItem> items) {
  LmdbNodes nodes(*transaction_, shared_.nodes);
  HashTree built(nodes, tree, Digest{});
  TRY(built.Fill(std::move(items)));
  return built.root();
}

Result<void> BulkLoad::FinishStore() {
  if (!store_) return {};
  LoadedStore loaded = *std::exchange(store_, std::nullopt);
  loaded.store.entry_count = loaded.entries.size();
  loaded.store.entries = TRY(BuildTree(loaded.store.number, std::move(loaded.entries)));
  const Digest digest = TRY(Put(lmdb::Table::kStores, RecordKey(loaded.store.number), RecordKind::kStore,
                                loaded.store.number, 0, EncodeStore(loaded.store)));
  loaded_[FoldName(loaded.store.name.text())] = {loaded.store.number, loaded.store.entries};
  stores_.push_back(
      {NameKey(manifest_, kTreeOfStores, loaded.store.name.text()), loaded.store.number, digest});
  return {};
}

// A name that no entry has is that of nothing: the archive's own reader has let it through as text alone.
Result<Number> BulkLoad::NumberOf(const EntryName& name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) return Number{0};
  const auto store = loaded_.find(FoldName(name.substr(0, slash)));
  if (store == loaded_.end()) return Number{0};
  const auto& [number, root] = store->second;
  LmdbNodes nodes(*transaction_, shared_.nodes);
  const auto item =
      TRY(HashTree(nodes, number, root).Find(NameKey(manifest_, number, name.substr(slash + 1))));
  return item ? item->number : Number{0};
}

Result<void> BulkLoad::Add(ArchivedAuthority authority) {
  TRY(FinishStore());
  AuthorityRecord& record = authority.record;
  for (std::size_t i = 0; i < record.certificates.size(); ++i) {
    record.certificates[i].root_entry = TRY(NumberOf(authority.places[i].root));
    record.certificates[i].crl_entry = TRY(NumberOf(authority.places[i].list));
  }
  for (std::size_t i = 0; i < authority.changed.size(); ++i)
    record.last_operation->entries[i].entry = TRY(NumberOf(authority.changed[i]));
  manifest_.authority = TRY(Put(lmdb::Table::kManifest, kAuthorityKey, RecordKind::kAuthority, 0, 0,
                                EncodeAuthority(record).Reveal()));
  manifest_.has_authority = !record.certificates.empty();
  return {};
}

Result<void> BulkLoad::Add(ArchivedLine line) {
  IssuedCertificate& issued = line.issued;
  issued.number = TRY(NewNumber());
  issued.entry = TRY(NumberOf(line.entry));
  // A line is placed where its certificate lies, whatever the archive says.
  const auto leaf = leaves_.find(issued.entry);
  if (leaf == leaves_.end() || leaf->second != Sha256({issued.certificate})) issued.entry = 0;
  const Digest digest = TRY(Put(lmdb::Table::kIssued, RecordKey(issued.number), RecordKind::kIssued,
                                issued.number, 0, EncodeIssued(issued).Reveal()));
  const Digest key = IssuedKey(manifest_, issued.serial);
  issued_.push_back({key, issued.number, digest});
  for (const IssuedGroupKey& group : GroupsOf(issued))
    groups_.push_back({GroupedKey(manifest_, group, key), issued.number, Digest{}});
  return Breathe();
}

Result<void> BulkLoad::FinishLedger() {
  std::ranges::sort(issued_, {}, &TreeItem::key);
  if (std::ranges::adjacent_find(issued_, {}, &TreeItem::key) != issued_.end()) {
    return Error(ErrorCode::kRejected, "serial-reused", "the ledger of the backup has a serial number twice");
  }
  // Two groups of one line may share a key.
  std::ranges::sort(groups_, {}, &TreeItem::key);
  const auto same = [](const TreeItem& one, const TreeItem& other) { return one.key == other.key; };
  groups_.erase(std::unique(groups_.begin(), groups_.end(), same), groups_.end());
  manifest_.issued_count = issued_.size();
  manifest_.issued = TRY(BuildTree(kTreeOfIssued, std::move(issued_)));
  manifest_.groups = TRY(BuildTree(kTreeOfGroups, std::move(groups_)));
  return {};
}

Result<void> BulkLoad::Finish(const Settings& settings) {
  TRY(FinishStore());
  TRY(FinishLedger());
  manifest_.store_count = stores_.size();
  manifest_.stores = TRY(BuildTree(kTreeOfStores, std::move(stores_)));
  std::vector<TreeItem> serials;
  serials.reserve(serials_.size());
  for (const auto& [key, holder] : serials_) serials.push_back({key, holder.files, holder.certificate});
  serials_.clear();
  manifest_.serials = TRY(BuildTree(kTreeOfSerials, std::move(serials)));
  manifest_.settings = TRY(Put(lmdb::Table::kManifest, kSettingsKey, RecordKind::kSettings, 0, 0,
                               EncodeSettings(settings).Reveal()));
  TRY(WriteManifest(*transaction_, shared_.keys, manifest_));
  return transaction_->Commit();
}

}  // namespace certfs
