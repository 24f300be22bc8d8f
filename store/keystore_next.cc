// The staged entry: where a new certificate and key wait for each other.

#include <utility>

#include "crypto/pem.h"
#include "crypto/request_config.h"
#include "crypto/signing_request.h"
#include "store/keystore_change.h"

namespace certfs {

namespace {

Error CertificateWaits() {
  return {ErrorCode::kAlreadyExists, "request-key",
          "a certificate is staged, which a new key would not fit: remove it first"};
}

Error OtherKeyWaits(const PrivateKey& key) {
  return {ErrorCode::kRejected, "request-key",
          "the staged key is " + key.Describe() + ", not of the KeyType asked for: remove it first"};
}

Result<PrivateKey> GenerateKey(const RequestConfig& config) {
  return PrivateKey::Generate(config.key_type.value_or(kDefaultKeyType));
}

}  // namespace

Result<Entry> Keystore::CreateNext(Number number, Actor actor, std::uint32_t mode) {
  return Apply([&](TableTransaction& transaction) -> Result<Entry> {
    Entry live = TRY(GetEntry(transaction, number));
    const Store store = TRY(GetStore(transaction, live.store));
    const StorePolicy& policy = PolicyOf(store.name);
    if (policy.holds == Holds::kNothing)
      return Error(ErrorCode::kReadOnly, store.name.text() + " is written by certfs alone");
    if (TRY(transaction.FindEntry(live.store, live.alias.Next())))
      return Error(ErrorCode::kAlreadyExists, "there is a staged entry already");
    if (!MayStage(policy, live)) {
      return Error(ErrorCode::kNotPermitted, "wrong-file",
                   "only a certificate and its key are staged, and this entry of " + store.name.text() +
                       " holds something else");
    }
    Entry next;
    next.store = live.store;
    next.origin = live.number;
    next.alias = live.alias.Next();
    next.attributes = NewDirectoryAttributes(live.attributes, actor, mode, clock_());
    const Number made = TRY(transaction.PutEntry(std::move(next)));
    live.attributes.mtime = live.attributes.ctime = clock_();
    TRY(transaction.PutEntry(std::move(live)));
    return GetEntry(transaction, made);
  });
}

Result<void> Keystore::RemoveNext(Number number) {
  return ApplyRemoval([&](TableTransaction& transaction) -> Result<void> {
    Entry live = TRY(GetEntry(transaction, number));
    const Entry next = TRY(GetEntry(transaction, live.store, live.alias.Next()));
    if (!next.empty()) return Error(ErrorCode::kNotEmpty, "a replacement is staged");
    TRY(transaction.RemoveEntry(next));
    live.attributes.mtime = live.attributes.ctime = clock_();
    TRY(transaction.PutEntry(std::move(live)));
    return {};
  });
}

Result<WriteOutcome> Keystore::WriteNext(TableTransaction& transaction, const Store& store, Entry next,
                                         Write& write) {
  const Time now = clock_();
  const Member member = write.member;
  if (member == Member::kSigningRequest)
    return Error(ErrorCode::kReadOnly, "request.csr is made from request.cfg");
  Entry live = TRY(GetEntry(transaction, next.origin));
  const StorePolicy& policy = PolicyOf(store.name);
  if (!MayHold(policy, live, Member::kKey)) {
    return Error(ErrorCode::kNotPermitted, "wrong-file",
                 "the live entry holds something else than a pair by now");
  }
  // The same request asks for a key once more if the one that it had made is gone.
  const bool asks = member == Member::kRequest && !next.file(Member::kKey);
  if (next.file(member) && !asks) {
    const SecretBytes staged = TRY(ReadLive(transaction, next, member));
    if (EqualSecrets(staged.Reveal(), write.bytes))
      return KeepBytes(transaction, std::move(next), write, now);
  }
  if (member == Member::kRequest) return WriteRequest(transaction, std::move(next), write);

  // Going live takes the live certificate's place: its serial numbers are free for what is staged.
  const SecretBytes replaced = live.file(Member::kCertificate)
                                   ? TRY(ReadLive(transaction, live, Member::kCertificate))
                                   : SecretBytes();
  const BytesView replaced_bytes = member == Member::kCertificate ? replaced.Reveal() : BytesView();
  Judged judged = TRY(Judge(transaction, policy, next, member, replaced_bytes, write.bytes));
  TRY(PutWritten(transaction, next, write, judged.text.Reveal(), now));
  File& file = *next.file(member);
  file.dated = write.attributes.atime || write.attributes.mtime;
  if (!file.dated) file.attributes.atime = file.attributes.mtime = now;
  SetTimes(file.attributes, write.attributes);
  file.attributes.ctime = now;
  if (!next.is_pair()) {
    TRY(transaction.PutEntry(next));
    return WriteOutcome{std::move(next), true, std::move(judged.findings), 0, std::nullopt};
  }
  if (member == Member::kKey) {
    // The certificate has waited, maybe for long: it is judged as of now, and as the key's.
    const SecretBytes waited = TRY(transaction.ReadFile(next, Member::kCertificate));
    std::vector<Finding> findings = std::move(judged.findings);
    judged = TRY(Judge(transaction, policy, next, Member::kCertificate, replaced.Reveal(), waited.Reveal()));
    judged.findings.insert(judged.findings.begin(), findings.begin(), findings.end());
  }
  return GoLive(transaction, store, std::move(live), std::move(next), std::move(judged));
}

Result<WriteOutcome> Keystore::GoLive(TableTransaction& transaction, const Store& store, Entry live,
                                      Entry next, Judged judged) {
  const Time now = clock_();
  SecretBytes key = TRY(transaction.ReadFile(next, Member::kKey));
  Pair pair{std::move(judged), std::move(key), *next.file(Member::kCertificate), *next.file(Member::kKey),
            next.changed};
  WriteOutcome outcome = TRY(PutPair(transaction, store, std::move(live), std::move(pair)));
  outcome.changed = true;  // What was staged is so no more.
  for (const Member member : kMembers) {
    if (next.file(member)) TRY(transaction.RemoveFile(next, member));
  }
  ++next.revision;
  next.attributes.mtime = next.attributes.ctime = now;
  TRY(transaction.PutEntry(next));
  outcome.live = std::exchange(outcome.entry, std::move(next));
  return outcome;
}

Result<std::optional<PrivateKey>> Keystore::MakeKeyFor(Number number, const Write& write) {
  std::optional<PrivateKey> none;
  if (write.member != Member::kRequest) return none;
  const auto config = RequestConfig::Parse(write.bytes);
  if (!config.has_value()) return none;  // The change says so, if it says nothing else first.
  {
    const auto snapshot = TRY(table_->Snapshot());
    const std::optional<Entry> next = TRY(snapshot->FindEntryByNumber(number));
    if (!next || !next->is_staged() || next->file(Member::kKey) || next->file(Member::kCertificate))
      return none;
  }  // The snapshot would keep the map from growing for as long as a key takes.
  return std::optional(TRY(GenerateKey(config.value())));
}

Result<WriteOutcome> Keystore::WriteRequest(TableTransaction& transaction, Entry next, Write& write) {
  const Time now = clock_();
  const RequestConfig config = TRY(RequestConfig::Parse(write.bytes));
  if (next.file(Member::kCertificate)) return CertificateWaits();
  std::optional<PrivateKey> waiting;
  if (next.file(Member::kKey)) {
    // A key that waits for its CA is never thrown away.
    waiting = TRY(ReadKeyFile(TRY(transaction.ReadFile(next, Member::kKey)).Reveal())).key;
    if (config.key_type && !waiting->Is(*config.key_type)) return OtherKeyWaits(*waiting);
  } else {
    // One that was made for it is used in each attempt of the change; what waited may have gone since.
    if (!write.key) write.key = TRY(GenerateKey(config));
    const SecretBytes text = WritePem("PRIVATE KEY", TRY(write.key->ToPkcs8()).Reveal());
    next.file(Member::kKey).emplace().attributes =
        NewFileAttributes(Member::kKey, write.actor, next.attributes, now);
    TRY(transaction.PutFile(next, Member::kKey, text.Reveal()));
  }
  const Bytes request = TRY(MakeSigningRequest(config, waiting ? *waiting : *write.key));
  auto& file = next.file(Member::kSigningRequest);
  if (!file)
    file.emplace().attributes = NewFileAttributes(Member::kSigningRequest, write.actor, next.attributes, now);
  TRY(transaction.PutFile(next, Member::kSigningRequest, request));
  file->attributes.mtime = file->attributes.ctime = now;
  TRY(PutWritten(transaction, next, write, write.bytes, now));
  next.file(Member::kRequest)->attributes.mtime = next.file(Member::kRequest)->attributes.ctime = now;
  SetTimes(next.file(Member::kRequest)->attributes, write.attributes);
  TRY(transaction.PutEntry(next));
  return WriteOutcome{std::move(next), true, {}, 0, std::nullopt};
}

}  // namespace certfs
