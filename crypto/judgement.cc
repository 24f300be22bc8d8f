#include "crypto/judgement.h"

#include <algorithm>

#include "crypto/base/time.h"
#include "crypto/openssl/certificate_rules.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/key_rules.h"
#include "crypto/openssl/words.h"

namespace certfs {

namespace {

constexpr auto kClockSkew = std::chrono::hours(24);

// What a verdict on a cert.pem is gathered from.
struct Inquiry {
  const CertificateFile& file;
  const Question& question;
  Role leaf;
  Verdict verdict;

  void Add(std::string_view rule, Role role, std::string subject, std::string detail = {}) {
    verdict.Add(RuleById(rule), role, std::move(subject), std::move(detail));
  }
  const Certificate& first() const { return file.certificates.front(); }

  // Names a certificate as the writer knows it: by its place in the file, or else as one of the trust set.
  std::string Name(const Certificate& certificate) const {
    const auto& all = file.certificates;
    const auto at = std::find_if(all.begin(), all.end(), [&](const Certificate& each) {
      return each.fingerprint() == certificate.fingerprint();
    });
    if (at == all.end()) return "trusted certificate (" + openssl::Shortened(certificate.subject()) + ")";
    return NameAt(static_cast<std::size_t>(at - all.begin()));
  }
  std::string NameAt(std::size_t index) const {
    const std::string subject = openssl::Shortened(file.certificates[index].subject());
    return "certificate " + std::to_string(index + 1) + " (" + subject + ")";
  }

  // What the certificate at that depth of the chain is judged as.
  Role RoleAt(std::size_t depth) const { return depth == 0 ? leaf : Role::kIntermediate; }
};

// --- Each certificate alone

void JudgeDates(Inquiry& inquiry, const Certificate& certificate, Role role, const std::string& subject) {
  const auto now = inquiry.question.now;
  if (certificate.not_after() < now) {
    inquiry.Add("expired", role, subject, FormatTimestamp(certificate.not_after()));
  }
  if (certificate.not_before() > now) {
    const bool skew = certificate.not_before() - now <= kClockSkew;
    inquiry.Add(skew ? "valid-tomorrow" : "not-yet-valid", role, subject,
                "from " + FormatTimestamp(certificate.not_before()));
  }
}

void JudgeAlone(Inquiry& inquiry, const Certificate& certificate, Role role, const std::string& subject) {
  const openssl::EmptyQueue empty;
  for (const auto& predicate : openssl::CertificatePredicates()) {
    // A row that says nothing about this role is not worth asking.
    if (RuleById(predicate.rule).For(role) == Severity::kNone) continue;
    if (auto broken = predicate.broken(certificate))
      inquiry.Add(predicate.rule, role, subject, *std::move(broken));
  }
  const EVP_PKEY* const key = X509_get0_pubkey(certificate.handle());
  for (const auto& predicate : openssl::KeyPredicates()) {
    if (auto broken = predicate.broken(key)) inquiry.Add(predicate.rule, role, subject, *std::move(broken));
  }
  JudgeDates(inquiry, certificate, role, subject);
}

void JudgePurpose(Inquiry& inquiry) {
  const Certificate& leaf = inquiry.first();
  const bool server = inquiry.leaf == Role::kServerLeaf || inquiry.question.purpose == Purpose::kServer;
  const bool client = inquiry.question.purpose == Purpose::kClient;
  if ((X509_get_extension_flags(leaf.handle()) & EXFLAG_XKUSAGE) == 0 || (!server && !client)) return;
  const std::uint32_t usage = X509_get_extended_key_usage(leaf.handle());
  const std::uint32_t wanted = server ? XKU_SSL_SERVER : XKU_SSL_CLIENT;
  if ((usage & (wanted | XKU_ANYEKU)) == 0) {
    inquiry.Add("wrong-extended-key-usage", inquiry.leaf, inquiry.Name(leaf),
                server ? "serverAuth" : "clientAuth");
  }
}

void JudgeHost(Inquiry& inquiry) {
  if (!inquiry.question.host) return;
  const openssl::EmptyQueue empty;
  X509* const leaf = inquiry.first().handle();
  const std::string& host = *inquiry.question.host;
  const bool covered = X509_check_host(leaf, host.c_str(), host.size(), 0, nullptr) == 1 ||
                       X509_check_ip_asc(leaf, host.c_str(), 0) == 1;
  if (!covered)
    inquiry.Add("host-not-covered", inquiry.leaf, inquiry.Name(inquiry.first()), openssl::Shortened(host));
}

// --- The chain

// How a certificate of a file relates to one that may be its issuer.
enum class Link { kNone, kOtherKey, kIssuer };

// Goes by names and key identifiers. An issuer that may not sign, or that cannot be read well enough to tell,
// still counts: that is a row of its own, and must not make it a stranger.
Link LinkBetween(const Certificate& issuer, const Certificate& certificate) {
  switch (X509_check_issued(issuer.handle(), certificate.handle())) {
    case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
      return Link::kNone;
    case X509_V_ERR_AKID_SKID_MISMATCH:
    case X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
    case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH:
      return Link::kOtherKey;
    default:
      return Link::kIssuer;
  }
}

bool Links(const Certificate& issuer, const Certificate& certificate) {
  return LinkBetween(issuer, certificate) == Link::kIssuer;
}

// Says whether a certificate names itself as its issuer but its signature does not verify under its own key.
bool HasBadSelfSignature(const Certificate& certificate) {
  const int fault = X509_check_issued(certificate.handle(), certificate.handle());
  return (fault == X509_V_OK || fault == X509_V_ERR_KEYUSAGE_NO_CERTSIGN) && !certificate.IsSelfSigned();
}

bool Contains(std::span<const Certificate> certificates, const Certificate& wanted) {
  return std::any_of(certificates.begin(), certificates.end(),
                     [&](const Certificate& each) { return each.fingerprint() == wanted.fingerprint(); });
}

// Returns the certificates of the file that link to its leaf, directly or through each other.
std::vector<Certificate> LinkedTo(const CertificateFile& file) {
  std::vector<Certificate> linked{file.certificates.front()};
  for (std::size_t at = 0; at < linked.size(); ++at) {
    const Certificate below = linked[at];
    for (const Certificate& each : file.certificates) {
      if (!Contains(linked, each) && Links(each, below)) linked.push_back(each);
    }
  }
  return linked;
}

bool IsUntrusted(int fault) {
  return fault == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
         fault == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
         fault == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
         fault == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN || fault == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
}

bool IsDate(int fault) {
  return fault == X509_V_ERR_CERT_HAS_EXPIRED || fault == X509_V_ERR_CERT_NOT_YET_VALID;
}

// Returns the row that a fault of the verifier breaks; empty where another row covers it.
std::string_view RuleOfFault(const ChainFault& fault) {
  switch (fault.code) {
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
      return "bad-signature";
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
      return "name-constraints";
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return "chain-too-long";
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      return "path-length";
    case X509_V_ERR_INVALID_PURPOSE:
      return fault.depth == 0 ? "" : "chain-broken";
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
      return "unknown-critical-extension";
    default:
      return "chain-broken";
  }
}

// A certificate of the trust set that the chain ends in: its dates are nobody's but its own, and are judged
// mildly.
void JudgeAnchorDates(Inquiry& inquiry, const Certificate& anchor, const std::string& subject) {
  const auto ahead = anchor.not_before() - inquiry.question.now;
  const bool skew = ahead > ahead.zero() && ahead <= kClockSkew;
  inquiry.Add(skew ? "valid-tomorrow" : "anchor-expired", inquiry.leaf, subject,
              FormatTimestamp(anchor.not_before()) + " to " + FormatTimestamp(anchor.not_after()));
}

void JudgeFaults(Inquiry& inquiry, const ChainResult& result) {
  for (const ChainFault& fault : result.faults) {
    if (IsUntrusted(fault.code)) continue;
    const Certificate* const at = fault.depth < result.chain.size() ? &result.chain[fault.depth] : nullptr;
    const bool in_file = at != nullptr && Contains(inquiry.file.certificates, *at);
    const std::string subject = at != nullptr ? inquiry.Name(*at) : "the chain";
    if (IsDate(fault.code)) {
      // The dates of what is in the file have rows of their own; those of a root there only warn.
      const bool root = fault.depth > 0 && at != nullptr && at->IsSelfSigned();
      if (at != nullptr && (!in_file || root)) JudgeAnchorDates(inquiry, *at, subject);
      continue;
    }
    const std::string_view rule = RuleOfFault(fault);
    if (rule.empty() || (rule == "unknown-critical-extension" && in_file)) continue;
    // That a chain is too long is nobody's fault in it.
    const Role role = rule == "chain-too-long" ? inquiry.leaf : inquiry.RoleAt(fault.depth);
    inquiry.Add(rule, role, subject, fault.words);
  }
}

// Judges a chain that ends before it reaches the trust set: at `top`, which somebody else issued.
void JudgeEnd(Inquiry& inquiry, const std::vector<Certificate>& chain) {
  const Certificate& top = chain.empty() ? inquiry.first() : chain.back();
  const std::size_t depth = chain.empty() ? 0 : chain.size() - 1;
  if (inquiry.question.trust != nullptr) {
    inquiry.Add("untrusted-issuer", inquiry.leaf, inquiry.Name(inquiry.first()),
                openssl::Shortened("issued by " + top.issuer()));
  }
  for (const Certificate& each : inquiry.file.certificates) {
    if (LinkBetween(each, top) == Link::kOtherKey)
      inquiry.Add("issuer-key-mismatch", inquiry.RoleAt(depth), inquiry.Name(top), inquiry.Name(each));
  }
}

// A chain ends at the first certificate that is trusted, which need not be a root; and of several issuers
// that have one name it goes by one, not always the one that signed. Whoever revokes is asked all the same.
void JudgeRevocation(Inquiry& inquiry, const TrustSet& trust, const std::vector<Certificate>& chain) {
  constexpr std::size_t kAboveMax = 16;
  const auto judge = [&](const Certificate& each, Role role, const std::optional<RevocationList>& list) {
    if (!list) return;
    inquiry.Add("revoked", role, inquiry.Name(each), openssl::Shortened("by the CRL of " + list->issuer()));
  };
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (i + 1 == chain.size() && chain[i].IsSelfSigned()) return;
    auto list = i + 1 < chain.size() ? trust.RevokedBy(chain[i], chain[i + 1]) : std::nullopt;
    judge(chain[i], inquiry.RoleAt(i), list ? list : trust.RevokedBy(chain[i]));
  }
  std::vector<Certificate> above;
  if (!chain.empty()) above = trust.IssuersOf(chain.back());
  for (std::size_t i = 0; i < std::min(above.size(), kAboveMax); ++i) {
    const Certificate each = above[i];
    if (each.IsSelfSigned()) continue;
    judge(each, Role::kIntermediate, trust.RevokedBy(each));
    for (const Certificate& issuer : trust.IssuersOf(each)) {
      if (!Contains(above, issuer)) above.push_back(issuer);
    }
  }
}

void JudgeLifetimes(Inquiry& inquiry, const std::vector<Certificate>& chain) {
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    if (chain[i].not_after() > chain[i + 1].not_after()) {
      inquiry.Add("outlives-its-issuer", inquiry.RoleAt(i), inquiry.Name(chain[i]),
                  FormatTimestamp(chain[i + 1].not_after()));
    }
  }
}

// Returns the certificates that the leaf's chain consists of, and notes what is wrong with how they fit
// together.
std::vector<Certificate> JudgeChain(Inquiry& inquiry) {
  const Certificate& leaf = inquiry.first();
  const bool self_signed = leaf.IsSelfSigned();
  if (self_signed) inquiry.Add("self-signed", inquiry.leaf, inquiry.Name(leaf));
  // Who has no trust set still learns whether the certificates of the file fit together.
  const TrustSet trust = inquiry.question.trust != nullptr ? *inquiry.question.trust : TrustSet({}, {});
  const Purpose purpose = inquiry.leaf == Role::kServerLeaf ? Purpose::kServer : inquiry.question.purpose;
  const auto others = std::span(inquiry.file.certificates).subspan(1);
  const ChainResult result = trust.Verify(leaf, others, purpose, inquiry.question.now);
  JudgeFaults(inquiry, result);
  const bool untrusted = std::any_of(result.faults.begin(), result.faults.end(),
                                     [](const ChainFault& fault) { return IsUntrusted(fault.code); });
  if (untrusted && !self_signed) JudgeEnd(inquiry, result.chain);
  JudgeRevocation(inquiry, trust, result.chain);
  JudgeLifetimes(inquiry, result.chain);
  // The verifier takes a self-signature for granted.
  if (result.chain.size() <= 1 && HasBadSelfSignature(leaf))
    inquiry.Add("bad-signature", inquiry.leaf, inquiry.Name(leaf), "its own");
  // A chain that holds needs nothing else; one that does not is judged by all that would belong to it.
  if (result.reaches_anchor && result.faults.empty()) return result.chain;
  return LinkedTo(inquiry.file);
}

// Judges what comes behind the leaf. What the chain does not need can do no harm and is only pointed out.
void JudgeOthers(Inquiry& inquiry, const std::vector<Certificate>& chain) {
  for (std::size_t i = 1; i < inquiry.file.certificates.size(); ++i) {
    const Certificate& certificate = inquiry.file.certificates[i];
    const std::string subject = inquiry.NameAt(i);
    if (Contains(std::span(inquiry.file.certificates).first(i), certificate)) {
      inquiry.Add("duplicate-certificate", Role::kIntermediate, subject);
      continue;
    }
    const bool root = certificate.IsSelfSigned();
    const bool belongs = Contains(chain, certificate);
    const bool above = root && std::any_of(chain.begin(), chain.end(),
                                           [&](const Certificate& each) { return Links(certificate, each); });
    if (root && (belongs || above)) {
      inquiry.Add("root-in-chain", Role::kIntermediate, subject);
    } else if (!belongs) {
      inquiry.Add("unrelated-certificate", Role::kIntermediate, subject);
    }
    // Nobody relies on a root that comes along more than on one in the trust set: it is judged as such.
    if (belongs) JudgeAlone(inquiry, certificate, root ? Role::kAnchor : Role::kIntermediate, subject);
  }
}

Verdict JudgeAnchor(const CertificateFile& file, const Question& question) {
  Inquiry inquiry{file, question, Role::kAnchor, {}};
  const Certificate& anchor = inquiry.first();
  const std::string subject = inquiry.Name(anchor);
  if (file.certificates.size() != 1) inquiry.Add("anchor-not-alone", Role::kAnchor, "the file");
  JudgeAlone(inquiry, anchor, Role::kAnchor, subject);
  // A root's own signature proves nothing, but one that does not verify tells of damage.
  if (HasBadSelfSignature(anchor)) inquiry.Add("bad-signature", Role::kAnchor, subject, "its own");
  if (question.trust != nullptr) {
    for (const Certificate& other : question.trust->authorities()) {
      const bool same_name =
          X509_NAME_cmp(X509_get_subject_name(other.handle()), X509_get_subject_name(anchor.handle())) == 0;
      const bool same_key =
          EVP_PKEY_eq(X509_get0_pubkey(other.handle()), X509_get0_pubkey(anchor.handle())) == 1;
      if (same_name && !same_key) inquiry.Add("same-subject-other-key", Role::kAnchor, subject);
    }
  }
  return std::move(inquiry.verdict);
}

}  // namespace

Verdict JudgeCertificates(const CertificateFile& file, const Key* key, const Question& question) {
  const openssl::EmptyQueue empty;
  if (question.rules == RuleSet::kTrust) return JudgeAnchor(file, question);
  Inquiry inquiry{file, question, question.rules == RuleSet::kServer ? Role::kServerLeaf : Role::kLeaf, {}};
  if (file.rearranged) inquiry.Add("chain-rearranged", inquiry.leaf, "the file");
  if (key != nullptr && !key->Matches(inquiry.first())) {
    inquiry.Add("key-mismatch", inquiry.leaf, inquiry.Name(inquiry.first()), "the key is " + key->Describe());
  }
  JudgeAlone(inquiry, inquiry.first(), inquiry.leaf, inquiry.Name(inquiry.first()));
  JudgePurpose(inquiry);
  JudgeHost(inquiry);
  JudgeOthers(inquiry, JudgeChain(inquiry));
  return std::move(inquiry.verdict);
}

Verdict JudgeKey(const KeyFile& file, const CertificateFile* partner, const Question&) {
  const openssl::EmptyQueue empty;
  Verdict verdict;
  if (partner != nullptr && !file.key.Matches(partner->certificates.front())) {
    verdict.Add(RuleById("key-mismatch"), Role::kKey, "key",
                openssl::Shortened("the certificate is of " + partner->certificates.front().subject()));
  }
  bool usable = true;
  for (const auto& predicate : openssl::KeyPredicates()) {
    if (auto broken = predicate.broken(file.key.handle())) {
      verdict.Add(RuleById(predicate.rule), Role::kKey, "key", *std::move(broken));
      usable = false;
    }
  }
  if (usable && !openssl::IsConsistent(file.key.handle()))
    verdict.Add(RuleById("key-inconsistent"), Role::kKey, "key");
  return verdict;
}

}  // namespace certfs
