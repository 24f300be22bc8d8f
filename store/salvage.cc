#include "store/salvage.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "store/bulk_load.h"
#include "store/directory_lock.h"
#include "store/policy.h"
#include "store/salvage_records.h"

namespace certfs {

namespace {

constexpr std::string_view kNamelessStore = "SALVAGED";
constexpr std::uint32_t kForOwner = 0700;
constexpr std::uint32_t kFileForOwner = 0600;

// A record that stands for something, and how well.
struct Chosen {
  const SalvagedRecord* record = nullptr;
  bool proven = false;  // A hash tree leads to it.
  bool old = false;     // It was replaced, or removed.
};

// An entry as it will be.
struct FoundEntry {
  Entry entry;
  Chosen chosen;
};

struct FoundStore {
  Store store;
  Chosen chosen;
  bool whole = true;  // Its tree.
  std::map<Number, FoundEntry> entries;
};

class Salvager {
 public:
  Salvager(const SalvagedRecords& records, BulkLoad& load, SalvageReport& report, Time now)
      : records_(records), load_(load), report_(report), now_(now) {}

  Result<void> Run();

 private:
  Chosen Choose(const SalvagedRecords::Key& key, const Digest* expected) const;
  template <typename Value>
  std::optional<Value> Decode(const SalvagedRecords::Key& key, const Chosen& chosen,
                              Result<Value> (*decode)(BytesView)) const;

  void FindStores();
  void AddStore(Number number, const Digest* expected);
  void FindEntries(FoundStore& found);
  // Entries that no tree leads to, where trees are damaged.
  void FindStrayEntries();
  // Files whose entries' records are gone.
  void FindStrayFiles();
  std::optional<FoundEntry> ReadEntry(Number number, const Digest* expected) const;
  void CountLosses();

  Result<void> PutStore(FoundStore& found);
  Result<void> PutEntry(const FoundStore& found, const FoundEntry& entry, const std::string& name);
  Result<void> PutNameless();
  // Takes the file of an entry; nothing where its bytes are gone.
  std::optional<ArchivedFile> TakeFile(const FoundEntry& entry, Member member, const std::string& name);
  void IndexSerials(const FoundStore& found, const std::string& name, BackupEntry& entry);
  Result<void> PutAuthority();
  Result<void> PutLedger();
  Settings TakeSettings();
  void Note(std::string name, Fate fate, std::string detail = {}) {
    report_.items.push_back({std::move(name), fate, std::move(detail)});
  }
  std::string NameOf(Number entry) const {
    const auto name = names_.find(entry);
    return name == names_.end() ? std::string() : name->second;
  }
  Attributes PrivateAttributes(std::uint32_t mode) const;

  const SalvagedRecords& records_;
  BulkLoad& load_;
  SalvageReport& report_;
  const Time now_;
  std::map<Number, FoundStore> stores_;
  std::map<Number, std::map<Member, Chosen>> nameless_;  // Files whose entry nothing names.
  std::set<Number> placed_;                              // Entries that were found.
  std::map<Number, std::string> names_;                  // "STORE/ALIAS", of what was put.
  std::map<std::pair<Bytes, Bytes>, Digest> serials_;    // Issuer and serial number: the certificate.
  bool whole_ = true;                                    // All trees, and all that they lead to.
};

std::string OfCommit(const Chosen& chosen) {
  return "the newest record of it is damaged; this is the state of commit " +
         std::to_string(chosen.record->revision);
}

Chosen Salvager::Choose(const SalvagedRecords::Key& key, const Digest* expected) const {
  const SalvagedRecord* const exact = expected != nullptr ? records_.Find(key, *expected) : nullptr;
  const SalvagedRecord* const newest = records_.Newest(key);
  // Beside a manifest that is not the last one there may be records that are newer than it.
  const bool newer = newest != nullptr && newest->revision > records_.manifest().commit;
  if (exact != nullptr && (records_.is_current() || !newer)) return {exact, true, false};
  const SalvagedRecord* const left = newest != nullptr ? newest : records_.NewestFree(key);
  if (left == nullptr) return {};
  // Where a tree says which one it should be, any other is of before.
  const bool expects = expected != nullptr && records_.is_current();
  return {left, false, expects || left->standing != Standing::kCurrent};
}

template <typename Value>
std::optional<Value> Salvager::Decode(const SalvagedRecords::Key& key, const Chosen& chosen,
                                      Result<Value> (*decode)(BytesView)) const {
  if (chosen.record == nullptr) return std::nullopt;
  const auto opened = records_.Open(key, *chosen.record);
  if (!opened.has_value()) return std::nullopt;
  auto value = decode(opened.value().Reveal());
  if (!value.has_value()) return std::nullopt;
  return std::move(value).value();
}

Attributes Salvager::PrivateAttributes(std::uint32_t mode) const {
  Attributes attributes;
  attributes.mode = mode;
  attributes.atime = attributes.mtime = attributes.ctime = now_;
  return attributes;
}

// --- Finding

void Salvager::AddStore(Number number, const Digest* expected) {
  const SalvagedRecords::Key key{RecordKind::kStore, number, 0};
  FoundStore found;
  found.chosen = Choose(key, expected);
  auto store = Decode(key, found.chosen, DecodeStore);
  if (store && store->number == number) {
    found.store = *std::move(store);
  } else {
    found.chosen = {};
    found.store.number = number;
    // No store is called so by anybody who has another choice.
    found.store.name = StoreName::Parse(std::string(kNamelessStore) + "-" + std::to_string(number)).value();
    found.store.attributes = PrivateAttributes(kForOwner);
  }
  found.whole = found.chosen.proven;
  whole_ = whole_ && found.whole;
  stores_.emplace(number, std::move(found));
}

void Salvager::FindStores() {
  const Manifest& manifest = records_.manifest();
  bool whole = true;
  for (const TreeItem& item : records_.ItemsOf(manifest.stores, whole)) AddStore(item.number, &item.digest);
  if (!whole || !records_.is_current()) {
    for (const auto& [kind, number, member] : records_.KeysOf(RecordKind::kStore)) {
      if (stores_.count(number) == 0 && records_.Newest({kind, number, member}) != nullptr)
        AddStore(number, nullptr);
    }
  }
  if (!whole)
    report_.doubts.emplace_back("the hash tree of the stores is damaged: they were taken as they stand");
  whole_ = whole_ && whole && records_.is_current();
  for (auto& [number, found] : stores_) FindEntries(found);
  if (!whole_) {
    FindStrayEntries();
    FindStrayFiles();
  }
  CountLosses();
}

std::optional<FoundEntry> Salvager::ReadEntry(Number number, const Digest* expected) const {
  const SalvagedRecords::Key key{RecordKind::kEntry, number, 0};
  FoundEntry found;
  found.chosen = Choose(key, expected);
  auto entry = Decode(key, found.chosen, DecodeEntry);
  if (!entry || entry->number != number) return std::nullopt;
  found.entry = *std::move(entry);
  return found;
}

void Salvager::FindEntries(FoundStore& found) {
  for (const TreeItem& item : records_.ItemsOf(found.store.entries, found.whole)) {
    auto entry = ReadEntry(item.number, &item.digest);
    // The tree of a store of before leads to entries that may have gone elsewhere.
    if (entry && entry->entry.store == found.store.number) {
      whole_ = whole_ && entry->chosen.proven;
      placed_.insert(item.number);
      found.entries.emplace(item.number, *std::move(entry));
    } else {
      whole_ = false;
    }
  }
  whole_ = whole_ && found.whole;
}

void Salvager::FindStrayEntries() {
  for (const auto& key : records_.KeysOf(RecordKind::kEntry)) {
    const Number number = std::get<1>(key);
    if (placed_.count(number) != 0 || records_.Newest(key) == nullptr) continue;
    auto entry = ReadEntry(number, nullptr);
    if (!entry) continue;
    if (stores_.count(entry->entry.store) == 0) AddStore(entry->entry.store, nullptr);
    const FoundStore& store = stores_.at(entry->entry.store);
    // What a whole tree does not lead to is none of its entries.
    if (records_.is_current() && store.chosen.proven && store.whole) continue;
    placed_.insert(number);
    stores_.at(entry->entry.store).entries.emplace(number, *std::move(entry));
  }
}

void Salvager::FindStrayFiles() {
  for (const auto& key : records_.KeysOf(RecordKind::kContent)) {
    const Number number = std::get<1>(key);
    const SalvagedRecord* const newest = records_.Newest(key);
    if (newest == nullptr || placed_.count(number) != 0) continue;
    // A record of the entry that was replaced still has its name.
    if (auto old = ReadEntry(number, nullptr); old && stores_.count(old->entry.store) != 0) {
      placed_.insert(number);
      stores_.at(old->entry.store).entries.emplace(number, *std::move(old));
      continue;
    }
    nameless_[number][static_cast<Member>(std::get<2>(key))] = {newest, false, false};
  }
}

// What there should be is known of everything whose own record is whole.
void Salvager::CountLosses() {
  const auto lose = [&](std::uint64_t expected, std::uint64_t found, const std::string& what) {
    if (found >= expected) return;
    report_.losses.push_back(what + ": " + std::to_string(expected - found) + " of " +
                             std::to_string(expected) + " are lost");
  };
  if (records_.is_current()) lose(records_.manifest().store_count, stores_.size(), "stores");
  for (const auto& [number, found] : stores_) {
    if (!found.chosen.proven) continue;
    lose(found.store.entry_count, found.entries.size(), "entries of the store " + found.store.name.text());
    if (!found.whole) {
      report_.doubts.push_back("the hash tree of the store " + found.store.name.text() +
                               " is damaged: its entries were taken as they stand");
    }
  }
}

// --- Putting

std::optional<ArchivedFile> Salvager::TakeFile(const FoundEntry& entry, Member member,
                                               const std::string& name) {
  const auto& file = entry.entry.file(member);
  const SalvagedRecords::Key key{RecordKind::kContent, entry.entry.number,
                                 static_cast<std::uint64_t>(member)};
  Chosen chosen;
  if (file) chosen = {records_.Find(key, file->digest), true, false};
  // A record of before does not know what was written since.
  if (chosen.record == nullptr && !entry.chosen.proven) chosen = {records_.Newest(key), false, false};
  if (chosen.record == nullptr) {
    if (file) Note(name, Fate::kDamaged, "its bytes do not verify");
    return std::nullopt;
  }
  auto bytes = records_.Open(key, *chosen.record);
  if (!bytes.has_value()) {
    Note(name, Fate::kDamaged, bytes.error().message());
    return std::nullopt;
  }
  ArchivedFile taken;
  taken.attributes = file ? file->attributes : PrivateAttributes(kFileForOwner);
  taken.dated = file && file->dated;
  taken.bytes = std::move(bytes).value();
  const bool sure = chosen.proven && !entry.chosen.old;
  Note(name, sure ? Fate::kRecovered : Fate::kDoubtful,
       sure ? std::string() : "it verifies; whether it belongs to this state cannot be told");
  ++report_.files;
  return taken;
}

// Two certificates with one issuer and serial number are never both kept: the later one is not served.
void Salvager::IndexSerials(const FoundStore& found, const std::string& name, BackupEntry& entry) {
  auto& certificate = entry.file(Member::kCertificate);
  if (!certificate || entry.is_staged() || PolicyOf(found.store.name).holds == Holds::kNothing) return;
  auto outlines = OutlineCertificates(certificate->bytes.Reveal());
  if (!outlines.has_value()) return;
  for (const CertificateOutline& each : outlines.value()) {
    const auto [place, added] = serials_.try_emplace({each.issuer, each.serial}, each.fingerprint);
    if (place->second == each.fingerprint) continue;
    Note(name + "/cert.pem", Fate::kDamaged, "another certificate has its issuer and serial number");
    certificate.reset();
    --report_.files;
    return;
  }
  entry.certificates = std::move(outlines).value();
}

Result<void> Salvager::PutEntry(const FoundStore& found, const FoundEntry& from, const std::string& name) {
  BackupEntry entry;
  entry.alias = from.entry.alias;
  entry.attributes = from.entry.attributes;
  entry.revision = from.entry.revision;
  entry.changed = from.entry.changed;
  if (PolicyOf(found.store.name).holds == Holds::kNothing) {
    const auto origin = stores_.find(from.entry.origin);
    if (origin != stores_.end()) entry.origin = origin->second.store.name;
  }
  if (from.chosen.record == nullptr) {
    Note(name, Fate::kDoubtful, "its own record is lost: it was made for what is left of it");
  } else {
    Note(name, from.chosen.old ? Fate::kDoubtful : Fate::kRecovered,
         from.chosen.old ? OfCommit(from.chosen) : std::string());
  }
  for (const Member member : kMembers)
    entry.file(member) = TakeFile(from, member, name + "/" + std::string(FileName(member)));
  IndexSerials(found, name, entry);
  TRY(load_.Add(entry));
  names_.emplace(from.entry.number, name);
  ++report_.entries;
  return {};
}

Result<void> Salvager::PutStore(FoundStore& found) {
  const std::string in_store = found.store.name.text() + "/";
  if (found.chosen.record == nullptr) {
    Note(found.store.name.text(), Fate::kDoubtful, "its record is lost, and with it its name");
  } else {
    Note(found.store.name.text(), found.chosen.old ? Fate::kDoubtful : Fate::kRecovered,
         found.chosen.old ? OfCommit(found.chosen) : std::string());
  }
  TRY(load_.Add(BackupStore{found.store.name, found.store.attributes, found.store.enforce_revocation}));
  ++report_.stores;
  std::map<Number, const FoundEntry*> staged;  // By the live one.
  std::set<std::string> taken;
  // Of two with one name the one that a tree leads to has it.
  std::vector<const FoundEntry*> live;
  for (const auto& [number, entry] : found.entries) {
    if (entry.entry.is_staged()) {
      staged.emplace(entry.entry.origin, &entry);
    } else {
      live.push_back(&entry);
    }
  }
  std::stable_sort(live.begin(), live.end(), [](const FoundEntry* a, const FoundEntry* b) {
    return std::pair(!a->chosen.proven, a->chosen.old) < std::pair(!b->chosen.proven, b->chosen.old);
  });
  // A replacement without what it replaces gets something to replace.
  std::vector<FoundEntry> made;
  made.reserve(staged.size());
  for (const auto& [number, next] : staged) {
    if (found.entries.count(number) != 0) continue;
    const std::string text = next->entry.alias.text();
    auto alias = Alias::ParseStored(text.substr(0, text.rfind('/')));
    if (!alias.has_value()) continue;
    FoundEntry& entry = made.emplace_back();
    entry.entry.number = number;
    entry.entry.alias = std::move(alias).value();
    entry.entry.attributes = next->entry.attributes;
    live.push_back(&entry);
  }
  for (const FoundEntry* each : live) {
    const std::string name = in_store + each->entry.alias.text();
    if (!taken.insert(FoldName(each->entry.alias.text())).second) {
      Note(name, Fate::kDoubtful, "left out: another entry has its name by now");
      continue;
    }
    TRY(PutEntry(found, *each, name));
    if (const auto next = staged.find(each->entry.number); next != staged.end())
      TRY(PutEntry(found, *next->second, in_store + next->second->entry.alias.text()));
  }
  return {};
}

Result<void> Salvager::PutNameless() {
  if (nameless_.empty()) return {};
  FoundStore found;
  std::set<std::string> names;
  for (const auto& [number, store] : stores_) names.insert(FoldName(store.store.name.text()));
  std::string name(kNamelessStore);
  while (names.count(FoldName(name)) != 0) name += "_";
  found.store.name = TRY(StoreName::Parse(name));
  found.store.attributes = PrivateAttributes(kForOwner);
  for (const auto& [number, files] : nameless_) {
    FoundEntry entry;
    entry.entry.number = number;
    entry.entry.alias = TRY(Alias::Parse("number-" + std::to_string(number)));
    entry.entry.attributes = PrivateAttributes(kForOwner);
    entry.entry.revision = 1;
    found.entries.emplace(number, std::move(entry));
  }
  return PutStore(found);
}

Result<void> Salvager::PutAuthority() {
  const Manifest& manifest = records_.manifest();
  const SalvagedRecords::Key key{RecordKind::kAuthority, 0, 0};
  ArchivedAuthority authority;
  const bool any = manifest.authority != Digest{} || records_.Newest(key) != nullptr;
  if (any) {
    const Chosen chosen = Choose(key, &manifest.authority);
    auto record = Decode(key, chosen, DecodeAuthority);
    if (record) {
      report_.authority = !record->certificates.empty();
      Note("the certificate authority", chosen.old ? Fate::kDoubtful : Fate::kRecovered,
           chosen.old ? OfCommit(chosen) : std::string());
      authority.record = *std::move(record);
    } else {
      whole_ = false;
      Note("the certificate authority", Fate::kDamaged, "its record does not verify");
    }
  }
  for (AuthorityCertificate& each : authority.record.certificates) {
    authority.places.push_back({NameOf(each.root_entry), NameOf(each.crl_entry)});
    each.root_entry = each.crl_entry = 0;
  }
  if (authority.record.last_operation) {
    std::vector<LastOperation::Changed> kept;
    for (const LastOperation::Changed& each : authority.record.last_operation->entries) {
      EntryName name = NameOf(each.entry);
      if (name.empty()) continue;
      kept.push_back({0, each.revision});
      authority.changed.push_back(std::move(name));
    }
    authority.record.last_operation->entries = std::move(kept);
  }
  // The ledger comes behind it, whether there is one or not.
  if (any || manifest.issued_count != 0) TRY(load_.Add(std::move(authority)));
  return {};
}

Result<void> Salvager::PutLedger() {
  const Manifest& manifest = records_.manifest();
  bool whole = true;
  std::map<Number, std::optional<Digest>> lines;
  for (const TreeItem& item : records_.ItemsOf(manifest.issued, whole))
    lines.emplace(item.number, item.digest);
  if (!whole || !records_.is_current()) {
    for (const auto& key : records_.KeysOf(RecordKind::kIssued)) {
      if (records_.Newest(key) != nullptr) lines.try_emplace(std::get<1>(key), std::nullopt);
    }
    report_.doubts.emplace_back(
        "the hash tree of the ledger is damaged, or of before: its lines were taken as they stand");
  }
  std::set<SerialNumber> serials;
  for (const auto& [number, digest] : lines) {
    const SalvagedRecords::Key key{RecordKind::kIssued, number, 0};
    const Chosen chosen = Choose(key, digest ? &*digest : nullptr);
    auto issued = Decode(key, chosen, DecodeIssued);
    const std::string name = "line " + std::to_string(number) + " of the ledger";
    if (!issued || !serials.insert(issued->serial).second) {
      Note(name, Fate::kDamaged, "its record does not verify");
      continue;
    }
    Note(name, chosen.old ? Fate::kDoubtful : Fate::kRecovered,
         chosen.old ? OfCommit(chosen) : std::string());
    EntryName entry = NameOf(issued->entry);
    issued->entry = 0;
    TRY(load_.Add(ArchivedLine{*std::move(issued), std::move(entry)}));
    ++report_.issued;
  }
  if (records_.is_current() && lines.size() < manifest.issued_count) {
    report_.losses.push_back("lines of the ledger: " + std::to_string(manifest.issued_count - lines.size()) +
                             " of " + std::to_string(manifest.issued_count) + " are lost");
  }
  return {};
}

Settings Salvager::TakeSettings() {
  const Manifest& manifest = records_.manifest();
  const SalvagedRecords::Key key{RecordKind::kSettings, 0, 0};
  if (manifest.settings == Digest{} && records_.Newest(key) == nullptr) return {};
  const Chosen chosen = Choose(key, &manifest.settings);
  auto settings = Decode(key, chosen, DecodeSettings);
  if (!settings) {
    Note("the settings", Fate::kDamaged,
         "their record does not verify: the export password has to be set anew");
    return {};
  }
  Note("the settings", chosen.old ? Fate::kDoubtful : Fate::kRecovered,
       chosen.old ? OfCommit(chosen) : std::string());
  return *std::move(settings);
}

Result<void> Salvager::Run() {
  report_.commit = records_.manifest().commit;
  if (!records_.is_current()) {
    report_.doubts.push_back(
        "the newest manifest is damaged, or cannot be told from those before it: that of commit " +
        std::to_string(report_.commit) + " was used");
  }
  FindStores();
  for (auto& [number, found] : stores_) TRY(PutStore(found));
  TRY(PutNameless());
  TRY(PutAuthority());
  TRY(PutLedger());
  return load_.Finish(TakeSettings());
}

Result<SalvageReport> Fill(const std::filesystem::path& damaged, const RootKeys& keys,
                           const std::filesystem::path& directory, RootKeys new_keys, Time now,
                           const SalvageProgress& progress) {
  SalvageReport report;
  const std::filesystem::path data = damaged / "data.mdb";
  const Descriptor file(open(data.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open() && errno == ENOENT) return Error(ErrorCode::kNotFound, "there is no " + data.string());
  if (!file.open()) return SystemFailure("open " + data.string(), errno);
  PageScan scan = TRY(PageScan::Begin(file.get()));
  constexpr std::uint64_t kReadings = 2;
  std::uint64_t done = 0;
  const SalvagedRecords records = TRY(SalvagedRecords::Read(scan, keys, [&](std::uint64_t bytes) {
    done += bytes;
    if (progress) progress(done, kReadings * scan.bytes());
  }));
  if (scan.unreadable() != 0)
    report.doubts.push_back(std::to_string(scan.unreadable()) + " pages of data.mdb cannot be read");
  const auto load = TRY(BulkLoad::Begin(directory, std::move(new_keys), scan.bytes()));
  TRY(Salvager(records, *load, report, now).Run());
  return report;
}

}  // namespace

std::string_view ToString(Fate fate) noexcept {
  constexpr std::array<std::string_view, 4> kNames{"recovered", "doubtful", "damaged", "lost"};
  return kNames[static_cast<std::size_t>(fate)];
}

std::uint64_t SalvageReport::Count(Fate fate) const {
  return static_cast<std::uint64_t>(
      std::count_if(items.begin(), items.end(), [&](const SalvagedItem& each) { return each.fate == fate; }));
}

Result<SalvageReport> SalvageKeystore(const std::filesystem::path& damaged, const UnlockSecret& secret,
                                      const std::filesystem::path& directory, const UnlockSecret& new_secret,
                                      const Keystore::Clock& clock, const SalvageProgress& progress) {
  const auto open_header = [&]() -> Result<UnlockedHeader> {
    return UnlockedHeader::Open(TRY(Header::Load(damaged)), secret);
  };
  auto header = open_header();
  if (!header.has_value()) return std::move(header).error().Within(damaged.string());
  const auto lock = TRY(DirectoryLock::TryAlone(damaged));
  if (!lock) return Error(ErrorCode::kBusy, damaged.string() + " is in use: unmount it first");
  const RootKeys keys = TRY(header.value().Keys());
  SalvageReport report;
  const auto fill = [&](UnlockedHeader& made, RootKeys new_keys) -> Result<void> {
    report = TRY(Fill(damaged, keys, directory, std::move(new_keys), clock(), progress));
    for (const Certificate& certificate : TRY(header.value().header().RecoveryCertificates(keys.header))) {
      const auto added = made.Add(certificate, std::chrono::floor<std::chrono::seconds>(clock()));
      if (!added.has_value())
        report.left_out.push_back(certificate.subject() + ": " + added.error().message());
    }
    return {};
  };
  TRY(Keystore::CreateFilled(directory, new_secret, clock, fill));
  return report;
}

}  // namespace certfs
