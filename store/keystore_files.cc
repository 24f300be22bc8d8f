#include <algorithm>
#include <utility>

#include "crypto/pem.h"
#include "store/kept_state.h"
#include "store/keystore_change.h"
#include "store/placement.h"
#include "store/serial_numbers.h"

namespace certfs {

namespace {

Error DamagedList() {
  return {
      ErrorCode::kCorrupt,
      "a CRL in TRUSTED_ROOTS_CRLS is damaged: what it revoked cannot be told; certfs ca crl --force signs "
      "the authority's own anew"};
}

Error DamagedRoot() {
  return {
      ErrorCode::kCorrupt,
      "a certificate in TRUSTED_ROOTS is damaged, and may be this one's issuer: what that revoked cannot be "
      "told"};
}

// The certificates of a stored cert.pem; none where there is none, or where damage took it. The index of
// serial numbers then keeps what it knew of them: it refuses more than it need, never less.
std::vector<Certificate> CertificatesIn(BytesView live, ParsedFiles& parsed) {
  if (const auto known = parsed.FindCertificates(live)) return *known;
  auto file = ReadCertificateFile(live);
  return file.has_value() ? std::move(file).value().certificates : std::vector<Certificate>();
}

// The public half of an entry's live key.
Result<std::shared_ptr<const Key>> LiveKey(TableSnapshot& snapshot, const Entry& entry, ParsedFiles& parsed) {
  const Digest& sealed = entry.file(Member::kKey)->digest;
  if (auto known = parsed.FindKey(sealed)) return std::shared_ptr<const Key>(std::move(known));
  const SecretBytes bytes = TRY(snapshot.ReadFile(entry, Member::kKey));
  auto key = std::make_shared<const PrivateKey>(TRY(ReadKeyFile(bytes.Reveal())).key);
  parsed.AddKey(sealed, *key);
  return std::shared_ptr<const Key>(std::move(key));
}

Question QuestionFor(const StorePolicy& policy, Time now) {
  Question question;
  question.rules = policy.rules;
  question.now = std::chrono::floor<std::chrono::seconds>(now);
  return question;
}

// Adds to `verdict` what the index of serial numbers knows against `added`, which is to replace `removed`.
Result<void> JudgeSerials(TableSnapshot& snapshot, RuleSet rules, const std::vector<Certificate>& removed,
                          const std::vector<Certificate>& added, Verdict& verdict) {
  const Role leaf = rules == RuleSet::kTrust    ? Role::kAnchor
                    : rules == RuleSet::kServer ? Role::kServerLeaf
                                                : Role::kLeaf;
  for (const std::size_t at : TRY(FindReusedSerials(snapshot, removed, added))) {
    verdict.Add(RuleById("serial-reused"), at == 0 ? leaf : Role::kIntermediate,
                "certificate " + std::to_string(at + 1) + " (" + added[at].subject() + ")",
                "serial number " + added[at].serial());
  }
  return {};
}

}  // namespace

Result<Keystore::Judged> Keystore::JudgeCertificate(TableTransaction& transaction, const StorePolicy& policy,
                                                    const Key* key, BytesView live_bytes, BytesView bytes) {
  CertificateFile file = TRY(ReadCertificateFile(bytes));
  Question question = QuestionFor(policy, clock_());
  std::shared_ptr<const Trust> trust;
  // An anchor needs no chain; asking for the trust set would remake it for each of a hundred roots copied in.
  if (policy.rules != RuleSet::kTrust) {
    trust = TRY(trust_.Get(transaction));
    question.trust = &trust->set;
    if (trust->lists_damaged) return DamagedList();
  }
  Arrange(file, key);
  Verdict verdict = JudgeCertificates(file, key, question);
  std::vector<Certificate> replaced = CertificatesIn(live_bytes, parsed_);
  TRY(JudgeSerials(transaction, policy.rules, replaced, file.certificates, verdict));
  if (auto refusal = verdict.refusal()) return *std::move(refusal);
  const auto& findings = verdict.findings();
  const bool untrusted = std::any_of(findings.begin(), findings.end(),
                                     [](const Finding& each) { return each.rule->id == "untrusted-issuer"; });
  if (untrusted && trust != nullptr && trust->roots_damaged) return DamagedRoot();
  // What is accepted is what the next renewal replaces.
  parsed_.AddCertificates(file.text, file.certificates);
  return Judged{SecretBytes::CopyOf(file.text), verdict.findings(), std::move(file.certificates),
                std::move(replaced)};
}

Result<Keystore::Judged> Keystore::Judge(TableTransaction& transaction, const StorePolicy& policy,
                                         const Entry& entry, Member member, BytesView live_bytes,
                                         BytesView bytes) {
  Question question = QuestionFor(policy, clock_());
  std::shared_ptr<const Trust> trust;
  if (member == Member::kRevocationList) {
    trust = TRY(trust_.Get(transaction));
    question.trust = &trust->set;
  }
  const auto conclude = [](const Verdict& verdict, SecretBytes text) -> Result<Judged> {
    if (auto refusal = verdict.refusal()) return *std::move(refusal);
    return Judged{std::move(text), verdict.findings(), {}, {}};
  };

  switch (member) {
    case Member::kCertificate: {
      std::shared_ptr<const Key> key;
      if (entry.file(Member::kKey)) key = TRY(LiveKey(transaction, entry, parsed_));
      return JudgeCertificate(transaction, policy, key.get(), live_bytes, bytes);
    }
    case Member::kKey: {
      KeyFile file = TRY(ReadKeyFile(bytes));
      std::optional<CertificateFile> partner;
      if (entry.file(Member::kCertificate)) {
        partner = TRY(ReadCertificateFile(TRY(transaction.ReadFile(entry, Member::kCertificate)).Reveal()));
      }
      return conclude(JudgeKey(file, partner ? &*partner : nullptr, question), std::move(file.text));
    }
    case Member::kRevocationList: {
      const RevocationListFile file = TRY(ReadRevocationListFile(bytes));
      std::optional<RevocationList> live;
      if (!live_bytes.empty()) live = TRY(ReadRevocationListFile(live_bytes)).list;
      if (policy.rules == RuleSet::kTrust) {
        // The one that cannot be read may be of this very authority.
        if (trust->lists_damaged && !entry.file(Member::kRevocationList)) return DamagedList();
        for (std::size_t i = 0; i < trust->list_entries.size(); ++i) {
          if (trust->list_entries[i] != entry.number &&
              trust->set.OfOneAuthority(trust->set.lists()[i], file.list)) {
            return Error(ErrorCode::kAlreadyExists, "crl-second-alias",
                         "the CRL of " + file.list.issuer() + " has another alias already");
          }
        }
      }
      return conclude(JudgeRevocationList(file, live ? &*live : nullptr, question),
                      SecretBytes::CopyOf(file.text));
    }
    case Member::kSecret:
      return Judged{SecretBytes::CopyOf(bytes), {}, {}, {}};
    case Member::kRequest:
    case Member::kSigningRequest:
      break;  // WriteNext knows these.
  }
  return Error(ErrorCode::kInternal, "no such member");
}

Result<WriteOutcome> Keystore::KeepBytes(TableTransaction& transaction, Entry entry, Write& write, Time now) {
  write.untouched = !write.attributes.atime && !write.attributes.mtime;
  if (!write.untouched) {
    File& file = *entry.file(write.member);
    SetTimes(file.attributes, write.attributes);
    file.attributes.ctime = now;  // As utimens does it.
    file.dated = file.dated || entry.is_staged();
    TRY(transaction.PutEntry(entry));
  }
  return WriteOutcome{std::move(entry), false, {}, 0, std::nullopt};
}

Result<void> Keystore::PutWritten(TableTransaction& transaction, Entry& entry, const Write& write,
                                  BytesView text, Time now) {
  if (!entry.file(write.member)) {
    Attributes& made = entry.file(write.member).emplace().attributes;
    made = NewFileAttributes(write.member, write.actor, entry.attributes, write.attributes, now);
    if (write.returning != nullptr) {
      const Attributes fresh = std::exchange(made, *write.returning);
      made.atime = fresh.atime;
      made.mtime = fresh.mtime;
      made.ctime = fresh.ctime;
    }
    entry.attributes.mtime = entry.attributes.ctime = now;
  }
  TRY(transaction.PutFile(entry, write.member, text));
  ++entry.revision;
  entry.changed = LastChange{write.actor.uid, now};
  return {};
}

Result<WriteOutcome> Keystore::WriteFile(Number number, Member member, BytesView bytes, Actor actor,
                                         const AttributeChange& attributes, const Attributes* returning) {
  if (bytes.empty()) return Error(ErrorCode::kInvalidArgument, "nothing to write");
  if (bytes.size() > kFileBytesMax)
    return Error(ErrorCode::kTooLarge, "too-large", "a file is at most 1 MiB");
  Write write{member, bytes, actor, attributes, returning};
  write.key = TRY(MakeKeyFor(number, write));
  const auto change = [&](TableTransaction& transaction) -> Result<WriteOutcome> {
    write.untouched = false;
    Entry entry = TRY(GetEntry(transaction, number));
    const Store store = TRY(GetStore(transaction, entry.store));
    const StorePolicy& policy = PolicyOf(store.name);
    if (policy.holds == Holds::kNothing)
      return Error(ErrorCode::kReadOnly, store.name.text() + " is written by certfs alone");
    if (!MayHold(policy, entry, member)) {
      return Error(ErrorCode::kNotPermitted, "wrong-file",
                   "this entry of " + store.name.text() + " holds no " + std::string(FileName(member)));
    }
    return entry.is_staged() ? WriteNext(transaction, store, std::move(entry), write)
                             : WriteLive(transaction, store, std::move(entry), write);
  };
  return Apply(change, &write.untouched);
}

Result<WriteOutcome> Keystore::WriteLive(TableTransaction& transaction, const Store& store, Entry entry,
                                         Write& write) {
  const Time now = clock_();
  const Member member = write.member;
  const bool replaces = entry.file(member).has_value();
  const SecretBytes live = replaces ? TRY(ReadLive(transaction, entry, member)) : SecretBytes();
  // What is there already is not judged again: it may have expired since.
  if (replaces && EqualSecrets(live.Reveal(), write.bytes))
    return KeepBytes(transaction, std::move(entry), write, now);
  Judged judged = TRY(Judge(transaction, PolicyOf(store.name), entry, member, live.Reveal(), write.bytes));
  if (replaces && EqualSecrets(live.Reveal(), judged.text.Reveal()))
    return KeepBytes(transaction, std::move(entry), write, now);
  const Number kept = TRY(KeepState(transaction, store, entry, now, KeptFor::kWriting));
  TRY(NoteLiveCertificates(transaction, store, entry, judged.replaced, judged.certificates));
  TRY(PutWritten(transaction, entry, write, judged.text.Reveal(), now));
  // One commit, one mtime for the pair; what was set explicitly holds for its member.
  for (auto& file : entry.files) {
    if (file) file->attributes.mtime = file->attributes.ctime = now;
  }
  SetTimes(entry.file(member)->attributes, write.attributes);
  TRY(transaction.PutEntry(entry));
  return WriteOutcome{std::move(entry), true, std::move(judged.findings), kept, std::nullopt};
}

Result<WriteOutcome> Keystore::RemoveFile(Number number, Member member, Actor actor,
                                          RemovedFile* removed_file) {
  const auto remove = [&](bool keep) {
    const auto change = [&](TableTransaction& transaction) -> Result<WriteOutcome> {
      Entry entry = TRY(GetEntry(transaction, number));
      const Store store = TRY(GetStore(transaction, entry.store));
      if (!entry.file(member)) return Error(ErrorCode::kNotFound, "the entry has no such file");
      TRY(CheckRemoval(PolicyOf(store.name), actor));
      // What is staged was never live: it is kept nowhere, and its serial numbers count for nothing yet.
      const bool live = !entry.is_staged();
      KeptBefore before;
      const Number kept = live && keep
                              ? TRY(KeepState(transaction, store, entry, clock_(), KeptFor::kRemoving,
                                              removed_file != nullptr ? &before : nullptr))
                              : 0;
      const bool certificate = live && member == Member::kCertificate;
      SecretBytes bytes;
      if (certificate || removed_file != nullptr) bytes = TRY(ReadLive(transaction, entry, member));
      if (certificate)
        TRY(NoteLiveCertificates(transaction, store, entry, CertificatesIn(bytes.Reveal(), parsed_), {}));
      if (removed_file != nullptr) {
        *removed_file = {entry.number,     entry.revision,    member,       *entry.file(member),
                         std::move(bytes), std::move(before), entry.changed};
      }
      TRY(transaction.RemoveFile(entry, member));
      const Time now = clock_();
      entry.attributes.mtime = entry.attributes.ctime = now;
      entry.changed = LastChange{actor.uid, now};
      TRY(transaction.PutEntry(entry));
      return WriteOutcome{std::move(entry), true, {}, kept, std::nullopt};
    };
    // Keeping what was removed is not taking away.
    return keep ? Apply(change) : ApplyRemoval(change);
  };
  auto removed = remove(true);
  // A keystore that is full could otherwise never be emptied again.
  if (!removed.has_value() && removed.error().code() == ErrorCode::kNoSpace) return remove(false);
  return removed;
}

Result<WriteOutcome> Keystore::RestoreFile(const RemovedFile& removed) {
  return Apply([&](TableTransaction& transaction) -> Result<WriteOutcome> {
    const Time now = clock_();
    Entry entry = TRY(GetEntry(transaction, removed.entry));
    if (removed.bytes.empty() || entry.file(removed.member) || entry.revision != removed.revision)
      return Error(ErrorCode::kStale, "the entry has changed since");
    if (!entry.is_staged() && removed.member == Member::kCertificate) {
      const std::vector<Certificate> certificates = CertificatesIn(removed.bytes.Reveal(), parsed_);
      if (!TRY(FindReusedSerials(transaction, {}, certificates)).empty())
        return Error(ErrorCode::kRejected, "serial-reused",
                     "its serial number is another certificate's by now");
      const Store store = TRY(GetStore(transaction, entry.store));
      TRY(NoteLiveCertificates(transaction, store, entry, {}, certificates));
    }
    // The same bytes, hence the same revision, and the same last change.
    entry.file(removed.member) = removed.file;
    entry.changed = removed.changed;
    TRY(transaction.PutFile(entry, removed.member, removed.bytes.Reveal()));
    entry.attributes.mtime = entry.attributes.ctime = now;
    const Number kept = removed.kept.revision != 0 ? TRY(RestoreState(transaction, removed.kept, now)) : 0;
    TRY(transaction.PutEntry(entry));
    return WriteOutcome{std::move(entry), true, {}, kept, std::nullopt};
  });
}

}  // namespace certfs
