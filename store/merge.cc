#include "store/merge.h"

#include <algorithm>
#include <utility>

#include "store/audit_event.h"
#include "store/backup_reader.h"
#include "store/kept_state.h"
#include "store/keystore_change.h"
#include "store/placement.h"
#include "store/policy.h"
#include "store/serial_numbers.h"

namespace certfs {

namespace {

// The certificates of a stored cert.pem; none where there is none, or where damage took it.
Result<std::vector<CertificateOutline>> OutlinesOf(TableSnapshot& state, const std::optional<Entry>& entry) {
  if (!entry || !entry->file(Member::kCertificate)) return std::vector<CertificateOutline>();
  const SecretBytes live = TRY(ReadLive(state, *entry, Member::kCertificate));
  auto outlines = OutlineCertificates(live.Reveal());
  return outlines.has_value() ? std::move(outlines).value() : std::vector<CertificateOutline>();
}

}  // namespace

void Merger::Note(MergeAction action, const BackupEntry& from, std::string why) {
  plan_.steps.push_back({action, from_store_.name.text() + "/" + from.alias.text(), std::move(why)});
}

Result<void> Merger::Take(const BackupStore& store) {
  if (!authorities_) TRY(LearnAuthorities());
  TRY(EndStore());
  TRY(ContentsCounter::Take(store));
  from_store_ = store;
  live_.reset();
  store_ = TRY(Sound(target_.state.FindStoreFolded(store.name), store_is_damaged_));
  policy_ = &PolicyOf(store.name);
  if (store_is_damaged_) plan_.steps.push_back({MergeAction::kKeep, store.name.text(), kDamagedThere});
  if (store_ || store_is_damaged_) return {};
  plan_.steps.push_back({MergeAction::kAdd, store.name.text(), {}});
  if (target_.change == nullptr) return {};
  Store made;
  made.name = store.name;
  made.attributes = store.attributes;
  made.enforce_revocation = store.enforce_revocation;
  const Number number = TRY(target_.change->PutStore(std::move(made)));
  store_ = TRY(GetStore(target_.state, number));
  return {};
}

Result<void> Merger::EndStore() {
  if (std::exchange(touched_, false) && target_.change != nullptr)
    TRY(TouchStore(*target_.change, store_->number, target_.now));
  return {};
}

Result<void> Merger::Take(BackupEntry from) {
  Count(from);
  if (store_is_damaged_) {
    Note(MergeAction::kKeep, from, kDamagedThere);
    return {};
  }
  if (policy_->holds == Holds::kNothing) return MergeKept(from);
  return from.is_staged() ? MergeStaged(from) : MergeLive(from);
}

Result<void> Merger::MergeStaged(const BackupEntry& from) {
  if (live_) {
    bool damaged = false;
    const auto next = TRY(Sound(target_.state.FindEntryFolded(live_->store, live_->alias.Next()), damaged));
    if (damaged) {
      Note(MergeAction::kKeep, from, kDamagedThere);
      return {};
    }
    if (next && TRY(IsSame(from, *next))) {
      ++plan_.same;
      return {};
    }
    if (next && !next->empty()) {
      Note(MergeAction::kKeep, from, "something else is staged there");
      return {};
    }
    if (!MayStage(*policy_, *live_)) {
      Note(MergeAction::kKeep, from, "the entry there holds no pair");
      return {};
    }
    if (next) return FillStaged(from, *next);
  }
  // A plan has added no live entry; a merge has none only where it did not add what the backup holds.
  if (live_is_damaged_ || (!live_ && target_.change != nullptr)) {
    Note(MergeAction::kKeep, from, "there is no entry to stage it for");
    return {};
  }
  Note(MergeAction::kAdd, from);
  return target_.change == nullptr ? Result<void>() : AddAs(from, live_->number);
}

// Somebody has made next/, and put nothing into it.
Result<void> Merger::FillStaged(const BackupEntry& from, Entry next) {
  Note(MergeAction::kReplace, from);
  if (target_.change == nullptr) return {};
  TRY(PutFiles(from, next));
  next.attributes.mtime = next.attributes.ctime = target_.now;
  ++next.revision;
  next.changed = LastChange{target_.actor.uid, target_.now};
  TRY(target_.change->PutEntry(std::move(next)));
  return {};
}

Result<void> Merger::MergeLive(const BackupEntry& from) {
  live_.reset();
  live_is_damaged_ = false;
  if (from_store_.name.text() == kTrustedRoots) LearnAuthority(from);
  if (store_) live_ = TRY(Sound(target_.state.FindEntryFolded(store_->number, from.alias), live_is_damaged_));
  if (live_is_damaged_) {
    Note(MergeAction::kKeep, from, kDamagedThere);
    return {};
  }
  if (live_ && TRY(IsSame(from, *live_))) {
    ++plan_.same;
    return {};
  }
  if (from_store_.name.text() == kTrustedLists && from.file(Member::kRevocationList)) {
    if (auto why = TRY(ListStays(from))) {
      Note(MergeAction::kKeep, from, *std::move(why));
      return {};
    }
  }
  if (!live_) return Add(from);
  const bool nothing = std::ranges::none_of(from.files, [](const auto& file) { return file.has_value(); });
  if (nothing) {
    Note(MergeAction::kKeep, from, "nothing was in it when it was backed up");
    return {};
  }
  return Replace(from, *live_);
}

Result<bool> Merger::IsSame(const BackupEntry& from, const Entry& live) {
  for (const Member member : kMembers) {
    const auto& file = from.file(member);
    if (file.has_value() != live.file(member).has_value()) return false;
    if (file && file->bytes.size() != live.file(member)->size) return false;
  }
  for (const Member member : kMembers) {
    const auto& file = from.file(member);
    if (file && !EqualSecrets(file->bytes.Reveal(), TRY(ReadLive(target_.state, live, member)).Reveal()))
      return false;
  }
  return true;
}

// --- The authority

Result<Number> Merger::NumberOf(const EntryName& name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) return Number{0};
  const auto store_name = StoreName::Parse(name.substr(0, slash));
  const auto alias = Alias::ParseStored(name.substr(slash + 1));
  if (!store_name.has_value() || !alias.has_value()) return Number{0};
  bool damaged = false;
  const auto store = TRY(Sound(target_.state.FindStoreFolded(store_name.value()), damaged));
  if (!store) return Number{0};
  const auto entry = TRY(Sound(target_.state.FindEntryFolded(store->number, alias.value()), damaged));
  return entry ? entry->number : Number{0};
}

// A ledger has one authority: two are never mixed.
Result<void> Merger::Take(ArchivedAuthority authority) {
  TRY(EndStore());
  constexpr auto kName = "the certificate authority";
  const auto own = target_.state.GetAuthority();
  const bool damaged = !own.has_value() && own.error().code() == ErrorCode::kCorrupt;
  if (!own.has_value() && !damaged) return own.error();
  adds_authority_ =
      !damaged && target_.state.issued_count() == 0 &&
      EqualSecrets(EncodeAuthority(own.value()).Reveal(), EncodeAuthority(AuthorityRecord{}).Reveal());
  if (adds_authority_) {
    plan_.steps.push_back({MergeAction::kAdd, kName, {}});
  } else if (damaged) {
    plan_.steps.push_back({MergeAction::kKeep, kName, kDamagedThere});
  } else {
    plan_.steps.push_back({MergeAction::kKeep, kName, "the keystore has one of its own"});
  }
  if (adds_authority_ && target_.change != nullptr) {
    AuthorityRecord& record = authority.record;
    for (std::size_t i = 0; i < record.certificates.size(); ++i) {
      record.certificates[i].root_entry = TRY(NumberOf(authority.places[i].root));
      record.certificates[i].crl_entry = TRY(NumberOf(authority.places[i].list));
    }
    for (std::size_t i = 0; i < authority.changed.size(); ++i)
      record.last_operation->entries[i].entry = TRY(NumberOf(authority.changed[i]));
    TRY(target_.change->PutAuthority(record));
  }
  return ContentsCounter::Take(std::move(authority));
}

Result<void> Merger::Take(ArchivedLine line) {
  if (!adds_authority_ || target_.change == nullptr) return {};
  line.issued.entry = TRY(NumberOf(line.entry));
  // A line is placed where its certificate lies: the keystore may have kept another there.
  const auto held = TRY(OutlinesOf(target_.state, TRY(target_.state.FindEntryByNumber(line.issued.entry))));
  if (held.empty() || held.front().fingerprint != Sha256({line.issued.certificate})) line.issued.entry = 0;
  const auto put = target_.change->PutIssued(std::move(line.issued));
  if (put.has_value()) return {};
  if (put.error().code() != ErrorCode::kAlreadyExists) return put.error();
  return Error(ErrorCode::kRejected, "serial-reused", "the ledger of the backup has a serial number twice");
}

// --- What is done

Result<void> Merger::Add(const BackupEntry& from) {
  Note(MergeAction::kAdd, from);
  TRY(IndexSerials(from, std::nullopt));
  if (target_.change == nullptr) return {};
  TRY(AddAs(from, 0));
  live_ = TRY(target_.state.FindEntryFolded(store_->number, from.alias));
  return NotePlacement(*target_.change, *store_, live_->number, {}, Indexed(from.certificates));
}

Result<void> Merger::AddAs(const BackupEntry& from, Number origin) {
  Entry entry;
  entry.store = store_->number;
  entry.origin = origin;
  entry.alias = from.is_staged() ? live_->alias.Next() : from.alias;
  entry.attributes = from.attributes;
  entry.revision = from.revision;
  entry.changed = from.changed;
  entry.number = TRY(target_.change->PutEntry(entry));
  TRY(PutFiles(from, entry));
  TRY(target_.change->PutEntry(std::move(entry)));
  touched_ = true;
  return {};
}

Result<void> Merger::Replace(const BackupEntry& from, Entry live) {
  Note(MergeAction::kReplace, from);
  TRY(IndexSerials(from, live));
  if (const auto name = TRY(NameToKeepUnder(target_.state, *store_, live, KeptFor::kWriting)))
    TRY(Displace(*name, live));
  if (target_.change == nullptr) {
    for (const Member member : kMembers) {
      live.file(member).reset();
      if (from.file(member)) live.file(member).emplace();
    }
    live_ = std::move(live);
    return {};
  }
  TRY(KeepState(*target_.change, *store_, live, target_.now, KeptFor::kWriting));
  const Members before = live.members();
  for (const Member member : kMembers) {
    if (live.file(member) && !from.file(member)) TRY(target_.change->RemoveFile(live, member));
  }
  TRY(PutFiles(from, live));
  if (live.members() != before) live.attributes.mtime = live.attributes.ctime = target_.now;
  ++live.revision;
  live.changed = LastChange{target_.actor.uid, target_.now};
  TRY(target_.change->PutEntry(live));
  live_ = std::move(live);
  return {};
}

// A file that is there keeps owner, mode and ACL, as with any replacement; its times are the backup's.
Result<void> Merger::PutFiles(const BackupEntry& from, Entry& entry) {
  for (const Member member : kMembers) {
    const auto& file = from.file(member);
    if (!file) continue;
    const bool replaces = entry.file(member).has_value();
    const Attributes before = replaces ? entry.file(member)->attributes : file->attributes;
    TRY(target_.change->PutFile(entry, member, file->bytes.Reveal()));
    File& put = *entry.file(member);
    put.attributes = before;
    put.dated = file->dated;
    if (!replaces) continue;
    put.attributes.atime = file->attributes.atime;
    put.attributes.mtime = file->attributes.mtime;
    put.attributes.ctime = target_.now;
  }
  return {};
}

Result<void> Merger::IndexSerials(const BackupEntry& from, const std::optional<Entry>& live) {
  auto removed = Indexed(TRY(OutlinesOf(target_.state, live)));
  if (live && removed.empty()) removed = TRY(NotedIn(target_.state, *live));
  const auto added = Indexed(from.certificates);
  if (!TRY(FindReusedSerials(target_.state, removed, added)).empty()) {
    return Error(ErrorCode::kRejected, "serial-reused",
                 from_store_.name.text() + "/" + from.alias.text() +
                     ": its issuer and serial number are those of another certificate in the keystore");
  }
  if (target_.change == nullptr) return {};
  TRY(CountSerials(*target_.change, removed, added));
  return live ? NotePlacement(*target_.change, *store_, live->number, removed, added) : Result<void>();
}

Result<MergePlan> Merger::Finish() {
  TRY(EndStore());
  plan_.contents = ContentsCounter::Finish();
  return std::move(plan_);
}

// --- The face

Result<MergePlan> PlanMerge(const BackupFile& file, Keystore& keystore, const ReadingProgress& progress) {
  auto envelope = TRY(file.Read(progress));
  const auto snapshot = TRY(keystore.Snapshot());
  Merger merger({*snapshot, nullptr, {}, keystore.Now()});
  TRY(ReadBackup(envelope, merger));
  return merger.Finish();
}

Result<MergePlan> KeystoreMerge::Run(const BackupFile& file, Keystore& keystore, Actor actor,
                                     const ReadingProgress& progress) {
  const AuditedRequest request("restore", std::nullopt);
  // Nothing is committed before the backup was read to its end, and its tag found to fit.
  bool unchanged = false;
  const auto merge = [&](TableTransaction& transaction) -> Result<MergePlan> {
    auto envelope = TRY(file.Read(progress));
    Merger merger({transaction, &transaction, actor, keystore.Now()});
    TRY(ReadBackup(envelope, merger));
    MergePlan done = TRY(merger.Finish());
    unchanged = done.Count(MergeAction::kAdd) + done.Count(MergeAction::kReplace) == 0;
    return done;
  };
  return keystore.Apply(merge, &unchanged);
}

Result<MergePlan> MergeBackup(const BackupFile& file, Keystore& keystore, Actor actor,
                              const ReadingProgress& progress) {
  return KeystoreMerge::Run(file, keystore, actor, progress);
}

}  // namespace certfs
