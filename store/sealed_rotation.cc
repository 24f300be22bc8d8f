// Sealing what is there under another data key, record by record.

#include <array>
#include <limits>

#include "store/sealed_entry_table.h"

namespace certfs {

namespace {

// Where records under data keys lie, in the order in which they are gone through.
constexpr std::array<lmdb::Table, 5> kTables{lmdb::Table::kContents, lmdb::Table::kEntries,
                                             lmdb::Table::kIssued, lmdb::Table::kStores,
                                             lmdb::Table::kManifest};

// In the table of the manifest the settings and the authority alone are sealed under a data key.
bool IsUnderDataKey(lmdb::Table table, BytesView key) {
  return table != lmdb::Table::kManifest || AsText(key) == AsText(kSettingsKey) ||
         AsText(key) == AsText(kAuthorityKey);
}

// What stands in the clear part of a seal (store/README.md, "Sealed records"); zeros where that is cut short.
struct SealFacts {
  std::uint32_t epoch;
  std::uint64_t revision;
};
SealFacts FactsOfSeal(BytesView sealed) {
  Reader reader(sealed);
  reader.U32();
  const std::uint32_t epoch = reader.U32();
  return {epoch, reader.U64()};
}

// Where nothing was ever issued there may be no table of it.
bool HasTable(const Manifest& manifest, lmdb::Table table) {
  return table != lmdb::Table::kIssued || manifest.issued != Digest{};
}

Result<EpochCounts> CountRecords(lmdb::Transaction& transaction, const Manifest& manifest) {
  EpochCounts counts;
  for (const lmdb::Table table : kTables) {
    if (!HasTable(manifest, table)) continue;
    TRY(transaction.Scan(table, {}, [&](BytesView key, BytesView sealed) {
      if (IsUnderDataKey(table, key)) ++counts[FactsOfSeal(sealed).epoch];
      return true;
    }));
  }
  return counts;
}

Number NumberOf(const RecordPlace& place) { return Reader(place.key).U64(); }

}  // namespace

std::string Describe(const RecordPlace& place) {
  switch (place.table) {
    case lmdb::Table::kContents: {
      const std::string_view file =
          place.key.size() == 9 ? FileName(static_cast<Member>(place.key.back())) : std::string_view();
      return std::string(file.empty() ? "a file" : file) + " of entry " + std::to_string(NumberOf(place));
    }
    case lmdb::Table::kEntries:
      return "entry " + std::to_string(NumberOf(place));
    case lmdb::Table::kStores:
      return "store " + std::to_string(NumberOf(place));
    case lmdb::Table::kIssued:
      return "issued certificate " + std::to_string(NumberOf(place));
    case lmdb::Table::kManifest:
      return place.key == kAuthorityKey ? "the authority" : "the settings";
    case lmdb::Table::kNodes:
      break;
  }
  return "a record";
}

Result<DataKey> SealedTransaction::NextDataKey() const {
  const std::uint32_t last = manifest_.data_keys.back().epoch;
  if (last == std::numeric_limits<std::uint32_t>::max())
    return Error(ErrorCode::kNoSpace, "the keystore has used up its epochs");
  return DataKey{last + 1, TRY(RandomDataKey())};
}

Result<void> SealedTransaction::AddDataKey() {
  manifest_.data_keys.push_back(TRY(NextDataKey()));
  return {};
}

Result<void> SealedTransaction::Announce(RootKeys keys) {
  announced_.reset();
  DataKey next = TRY(NextDataKey());
  announced_ = Announced{std::move(keys), std::move(next)};
  return {};
}

Result<EpochCounts> SealedTransaction::CountByEpoch() { return CountRecords(*transaction_, manifest_); }

Result<std::size_t> SealedTable::CountOldRecords() {
  const auto transaction = TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kRead));
  const std::shared_ptr<CheckedState> state = TRY(shared_.StateOf(*transaction));
  const std::uint32_t newest = FactsOf(state->manifest()).epoch;
  std::size_t old = 0;
  for (const auto& [epoch, count] : TRY(CountRecords(*transaction, state->manifest())))
    old += epoch == newest ? 0 : count;
  return old;
}

void SealedTransaction::DropDataKeys(const EpochCounts& used) {
  std::vector<DataKey> kept;
  const std::uint32_t newest = manifest_.data_keys.back().epoch;
  for (DataKey& each : manifest_.data_keys) {
    if (each.epoch == newest || used.contains(each.epoch)) kept.push_back(std::move(each));
  }
  if (kept.size() < manifest_.data_keys.size()) NoteOldCiphertext();
  manifest_.data_keys = std::move(kept);
}

Result<std::optional<RecordPlace>> SealedTransaction::FindOldRecord(const RecordPlace& after) {
  const std::uint32_t newest = manifest_.data_keys.back().epoch;
  std::optional<RecordPlace> found;
  bool begun = false;
  for (const lmdb::Table table : kTables) {
    begun = begun || table == after.table;
    if (!begun || !HasTable(manifest_, table)) continue;
    const BytesView from = table == after.table ? BytesView(after.key) : BytesView();
    TRY(transaction_->Scan(table, from, [&](BytesView key, BytesView sealed) {
      if (IsUnderDataKey(table, key) && FactsOfSeal(sealed).epoch != newest)
        found = RecordPlace{table, Bytes(key.begin(), key.end())};
      return !found;
    }));
    if (found) break;
  }
  return found;
}

// Returns 0 for a file that is there already, or that damage took.
Result<std::size_t> SealedTransaction::ResealFile(Entry& entry, Member member) {
  if (!entry.file(member)) return std::size_t{0};
  const Bytes key = ContentKey(entry.number, member);
  const std::optional<BytesView> old = TRY(transaction_->Get(lmdb::Table::kContents, key));
  if (!old) return std::size_t{0};
  const SealFacts facts = FactsOfSeal(*old);
  if (facts.epoch == manifest_.data_keys.back().epoch) return std::size_t{0};
  const auto bytes = ReadFile(entry, member);
  if (!bytes.has_value() && bytes.error().code() == ErrorCode::kCorrupt) return std::size_t{0};
  if (!bytes.has_value()) return bytes.error();
  const Bytes sealed = TRY(SealRecordAs(facts.revision, RecordKind::kContent, entry.number,
                                        static_cast<std::uint64_t>(member), bytes.value().Reveal()));
  TRY(transaction_->Put(lmdb::Table::kContents, key, sealed));
  entry.file(member)->digest = Sha256({sealed});
  return sealed.size();
}

Result<Resealed> SealedTransaction::ResealEntry(Number number) {
  std::optional<Entry> entry = TRY(FindEntryByNumber(number));
  if (!entry) return Error(ErrorCode::kCorrupt, "there is no entry that it belongs to");
  const std::optional<BytesView> old = TRY(transaction_->Get(lmdb::Table::kEntries, RecordKey(number)));
  if (!old) return Error(ErrorCode::kCorrupt, "its entry's record is missing");
  // Its revision is kept, because a mark that moves says that the entry changed.
  const SealFacts facts = FactsOfSeal(*old);
  Resealed resealed;
  for (const Member member : kMembers) {
    const std::size_t bytes = TRY(ResealFile(*entry, member));
    resealed.records += bytes != 0 ? 1 : 0;
    resealed.bytes += bytes;
  }
  // What is left of it is damaged, and the rest was done before.
  if (resealed.records == 0 && facts.epoch == manifest_.data_keys.back().epoch) return resealed;
  const Bytes sealed = TRY(SealRecordAs(facts.revision, RecordKind::kEntry, number, 0, EncodeEntry(*entry)));
  TRY(transaction_->Put(lmdb::Table::kEntries, RecordKey(number), sealed));
  Store store = TRY(StoreOf(entry->store));
  HashTree tree(view_.nodes(), store.number, store.entries);
  TRY(tree.Put({NameKey(manifest_, store.number, entry->alias.text()), number, Sha256({sealed})}));
  store.entries = tree.root();
  pending_[store.number] = std::move(store);
  ++resealed.records;
  resealed.bytes += sealed.size();
  return resealed;
}

// Its groups do not know how it is sealed.
Result<Resealed> SealedTransaction::ResealIssued(Number number) {
  const std::optional<IssuedCertificate> issued = TRY(FindIssuedByNumber(number));
  const std::optional<BytesView> old = TRY(transaction_->Get(lmdb::Table::kIssued, RecordKey(number)));
  if (!issued || !old) return Error(ErrorCode::kCorrupt, "there is no such line of the ledger");
  return Resealed{1, TRY(SealIssued(*issued, FactsOfSeal(*old).revision))};
}

Result<void> SealedTransaction::CheckOldRecord(const RecordPlace& place) {
  switch (place.table) {
    case lmdb::Table::kContents:
    case lmdb::Table::kEntries:
      if (TRY(FindEntryByNumber(NumberOf(place)))) return {};
      return Error(ErrorCode::kCorrupt, "there is no entry that it belongs to");
    case lmdb::Table::kStores:
      if (TRY(FindStoreByNumber(NumberOf(place)))) return {};
      return Error(ErrorCode::kCorrupt, "there is no such store");
    case lmdb::Table::kIssued:
      if (TRY(FindIssuedByNumber(NumberOf(place)))) return {};
      return Error(ErrorCode::kCorrupt, "there is no such line of the ledger");
    case lmdb::Table::kManifest:
      if (place.key == kAuthorityKey) {
        TRY(GetAuthority());
      } else {
        TRY(GetSettings());
      }
      return {};
    case lmdb::Table::kNodes:
      break;
  }
  return Error(ErrorCode::kInternal, "nothing is sealed there");
}

Result<Resealed> SealedTransaction::Reseal(const RecordPlace& place) {
  switch (place.table) {
    case lmdb::Table::kContents:
    case lmdb::Table::kEntries:
      return ResealEntry(NumberOf(place));
    case lmdb::Table::kStores: {
      // Commit seals what is pending.
      std::optional<Store> store = TRY(FindStoreByNumber(NumberOf(place)));
      if (!store) return Error(ErrorCode::kCorrupt, "there is no such store");
      pending_[store->number] = std::move(store);
      return Resealed{1, kSealOverhead};
    }
    case lmdb::Table::kIssued:
      return ResealIssued(NumberOf(place));
    case lmdb::Table::kManifest:
      if (place.key == kAuthorityKey) {
        TRY(PutAuthority(TRY(GetAuthority())));
      } else {
        TRY(PutSettings(TRY(GetSettings())));
      }
      return Resealed{1, kSealOverhead};
    case lmdb::Table::kNodes:
      break;
  }
  return Error(ErrorCode::kInternal, "nothing is sealed there");
}

}  // namespace certfs
