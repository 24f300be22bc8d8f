// The putting half of Salvager.

#include <algorithm>
#include <bit>
#include <tuple>
#include <vector>

#include "store/keystore_change.h"
#include "store/policy.h"
#include "store/salvager.h"

namespace certfs {

namespace {

std::string OfCommit(const Chosen& chosen) {
  return "the newest record of it is damaged; this is the state of commit " +
         std::to_string(chosen.record->revision);
}

// Of two with one name: whether the first has it. What no tree leads to is the better for being newer; what
// one leads to is all of one time.
bool IsBetter(const Chosen& one, const Chosen& other) {
  const auto rank = [](const Chosen& each) {
    const bool known = each.record != nullptr;
    return std::tuple(known, each.proven, !each.old, known && !each.proven ? each.record->revision : 0);
  };
  return rank(one) > rank(other);
}

}  // namespace

// --- Putting

std::optional<ArchivedFile> Salvager::TakeFile(const FoundEntry& entry, Member member,
                                               const std::string& name, bool& sure) {
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
  if (file) {
    taken.attributes = file->attributes;
  } else {
    const Attributes& above = entry.entry.attributes;
    taken.attributes = NewAttributes({above.uid, above.gid}, kFileForOwner, now_);
  }
  taken.dated = file && file->dated;
  taken.bytes = std::move(bytes).value();
  sure = chosen.proven && !entry.chosen.old;
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
  std::set<Member> surely;
  for (const Member member : kMembers) {
    bool sure = false;
    entry.file(member) = TakeFile(from, member, name + "/" + std::string(FileName(member)), sure);
    if (sure) surely.insert(member);
  }
  if (PolicyOf(found.store.name).holds == Holds::kNothing) {
    const bool whole = surely.size() == static_cast<std::size_t>(std::popcount(from.entry.members()));
    kept_states_sure_ = kept_states_sure_ && from.chosen.record != nullptr && whole;
  }
  SetMisfitsApart(found, from.entry.number, name, surely, entry);
  IndexSerials(found, name, entry);
  TRY(load_.Add(entry));
  names_.emplace(from.entry.number, name);
  ++report_.entries;
  return {};
}

Result<StoreName> Salvager::TakeFreeName(std::string name) {
  while (!store_names_.insert(FoldName(name)).second) name += "_";
  return StoreName::Parse(name);
}

// One that was removed and made anew may be there twice, where nothing says any more what was removed. Comes
// before all putting: states that are kept name the stores that they come from.
Result<void> Salvager::NameStores() {
  std::vector<FoundStore*> best_first;
  for (auto& [number, found] : stores_) best_first.push_back(&found);
  std::ranges::stable_sort(best_first, IsBetter, [](const FoundStore* each) { return each->chosen; });
  for (FoundStore* const each : best_first) {
    Store& store = each->store;
    if (store_names_.insert(FoldName(store.name.text())).second) continue;
    each->lost_name = store.name.text();
    store.name = TRY(TakeFreeName(std::string(kNamelessStore) + "-" + std::to_string(store.number)));
  }
  nameless_name_ = TRY(TakeFreeName(std::string(kNamelessStore)));
  GuessName();
  return {};
}

Result<void> Salvager::PutStore(FoundStore& found) {
  const std::string in_store = found.store.name.text() + "/";
  if (found.guessed) {
    Note(found.store.name.text(), Fate::kDoubtful,
         "its record is lost, and with it whether revocation is enforced; no other store can have been the "
         "one "
         "of this name, which every keystore has");
  } else if (found.chosen.record == nullptr) {
    Note(found.store.name.text(), Fate::kDoubtful,
         "its record is lost, and with it its name and whether revocation is enforced");
  } else if (!found.lost_name.empty()) {
    Note(found.store.name.text(), Fate::kDoubtful,
         "another store has its name by now, which was " + found.lost_name);
  } else {
    Note(found.store.name.text(), found.chosen.old ? Fate::kDoubtful : Fate::kRecovered,
         found.chosen.old ? OfCommit(found.chosen) : std::string());
  }
  TRY(load_.Add(BackupStore{found.store.name, found.store.attributes, found.store.enforce_revocation}));
  ++report_.stores;
  std::map<Number, const FoundEntry*> staged;  // By the live one.
  std::set<std::string> taken;
  std::vector<const FoundEntry*> live;
  const auto leave_out = [&](const FoundEntry& entry) {
    Note(in_store + entry.entry.alias.text(), Fate::kDoubtful, "left out: another entry has its name by now");
  };
  for (const auto& [number, entry] : found.entries) {
    if (!entry.entry.is_staged()) {
      live.push_back(&entry);
      continue;
    }
    const auto [place, added] = staged.emplace(entry.entry.origin, &entry);
    if (added) continue;
    const FoundEntry* other = &entry;
    if (IsBetter(entry.chosen, place->second->chosen)) std::swap(place->second, other);
    leave_out(*other);
  }
  std::ranges::stable_sort(live, IsBetter, [](const FoundEntry* each) { return each->chosen; });
  // A replacement without what it replaces gets something to replace.
  std::vector<FoundEntry> made;
  made.reserve(staged.size());
  for (const auto& [number, next] : staged) {
    if (found.entries.count(number) != 0) continue;
    const std::string text = next->entry.alias.text();
    auto alias = Alias::ParseStored(text.substr(0, text.rfind('/')));
    if (!alias.has_value()) {
      Note(in_store + text, Fate::kDamaged, "what it replaces has no name");
      continue;
    }
    FoundEntry& entry = made.emplace_back();
    entry.entry.number = number;
    entry.entry.alias = std::move(alias).value();
    entry.entry.attributes = next->entry.attributes;
    live.push_back(&entry);
  }
  for (const FoundEntry* each : live) {
    const std::string name = in_store + each->entry.alias.text();
    const auto next = staged.find(each->entry.number);
    if (!taken.insert(FoldName(each->entry.alias.text())).second) {
      leave_out(*each);
      if (next != staged.end()) leave_out(*next->second);
      continue;
    }
    nameless_.erase(each->entry.number);  // What is left of its files comes here.
    TRY(PutEntry(found, *each, name));
    if (next == staged.end()) continue;
    // Its record may be of before its entry was renamed.
    FoundEntry following = *next->second;
    following.entry.alias = each->entry.alias.Next();
    TRY(PutEntry(found, following, in_store + following.entry.alias.text()));
  }
  return {};
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
    // What its list revokes and the ledger no longer knows is taken over when the next one is signed, as from
    // a list that somebody else has signed.
    if (each.crl_number != 0) ++each.crl_number;
  }
  auto& operation = authority.record.last_operation;
  // What it would be taken back to is in BACKUP_STORE. A replacement of the root is told from the ledger.
  if (operation && !operation->reverted && !kept_states_sure_ && operation->name != kReplaceRootOperation) {
    report_.doubts.push_back("what the certificate authority did last (" + operation->name +
                             ") cannot be taken back: not all that BACKUP_STORE keeps is surely its latest");
    operation.reset();
  }
  if (operation) {
    std::vector<LastOperation::Changed> kept;
    for (const LastOperation::Changed& each : operation->entries) {
      EntryName name = NameOf(each.entry);
      if (name.empty()) continue;
      kept.push_back({0, each.revision});
      authority.changed.push_back(std::move(name));
    }
    operation->entries = std::move(kept);
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
  TRY(NameStores());
  for (auto& [number, found] : stores_) TRY(PutStore(found));
  TRY(PutMissingStores());
  TRY(PutNameless());
  TRY(PutAuthority());
  TRY(PutLedger());
  return load_.Finish(TakeSettings());
}

}  // namespace certfs
