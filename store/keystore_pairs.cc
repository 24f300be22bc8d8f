// A certificate and key that become live together.

#include <utility>

#include "crypto/judgement.h"
#include "store/kept_state.h"
#include "store/keystore_change.h"
#include "store/placement.h"

namespace certfs {

Result<WriteOutcome> Keystore::PutPair(TableTransaction& transaction, const Store& store, Entry live,
                                       Pair pair) {
  const Time now = clock_();
  const auto is_live = [&](Member member, BytesView bytes) -> Result<bool> {
    if (!live.file(member)) return false;
    return EqualSecrets(TRY(ReadLive(transaction, live, member)).Reveal(), bytes);
  };
  const Judged& certificate = pair.certificate;
  const bool same = (pair.key.empty() || TRY(is_live(Member::kKey, pair.key.Reveal()))) &&
                    TRY(is_live(Member::kCertificate, certificate.text.Reveal()));
  Number kept = 0;
  if (!same) {
    kept = TRY(KeepState(transaction, store, live, now, KeptFor::kWriting));
    TRY(NoteLiveCertificates(transaction, store, live, certificate.replaced, certificate.certificates));
  }
  struct {
    Member member;
    BytesView bytes;
    const File& given;
  } const files[] = {{Member::kCertificate, certificate.text.Reveal(), pair.certificate_file},
                     {Member::kKey, pair.key.Reveal(), pair.key_file}};
  for (const auto& [member, bytes, given] : files) {
    auto& file = live.file(member);
    if (!file && bytes.empty()) continue;
    if (!file) {
      // A new pair: the directory changes with its first file.
      file.emplace().attributes = given.attributes;
      live.attributes.mtime = live.attributes.ctime = now;
    }
    if (!same) {
      if (!bytes.empty()) TRY(transaction.PutFile(live, member, bytes));
      file->attributes.mtime = now;
    }
    file->attributes.ctime = now;
    if (given.dated) {
      file->attributes.atime = given.attributes.atime;
      file->attributes.mtime = given.attributes.mtime;
    }
  }
  if (!same) {
    ++live.revision;
    live.changed = pair.changed;  // Whoever completed it.
  }
  TRY(transaction.PutEntry(live));
  return WriteOutcome{std::move(live), !same, std::move(pair.certificate.findings), kept, std::nullopt};
}

Result<WriteOutcome> Keystore::WritePair(TableTransaction& transaction, const Store& store, Entry live,
                                         BytesView certificate, BytesView key, Actor actor) {
  const Time now = clock_();
  const StorePolicy& policy = PolicyOf(store.name);
  for (const Member member : {Member::kCertificate, Member::kKey}) {
    if ((member == Member::kKey && key.empty()) || MayHold(policy, live, member)) continue;
    return Error(ErrorCode::kNotPermitted, "wrong-file",
                 "this entry of " + store.name.text() + " holds no " + std::string(FileName(member)));
  }
  const SecretBytes replaced = live.file(Member::kCertificate)
                                   ? TRY(ReadLive(transaction, live, Member::kCertificate))
                                   : SecretBytes();
  Pair pair;
  if (key.empty()) {
    pair.certificate =
        TRY(Judge(transaction, policy, live, Member::kCertificate, replaced.Reveal(), certificate));
  } else {
    KeyFile file = TRY(ReadKeyFile(key));
    Question question;
    question.rules = policy.rules;
    question.now = std::chrono::floor<std::chrono::seconds>(now);
    // That it fits its certificate is judged with that.
    const Verdict verdict = JudgeKey(file, nullptr, question);
    if (auto refusal = verdict.refusal()) return *std::move(refusal);
    pair.certificate = TRY(JudgeCertificate(transaction, policy, &file.key, replaced.Reveal(), certificate));
    auto& findings = pair.certificate.findings;
    findings.insert(findings.begin(), verdict.findings().begin(), verdict.findings().end());
    pair.key = std::move(file.text);
  }
  pair.certificate_file.attributes = NewFileAttributes(Member::kCertificate, actor, live.attributes, now);
  pair.key_file.attributes = NewFileAttributes(Member::kKey, actor, live.attributes, now);
  pair.changed = LastChange{actor.uid, now};
  return PutPair(transaction, store, std::move(live), std::move(pair));
}

Result<void> Keystore::Empty(TableTransaction& transaction, const Store& store, Entry entry, Actor actor) {
  const Time now = clock_();
  TRY(KeepState(transaction, store, entry, now, KeptFor::kRemoving));
  if (entry.file(Member::kCertificate)) {
    const SecretBytes bytes = TRY(ReadLive(transaction, entry, Member::kCertificate));
    const auto file = ReadCertificateFile(bytes.Reveal());
    TRY(NoteLiveCertificates(transaction, store, entry,
                             file.has_value() ? file.value().certificates : std::vector<Certificate>(), {}));
  }
  for (const Member member : kMembers) {
    if (entry.file(member)) TRY(transaction.RemoveFile(entry, member));
  }
  entry.attributes.mtime = entry.attributes.ctime = now;
  entry.changed = LastChange{actor.uid, now};
  TRY(transaction.PutEntry(std::move(entry)));
  return {};
}

Result<void> Keystore::TakeAway(TableTransaction& transaction, const Store& store, const Entry& entry) {
  const Time now = clock_();
  const Actor owner{store.attributes.uid, store.attributes.gid};
  TRY(Empty(transaction, store, entry, owner));
  TRY(transaction.RemoveEntry(TRY(GetEntry(transaction, entry.number))));
  return TouchStore(transaction, store.number, now);
}

}  // namespace certfs
