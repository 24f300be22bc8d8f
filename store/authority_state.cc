#include "store/authority_state.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "crypto/sealing.h"
#include "store/second_thread.h"

namespace certfs {

Error NoAuthority() {
  return {ErrorCode::kNotFound, "no-authority", "this keystore has no certificate authority"};
}
Error NotIssuedHere() {
  return {ErrorCode::kNotFound, "not-issued-here",
          "the authority of this keystore has issued no such certificate"};
}
Error Overtaken() { return {ErrorCode::kStale, kOvertaken, "another change of the authority came first"}; }

Error NoKeyHere() {
  return {ErrorCode::kNotPermitted, "no-key-here",
          "the key of this certificate is not in the entry: its owner has to ask for a new one"};
}

bool KeyIsLost(const IssuedCertificate& line) {
  return line.revocation && (line.revocation->reason == RevocationReason::kKeyCompromise ||
                             line.revocation->reason == RevocationReason::kCaCompromise);
}

Result<void> PastDamage(Result<void> listed) {
  if (!listed.has_value() && listed.error().code() == ErrorCode::kCorrupt) return {};
  return listed;
}

Result<std::uint64_t> CountPlaced(TableSnapshot& snapshot, std::uint32_t authority) {
  std::uint64_t count = 0;
  TRY(PastDamage(
      snapshot.ListIssued(IssuedGroupKey::Placed(authority), [&](Cursor, const IssuedCertificate&) {
        ++count;
        return true;
      })));
  return count;
}

Error About(const std::string& subject, const Error& error) {
  return {error.code(), error.rule(), subject + ": " + error.message()};
}

Result<AuthorityRecord> GetIssuingRecord(TableSnapshot& snapshot) {
  if (!snapshot.has_authority()) return NoAuthority();
  AuthorityRecord record = TRY(snapshot.GetAuthority());
  if (record.Issuing() == nullptr) return NoAuthority();
  return record;
}

const AuthorityCertificate* IssuerNow(const AuthorityRecord& record) {
  if (record.replacement && record.replacement->phase == ReplacementPhase::kReissuing)
    return record.Find(record.replacement->to);
  return record.Issuing();
}

Result<Certificate> CertificateOf(const AuthorityCertificate& authority) {
  return Certificate::FromDer(authority.certificate);
}

Result<std::vector<Certificate>> ChainOf(const AuthorityCertificate& authority) {
  std::vector<Certificate> chain;
  for (const Bytes& der : authority.chain) chain.push_back(TRY(Certificate::FromDer(der)));
  return chain;
}

BytesView RootOf(const AuthorityCertificate& authority) {
  return authority.chain.empty() ? authority.certificate : authority.chain.back();
}

Result<std::optional<Certificate>> LeafOf(TableSnapshot& snapshot, const Entry& entry) {
  std::optional<Certificate> none;
  if (!entry.file(Member::kCertificate)) return none;
  const SecretBytes bytes = TRY(ReadLive(snapshot, entry, Member::kCertificate));
  auto file = ReadCertificateFile(bytes.Reveal());
  if (!file.has_value()) return none;
  return std::optional(file.value().certificates.front());
}

Bytes PemOf(std::string_view label, BytesView der) {
  const SecretBytes pem = WritePem(label, der);
  return {pem.Reveal().begin(), pem.Reveal().end()};
}

void InParallel(std::size_t count, const std::function<void(std::size_t)>& make) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t at = next++; at < count; at = next++) make(at);
  };
  // Asked once: it looks into /sys.
  static const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  // Where the system refuses a thread, the others do its part.
  std::vector<std::unique_ptr<SecondThread>> others;
  for (std::size_t i = 1; i < std::min(cores, count); ++i)
    others.push_back(std::make_unique<SecondThread>(work));
  work();
}

// --- Issuers and profiles

Result<std::shared_ptr<const Issuer>> CertificateAuthority::State::IssuerOf(
    const AuthorityCertificate& authority) {
  const Digest digest = Sha256({authority.certificate});
  {
    const std::lock_guard lock(mutex);
    const auto ready = issuers.find(authority.id);
    if (ready != issuers.end() && ready->second.certificate == digest) return ready->second.issuer;
  }
  if (!authority.token.empty())
    return Error(ErrorCode::kUnsupported, "key-in-token",
                 "the authority's key lies in a token: " + authority.token);
  if (authority.key.empty())
    return Error(ErrorCode::kUnsupported, "key-gone", "the key of that certificate of the authority is gone");
  PrivateKey key = TRY(PrivateKey::FromDer(authority.key.Reveal()));
  std::shared_ptr<const Signer> signer = TRY(MakeSigner(std::move(key)));
  auto issuer = TRY(Issuer::Make(TRY(CertificateOf(authority)), TRY(ChainOf(authority)), std::move(signer)));
  const std::lock_guard lock(mutex);
  issuers[authority.id] = {digest, issuer};
  return issuer;
}

Result<void> CertificateAuthority::State::ReadyAll(const AuthorityRecord& record) {
  for (const AuthorityCertificate& each : record.certificates) {
    if (each.role != AuthorityRole::kRetired) TRY(IssuerOf(each));
  }
  return {};
}

Result<std::shared_ptr<const Profile>> CertificateAuthority::State::ProfileOf(const AuthorityRecord& record,
                                                                              const std::string& name) {
  std::string_view text;
  if (const auto written = record.profiles.find(name); written != record.profiles.end()) {
    text = written->second;
  } else {
    const auto built_in = BuiltInProfiles();
    const auto found = std::find_if(built_in.begin(), built_in.end(),
                                    [&](const BuiltInProfile& each) { return each.name == name; });
    if (found == built_in.end())
      return Error(ErrorCode::kNotFound, "no-profile", "there is no profile of the name '" + name + "'");
    text = found->toml;
  }
  {
    const std::lock_guard lock(mutex);
    const auto ready = profiles.find(name);
    if (ready != profiles.end() && ready->second.text == text) return ready->second.profile;
  }
  auto profile = std::make_shared<const Profile>(TRY(Profile::Parse(name, AsBytes(text))));
  const std::lock_guard lock(mutex);
  profiles[name] = {std::string(text), profile};
  return profile;
}

}  // namespace certfs
