#include "crypto/judgement.h"

#include <algorithm>

#include "crypto/openssl/certificate_rules.h"
#include "crypto/openssl/error_queue.h"

namespace certfs {

namespace {

constexpr auto kClockSkew = std::chrono::hours(24);

std::string CertificateSubject(std::size_t index, const Certificate& certificate) {
  return "certificate " + std::to_string(index + 1) + " (" + certificate.subject() + ")";
}

std::string ListSubject(const RevocationList& list) { return "CRL of " + list.issuer(); }

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
};

// --- Each certificate alone

void JudgeDates(Inquiry& inquiry, const Certificate& certificate, Role role, const std::string& subject) {
  const auto now = inquiry.question.now;
  if (certificate.not_after() < now) {
    inquiry.Add("expired", role, subject, openssl::TimeText(certificate.not_after()));
  }
  if (certificate.not_before() > now) {
    const bool skew = certificate.not_before() - now <= kClockSkew;
    inquiry.Add(skew ? "valid-tomorrow" : "not-yet-valid", role, subject,
                "from " + openssl::TimeText(certificate.not_before()));
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
    inquiry.Add("wrong-extended-key-usage",
                inquiry.question.purpose == Purpose::kAny ? inquiry.leaf : Role::kServerLeaf,
                CertificateSubject(0, leaf), server ? "serverAuth" : "clientAuth");
  }
}

void JudgeHost(Inquiry& inquiry) {
  if (!inquiry.question.host) return;
  const openssl::EmptyQueue empty;
  X509* const leaf = inquiry.first().handle();
  const std::string& host = *inquiry.question.host;
  const bool covered = X509_check_host(leaf, host.c_str(), host.size(), 0, nullptr) == 1 ||
                       X509_check_ip_asc(leaf, host.c_str(), 0) == 1;
  if (!covered) inquiry.Add("host-not-covered", inquiry.leaf, CertificateSubject(0, inquiry.first()), host);
}

// --- The chain

// Says whether the names and key identifiers make `issuer` the issuer of `certificate`. One that may not sign
// still counts: that it may not is a row of its own.
bool Links(const Certificate& issuer, const Certificate& certificate) {
  const int fault = X509_check_issued(issuer.handle(), certificate.handle());
  return fault == X509_V_OK || fault == X509_V_ERR_KEYUSAGE_NO_CERTSIGN;
}

bool Contains(const std::vector<Certificate>& certificates, const Certificate& wanted) {
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
              openssl::TimeText(anchor.not_before()) + " to " + openssl::TimeText(anchor.not_after()));
}

void JudgeFaults(Inquiry& inquiry, const ChainResult& result, bool self_signed) {
  bool untrusted = false;
  for (const ChainFault& fault : result.faults) {
    if (IsUntrusted(fault.code)) {
      untrusted = true;
      continue;
    }
    const Certificate* const at = fault.depth < result.chain.size() ? &result.chain[fault.depth] : nullptr;
    const bool in_file = at != nullptr && Contains(inquiry.file.certificates, *at);
    const std::string subject = at != nullptr ? CertificateSubject(fault.depth, *at) : "the chain";
    if (IsDate(fault.code)) {
      // The dates of what is in the file have rows of their own; those of a root there only warn.
      const bool root = fault.depth > 0 && at != nullptr && at->IsSelfSigned();
      if (at != nullptr && (!in_file || root)) JudgeAnchorDates(inquiry, *at, subject);
      continue;
    }
    const std::string_view rule = RuleOfFault(fault);
    if (rule.empty() || (rule == "unknown-critical-extension" && in_file)) continue;
    inquiry.Add(rule, inquiry.leaf, subject, fault.words);
  }
  if (untrusted && !self_signed) {
    inquiry.Add("untrusted-issuer", inquiry.leaf, CertificateSubject(0, inquiry.first()),
                "issued by " + (result.chain.empty() ? inquiry.first() : result.chain.back()).issuer());
  }
}

void JudgeRevocation(Inquiry& inquiry, const ChainResult& result) {
  for (std::size_t i = 0; i + 1 < result.chain.size(); ++i) {
    if (const auto list = inquiry.question.trust->RevokedBy(result.chain[i], result.chain[i + 1])) {
      inquiry.Add("revoked", inquiry.leaf, CertificateSubject(i, result.chain[i]),
                  "by the CRL of " + list->issuer());
    }
  }
}

void JudgeLifetimes(Inquiry& inquiry, const std::vector<Certificate>& chain) {
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    if (chain[i].not_after() > chain[i + 1].not_after()) {
      inquiry.Add("outlives-its-issuer", inquiry.leaf, CertificateSubject(i, chain[i]),
                  openssl::TimeText(chain[i + 1].not_after()));
    }
  }
}

// Returns the certificates that the leaf's chain consists of, and notes what is wrong with how they fit
// together.
std::vector<Certificate> JudgeChain(Inquiry& inquiry) {
  const Certificate& leaf = inquiry.first();
  const std::string subject = CertificateSubject(0, leaf);
  const bool self_signed = leaf.IsSelfSigned();
  if (self_signed) inquiry.Add("self-signed", inquiry.leaf, subject);
  std::vector<Certificate> chain = LinkedTo(inquiry.file);
  bool alone = chain.size() == 1;
  if (inquiry.question.trust != nullptr) {
    const Purpose purpose = inquiry.leaf == Role::kServerLeaf ? Purpose::kServer : inquiry.question.purpose;
    const auto others = std::span(inquiry.file.certificates).subspan(1);
    const ChainResult result = inquiry.question.trust->Verify(leaf, others, purpose, inquiry.question.now);
    JudgeFaults(inquiry, result, self_signed);
    JudgeRevocation(inquiry, result);
    JudgeLifetimes(inquiry, result.chain);
    alone = result.chain.size() <= 1;
    // A chain that holds needs nothing else; one that does not is judged by all that would belong to it.
    if (result.reaches_anchor && result.faults.empty()) chain = result.chain;
  }
  // The verifier takes a self-signature for granted.
  if (alone && !self_signed && Links(leaf, leaf))
    inquiry.Add("bad-signature", inquiry.leaf, subject, "its own");
  return chain;
}

// Judges what comes behind the leaf. What the chain does not need can do no harm and is only pointed out.
void JudgeOthers(Inquiry& inquiry, const std::vector<Certificate>& chain) {
  for (std::size_t i = 1; i < inquiry.file.certificates.size(); ++i) {
    const Certificate& certificate = inquiry.file.certificates[i];
    const std::string subject = CertificateSubject(i, certificate);
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
  const std::string subject = CertificateSubject(0, anchor);
  if (file.certificates.size() != 1) inquiry.Add("anchor-not-alone", Role::kAnchor, "the file");
  JudgeAlone(inquiry, anchor, Role::kAnchor, subject);
  // A root's own signature proves nothing, but one that does not verify tells of damage.
  if (!anchor.IsSelfSigned() && Links(anchor, anchor))
    inquiry.Add("bad-signature", Role::kAnchor, subject, "its own");
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

Verdict JudgeCertificates(const CertificateFile& file, const PrivateKey* key, const Question& question) {
  const openssl::EmptyQueue empty;
  if (question.rules == RuleSet::kTrust) return JudgeAnchor(file, question);
  Inquiry inquiry{file, question, question.rules == RuleSet::kServer ? Role::kServerLeaf : Role::kLeaf, {}};
  if (file.rearranged) inquiry.Add("chain-rearranged", inquiry.leaf, "the file");
  if (key != nullptr && !key->Matches(inquiry.first())) {
    inquiry.Add("key-mismatch", inquiry.leaf, CertificateSubject(0, inquiry.first()),
                "the key is " + key->Describe());
  }
  JudgeAlone(inquiry, inquiry.first(), inquiry.leaf, CertificateSubject(0, inquiry.first()));
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
                "the certificate is of " + partner->certificates.front().subject());
  }
  if (!openssl::IsConsistent(file.key.handle())) verdict.Add(RuleById("key-inconsistent"), Role::kKey, "key");
  if (auto weakness = openssl::WeaknessOf(file.key.handle())) {
    verdict.Add(RuleById("weak-key"), Role::kKey, "key", *std::move(weakness));
  }
  return verdict;
}

Verdict JudgeRevocationList(const RevocationListFile& file, const RevocationList* live,
                            const Question& question) {
  const openssl::EmptyQueue empty;
  const RevocationList& list = file.list;
  const Role role = question.rules == RuleSet::kTrust ? Role::kRevocationList : Role::kLooseList;
  const std::string subject = ListSubject(list);
  Verdict verdict;
  const auto add = [&](std::string_view rule, std::string detail = {}) {
    verdict.Add(RuleById(rule), role, subject, std::move(detail));
  };
  for (const auto& predicate : openssl::ListPredicates()) {
    if (auto broken = predicate.broken(list)) add(predicate.rule, *std::move(broken));
  }
  if (question.trust != nullptr) {
    bool named = false;
    for (const Certificate& authority : question.trust->authorities()) {
      named = named || X509_NAME_cmp(X509_get_subject_name(authority.handle()),
                                     X509_CRL_get_issuer(list.handle())) == 0;
    }
    const auto signer = question.trust->SignerOf(list);
    if (!named) {
      add("crl-untrusted-issuer");
    } else if (!signer) {
      add("crl-bad-signature");
    } else if ((X509_get_extension_flags(signer->handle()) & EXFLAG_KUSAGE) != 0 &&
               (X509_get_key_usage(signer->handle()) & KU_CRL_SIGN) == 0) {
      add("crl-issuer-may-not-sign");
    }
  }
  if (list.this_update() > question.now + kClockSkew)
    add("crl-from-the-future", openssl::TimeText(list.this_update()));
  if (list.next_update() && *list.next_update() < question.now)
    add("crl-stale", openssl::TimeText(*list.next_update()));
  if (live != nullptr && live->fingerprint() != list.fingerprint()) {
    if (!list.SameAuthority(*live)) {
      add("crl-other-authority", live->issuer());
    } else if (list.CompareAge(*live) < 0) {
      add("crl-older");
    } else if (list.CompareAge(*live) == 0) {
      add("crl-same-number");
    }
  }
  return verdict;
}

}  // namespace certfs
