#include "tools/package/standing.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "crypto/base/time.h"
#include "crypto/judgement.h"
#include "crypto/trust_set.h"
#include "tools/certificate_json.h"
#include "tools/mounts.h"
#include "tools/package/contents.h"
#include "tools/shown.h"

namespace certfs::package {

namespace {

using Json = nlohmann::ordered_json;

// What is wrong with a file named on the command line is wrong usage.
Error AsUsage(const Error& error) { return {ErrorCode::kInvalidArgument, error.message()}; }

// "A1:B2:…", as browsers and openssl show a fingerprint.
std::string Colons(BytesView bytes) {
  std::string text = ToHex(bytes);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char digit) { return digit >= 'a' ? static_cast<char>(digit - 'a' + 'A') : digit; });
  for (std::size_t at = 2; at < text.size(); at += 3) text.insert(at, 1, ':');
  return text;
}

std::string KindOf(const Certificate& certificate) {
  const std::string kind = certificate.IsAuthority() ? "CA" : "no CA";
  return certificate.IsSelfSigned() ? kind + ", self-signed" : kind;
}

std::optional<Error> RefusalOf(const Verdict& verdict) {
  if (auto refusal = verdict.refusal()) return refusal;
  // A store takes a leaf under an expired root, or one that begins in some hours, and only warns; to rely on
  // one is another thing.
  for (const Finding& finding : verdict.findings()) {
    if (finding.rule->id == "anchor-expired" || finding.rule->id == "valid-tomorrow")
      return Error(finding.rule->code, finding.rule->id, finding.Describe());
  }
  return std::nullopt;
}

}  // namespace

Result<TrustFiles> GatherTrust(const TrustSource& source) {
  TrustFiles trust;
  if (source.roots.empty()) {
    auto mount = ChooseMount(source.mount);
    if (!mount.has_value()) {
      return Error(ErrorCode::kInvalidArgument,
                   "there is nothing to judge the signer by: " + mount.error().message() +
                       "; --roots names a file of trusted certificates");
    }
    auto read = ReadTrustOf(mount.value());
    if (!read.has_value()) return AsUsage(read.error());
    trust = std::move(read).value();
  }
  for (const std::string& path : source.roots) {
    auto more = ReadCertificates(path);
    if (!more.has_value()) return AsUsage(more.error());
    trust.authorities.insert(trust.authorities.end(), more.value().begin(), more.value().end());
  }
  for (const std::string& path : source.lists) {
    auto more = ReadRevocationLists(path);
    if (!more.has_value()) return AsUsage(more.error());
    trust.lists.insert(trust.lists.end(), more.value().begin(), more.value().end());
  }
  return trust;
}

std::chrono::sys_seconds Now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

Standing Judge(const MessageSigner& signer, const TrustFiles& trust, std::chrono::sys_seconds now) {
  const TrustSet set(trust.authorities, trust.lists);
  CertificateFile file{{}, {signer.certificate}, false};
  file.certificates.insert(file.certificates.end(), signer.others.begin(), signer.others.end());
  const Question question{RuleSet::kGeneral, now, &set, Purpose::kAny, std::nullopt};
  Standing standing;
  standing.verdict = JudgeCertificates(file, nullptr, question);
  ChainResult result = set.Verify(signer.certificate, signer.others, Purpose::kAny, now);
  standing.chain = std::move(result.chain);
  if (standing.chain.empty()) standing.chain.push_back(signer.certificate);
  standing.refusal = RefusalOf(standing.verdict);
  standing.trusted = result.reaches_anchor && result.faults.empty() && !standing.refusal;
  return standing;
}

void PrintSigner(std::ostream& out, const MessageSigner& signer, const Standing& standing,
                 const std::string& indent) {
  const Certificate& leaf = signer.certificate;
  out << indent << "subject     " << Shown(leaf.subject()) << "\n";
  out << indent << "issuer      " << Shown(leaf.issuer()) << "\n";
  out << indent << "SHA-256     " << Colons(leaf.fingerprint()) << "\n";
  out << indent << "valid       " << FormatTimestamp(leaf.not_before()) << " to "
      << FormatTimestamp(leaf.not_after()) << "\n";
  out << indent << "signed      ";
  if (signer.signed_at) {
    out << FormatTimestamp(*signer.signed_at) << " by its own word, ";
  }
  out << signer.algorithm << "\n";
  for (std::size_t i = 1; i < standing.chain.size(); ++i) {
    const Certificate& link = standing.chain[i];
    out << indent << (i == 1 ? "chain       " : "            ") << Shown(link.subject()) << " ("
        << KindOf(link) << ")\n"
        << indent << "            SHA-256 " << Colons(link.fingerprint()) << "\n";
  }
  if (standing.chain.size() <= 1) out << indent << "chain       it stands alone (" << KindOf(leaf) << ")\n";
}

std::string Describe(const Standing& standing) {
  if (standing.refusal) return "refused: " + standing.refusal->message();
  if (standing.trusted) return "trusted";
  return "not trusted: its chain reaches no certificate of the trusted roots";
}

Json SignerJson(const MessageSigner& signer, const Standing& standing) {
  Json findings = Json::array();
  for (const Finding& finding : standing.verdict.findings()) {
    findings.push_back({{"rule", finding.rule->id},
                        {"subject", finding.subject},
                        {"detail", finding.detail},
                        {"summary", finding.rule->summary}});
  }
  Json chain = Json::array();
  for (const Certificate& each : standing.chain) chain.push_back(ToJson(each));
  return {{"certificate", ToJson(signer.certificate)},
          {"algorithm", signer.algorithm},
          {"signed_at", signer.signed_at ? Json(FormatTimestamp(*signer.signed_at)) : Json()},
          {"trusted", standing.trusted},
          {"refusal", standing.refusal ? Json(standing.refusal->message()) : Json()},
          {"findings", findings},
          {"chain", chain}};
}

}  // namespace certfs::package
