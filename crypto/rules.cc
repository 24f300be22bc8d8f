#include "crypto/rules.h"

#include <algorithm>
#include <cstdlib>

namespace certfs {

namespace {

constexpr Severity N = Severity::kNone;
constexpr Severity F = Severity::kFix;
constexpr Severity W = Severity::kWarn;
constexpr Severity R = Severity::kRefuse;

using enum Stage;
using enum ErrorCode;

// Sorted by stage. The columns of severities are those of Role: server leaf, leaf, intermediate, anchor, key,
// CRL of a trust store, CRL elsewhere, request.
// Two lines a row, so that it stays a table.
// clang-format off
constexpr auto kRules = std::to_array<Rule>({
    // --- Reading; found by pem.h and the objects' FromDer.
    {"too-large", kParse, kTooLarge, "",
     "the file is over 1 MiB", {R, R, N, R, R, R, R, R}},
    {"unreadable", kParse, kMalformed, "RFC 7468, 3",
     "neither PEM nor DER of such an object", {R, R, N, R, R, R, R, R}},
    {"empty-body", kParse, kMalformed, "RFC 7468, 3",
     "a PEM block has no body", {R, R, N, R, R, R, R, R}},
    {"pem-headers", kParse, kMalformed, "RFC 7468, 2",
     "a PEM block has headers", {R, R, N, R, R, R, R, R}},
    {"trailing-data", kParse, kMalformed, "RFC 7468, 2",
     "something follows the object", {R, R, N, R, R, R, R, R}},
    {"encrypted-key", kParse, kPasswordRequired, "RFC 5958, 3",
     "the key is encrypted", {N, N, N, N, R, N, N, N}},
    {"signature-algorithms-differ", kParse, kMalformed, "RFC 5280, 4.1.1.2",
     "the signature algorithm inside differs from the one outside", {R, R, R, R, N, R, R, N}},
    {"duplicate-extension", kParse, kMalformed, "RFC 5280, 4.2",
     "an extension stands twice", {R, R, R, R, N, R, R, N}},
    {"malformed-extension", kParse, kMalformed, "RFC 5280, 4.2",
     "an extension cannot be decoded or has a value that it may not have", {R, R, R, R, N, R, R, N}},
    {"extensions-without-v3", kParse, kMalformed, "RFC 5280, 4.1.2.9",
     "extensions in a certificate that is not version 3", {R, R, R, R, N, N, N, N}},
    {"request-config", kParse, kMalformed, "",
     "a line of the request file cannot be used", {N, N, N, N, N, N, N, R}},
    {"profile", kParse, kMalformed, "TOML 1.0",
     "a line of the profile cannot be used", {N, N, N, N, N, N, N, R}},
    {"request-duplicate-extension", kParse, kMalformed, "RFC 5280, 4.2",
     "the request asks for an extension twice", {N, N, N, N, N, N, N, R}},
    {"request-malformed-extension", kParse, kMalformed, "RFC 2985, 5.4.2",
     "an extension that the request asks for cannot be decoded", {N, N, N, N, N, N, N, R}},
    // --- Kind.
    {"wrong-kind", kKind, kMalformed, "",
     "another kind of object than the file's name says", {R, R, N, R, R, R, R, R}},
    {"too-many-certificates", kKind, kMalformed, "",
     "more than 32 certificates", {R, R, N, R, N, N, N, N}},
    {"anchor-not-alone", kKind, kMalformed, "",
     "an entry of TRUSTED_ROOTS holds one certificate", {N, N, N, R, N, N, N, N}},
    {"not-a-ca", kKind, kRejected, "RFC 5280, 4.2.1.9",
     "not a CA certificate", {N, N, R, R, N, N, N, N}},
    // --- Match.
    {"key-mismatch", kMatch, kRejected, "RFC 5280, 4.1.2.7",
     "certificate and key do not belong together", {R, R, N, N, R, N, N, N}},
    {"key-inconsistent", kMatch, kRejected, "SP 800-56A, 5.6.2.1.4",
     "the private half of the key does not fit its own public half", {N, N, N, N, R, N, N, N}},
    {"request-signature", kMatch, kRejected, "RFC 2986, 3",
     "the request is not signed by the key in it", {N, N, N, N, N, N, N, R}},
    // --- Chain.
    {"bad-signature", kChain, kRejected, "RFC 5280, 6.1.3 (a)(1)",
     "a signature in the chain does not verify", {R, R, R, W, N, N, N, N}},
    {"issuer-key-mismatch", kChain, kRejected, "RFC 5280, 4.2.1.1",
     "the file holds a CA of the issuer's name, but with another key", {R, R, R, N, N, N, N, N}},
    {"chain-too-long", kChain, kRejected, "RFC 5280, 6.1",
     "the chain has more than 8 certificates", {R, R, N, N, N, N, N, N}},
    {"chain-broken", kChain, kRejected, "RFC 5280, 6.1",
     "the chain breaks a rule of path validation", {R, R, R, N, N, N, N, N}},
    {"name-constraints", kChain, kRejected, "RFC 5280, 4.2.1.10",
     "a name constraint of the chain is violated", {R, R, R, N, N, N, N, N}},
    {"path-length", kChain, kRejected, "RFC 5280, 4.2.1.9",
     "the chain is longer than a CA in it allows", {N, N, R, N, N, N, N, N}},
    {"untrusted-issuer", kChain, kRejected, "RFC 5280, 6.1",
     "the chain reaches no entry of TRUSTED_ROOTS", {R, W, N, N, N, N, N, N}},
    {"self-signed", kChain, kRejected, "",
     "the certificate is self-signed", {W, W, N, N, N, N, N, N}},
    {"chain-rearranged", kChain, kRejected, "RFC 8446, 4.4.2",
     "the chain was put in order, leaf first", {F, F, N, N, N, N, N, N}},
    {"unrelated-certificate", kChain, kRejected, "RFC 8446, 4.4.2",
     "the file holds a certificate that is not part of the chain", {N, N, W, N, N, N, N, N}},
    {"duplicate-certificate", kChain, kRejected, "RFC 8446, 4.4.2",
     "the file holds a certificate twice", {N, N, W, N, N, N, N, N}},
    {"root-in-chain", kChain, kRejected, "RFC 8446, 4.4.2",
     "the file holds a root, which every peer has already", {N, N, W, N, N, N, N, N}},
    {"crl-untrusted-issuer", kChain, kRejected, "RFC 5280, 6.3.3",
     "the issuer of the CRL is not in TRUSTED_ROOTS", {N, N, N, N, N, R, W, N}},
    {"crl-bad-signature", kChain, kRejected, "RFC 5280, 6.3.3 (g)",
     "the signature of the CRL does not verify", {N, N, N, N, N, R, W, N}},
    {"crl-issuer-may-not-sign", kChain, kRejected, "RFC 5280, 4.2.1.3",
     "the issuer's keyUsage does not allow it to sign CRLs", {N, N, N, N, N, R, W, N}},
    {"crl-other-authority", kChain, kRejected, "RFC 5280, 5.2.1",
     "the live CRL is of another issuer or authority key", {N, N, N, N, N, R, N, N}},
    {"issuer-name-constraints", kChain, kRejected, "RFC 5280, 4.2.1.10",
     "a name lies outside the name constraints of the issuer or of a CA above it", {N, N, N, N, N, N, N, R}},
    {"issuer-path-length", kChain, kRejected, "RFC 5280, 4.2.1.9",
     "the issuer, or a CA above it, allows no further CA", {N, N, N, N, N, N, N, R}},
    {"issuer-extended-key-usage", kChain, kRejected, "RFC 5280, 4.2.1.12",
     "the issuer, or a CA above it, is not for that purpose", {N, N, N, N, N, N, N, R}},
    {"issuer-own-name", kChain, kRejected, "RFC 5280, 4.1.2.6",
     "the subject has the name of the issuer or of a CA above it", {N, N, N, N, N, N, N, R}},
    // --- Revocation.
    {"revoked", kRevocation, kRevoked, "RFC 5280, 6.3",
     "revoked by a CRL in TRUSTED_ROOTS_CRLS", {R, R, R, N, N, N, N, N}},
    // --- Dates.
    {"expired", kDates, kExpired, "RFC 5280, 4.1.2.5",
     "expired", {R, R, R, W, N, N, N, N}},
    {"not-yet-valid", kDates, kExpired, "RFC 5280, 4.1.2.5",
     "not yet valid", {R, R, R, W, N, N, N, N}},
    {"valid-tomorrow", kDates, kExpired, "RFC 5280, 4.1.2.5",
     "not valid for some hours yet", {W, W, W, W, N, N, N, N}},
    {"anchor-expired", kDates, kExpired, "RFC 5280, 6.1",
     "the chain ends in a certificate outside its validity", {R, W, N, N, N, N, N, N}},
    {"crl-from-the-future", kDates, kExpired, "RFC 5280, 5.1.2.4",
     "thisUpdate lies in the future", {N, N, N, N, N, R, W, N}},
    {"crl-stale", kDates, kExpired, "RFC 5280, 5.1.2.5",
     "nextUpdate has passed", {N, N, N, N, N, W, W, N}},
    {"issuer-expired", kDates, kExpired, "RFC 5280, 4.1.2.5",
     "the issuer is not valid when the certificate would begin", {N, N, N, N, N, N, N, R}},
    // --- The rest.
    {"unknown-critical-extension", kRest, kRejected, "RFC 5280, 4.2",
     "an unknown extension is critical", {R, R, R, R, N, N, N, N}},
    {"key-algorithm", kRest, kRejected, "SP 800-131A, 3",
     "a key of an algorithm that is not accepted", {R, R, R, R, R, N, N, R}},
    {"weak-key", kRest, kRejected, "SP 800-131A, 3",
     "the key is too weak", {R, R, R, R, R, N, N, R}},
    {"oversized-key", kRest, kRejected, "",
     "the key is larger than peers can use", {R, R, R, R, R, N, N, R}},
    {"rsa-exponent", kRest, kRejected, "SP 800-56B, 6.2",
     "the public exponent of the RSA key is even or 1", {R, R, R, R, R, N, N, R}},
    {"explicit-curve", kRest, kRejected, "RFC 5480, 2.1.1",
     "the curve is given by its parameters, not by its name", {R, R, R, R, R, N, N, R}},
    {"weak-digest", kRest, kRejected, "RFC 6151, 2",
     "signed with MD5 or an older digest", {R, R, R, R, N, R, W, R}},
    {"sha1-signature", kRest, kRejected, "RFC 9155, 2",
     "signed with SHA-1", {R, R, R, N, N, N, N, N}},
    {"anchor-sha1-self-signature", kRest, kRejected, "",
     "the signature of the anchor, which nobody relies on, uses SHA-1", {N, N, N, W, N, N, N, N}},
    {"not-version-3", kRest, kRejected, "RFC 5280, 4.1.2.1",
     "not a version 3 certificate", {R, R, R, W, N, N, N, N}},
    {"ca-may-not-sign", kRest, kRejected, "RFC 5280, 4.2.1.3",
     "a CA whose keyUsage lacks keyCertSign", {N, N, R, R, N, N, N, N}},
    {"ca-as-server", kRest, kRejected, "RFC 5280, 4.2.1.9",
     "a CA certificate as a machine's own", {R, W, N, N, N, N, N, N}},
    {"leaf-signs-certificates", kRest, kRejected, "RFC 5280, 4.2.1.3",
     "keyCertSign in a certificate that is no CA", {R, W, N, N, N, N, N, N}},
    {"wrong-key-usage", kRest, kRejected, "RFC 5280, 4.2.1.3",
     "keyUsage allows nothing that a TLS server does with its key", {R, N, N, N, N, N, N, N}},
    {"leaf-constrains-names", kRest, kRejected, "RFC 5280, 4.2.1.10",
     "nameConstraints in a certificate that is no CA", {R, R, N, N, N, N, N, N}},
    {"name-constraints-malformed", kRest, kRejected, "RFC 5280, 4.2.1.10",
     "nameConstraints that no name can be judged by", {N, N, R, W, N, N, N, N}},
    {"leaf-without-san", kRest, kRejected, "RFC 6125, 6.4.4",
     "names no host in subjectAltName", {R, W, N, N, N, N, N, N}},
    {"wrong-extended-key-usage", kRest, kRejected, "RFC 5280, 4.2.1.12",
     "extendedKeyUsage lacks what the certificate is for", {R, R, N, N, N, N, N, N}},
    {"no-extended-key-usage", kRest, kRejected, "RFC 5280, 4.2.1.12",
     "no extendedKeyUsage", {W, N, N, N, N, N, N, N}},
    {"empty-issuer", kRest, kRejected, "RFC 5280, 4.1.2.4",
     "the issuer's name is empty", {R, R, R, R, N, N, N, N}},
    {"empty-subject", kRest, kRejected, "RFC 5280, 4.1.2.6",
     "the subject is empty", {W, W, R, R, N, N, N, N}},
    {"serial-reused", kRest, kRejected, "RFC 5280, 4.1.2.2",
     "another certificate with this issuer and serial number is stored", {R, R, R, R, N, N, N, N}},
    {"crl-older", kRest, kRejected, "RFC 5280, 5.2.3",
     "older than the live CRL", {N, N, N, N, N, R, W, N}},
    {"crl-same-number", kRest, kRejected, "RFC 5280, 5.2.3",
     "as old as the live CRL, but other bytes", {N, N, N, N, N, R, W, N}},
    {"crl-number-critical", kRest, kRejected, "RFC 5280, 5.2.3",
     "the number of the CRL is a critical extension", {N, N, N, N, N, R, W, N}},
    {"crl-unknown-critical-extension", kRest, kRejected, "RFC 5280, 5.2",
     "an unknown extension of the CRL is critical", {N, N, N, N, N, R, W, N}},
    {"crl-partial", kRest, kRejected, "RFC 5280, 5.2.4, 5.2.5",
     "a delta, indirect or partial CRL", {N, N, N, N, N, R, W, N}},
    {"serial-not-positive", kRest, kRejected, "RFC 5280, 4.1.2.2",
     "the serial number is zero or negative", {W, W, W, W, N, N, N, N}},
    {"serial-too-long", kRest, kRejected, "RFC 5280, 4.1.2.2",
     "the serial number is over 20 octets", {W, W, W, W, N, N, N, N}},
    {"basic-constraints-not-critical", kRest, kRejected, "RFC 5280, 4.2.1.9",
     "basicConstraints of a CA is not critical", {N, N, W, W, N, N, N, N}},
    {"no-key-usage", kRest, kRejected, "RFC 5280, 4.2.1.3",
     "a CA without keyUsage", {N, N, W, W, N, N, N, N}},
    {"no-key-identifier", kRest, kRejected, "RFC 5280, 4.2.1.2",
     "no subjectKeyIdentifier", {N, N, W, W, N, N, N, N}},
    {"no-authority-key-identifier", kRest, kRejected, "RFC 5280, 4.2.1.1",
     "no authorityKeyIdentifier", {N, N, W, N, N, N, N, N}},
    {"same-subject-other-key", kRest, kRejected, "",
     "another trusted CA has the same name and another key", {N, N, N, W, N, N, N, N}},
    {"outlives-its-issuer", kRest, kRejected, "",
     "notAfter is after the issuer's", {W, W, W, N, N, N, N, N}},
    {"common-name-not-in-san", kRest, kRejected, "RFC 6125, 6.4.4",
     "the common name is none of the names in subjectAltName", {W, N, N, N, N, N, N, N}},
    {"host-not-covered", kRest, kRejected, "RFC 6125, 6",
     "does not cover the host name asked about", {W, W, N, N, N, N, N, N}},
    {"crl-without-number", kRest, kRejected, "RFC 5280, 5.2.3",
     "the CRL has no number", {N, N, N, N, N, W, W, N}},
    {"crl-odd-entry", kRest, kRejected, "RFC 5280, 5.3",
     "an entry of the CRL has an impossible date or reason", {N, N, N, N, N, W, W, N}},
    {"crl-empty-entries", kRest, kRejected, "RFC 5280, 5.1.2.6",
     "revokedCertificates is there, but empty", {N, N, N, N, N, W, W, N}},
    {"crl-without-next-update", kRest, kRejected, "RFC 5280, 5.1.2.5",
     "the CRL has no nextUpdate", {N, N, N, N, N, W, W, N}},
    // --- What is asked for, found by certification_request.h and profile.h.
    {"request-asks-for-ca", kRest, kRejected, "RFC 5280, 4.2.1.9",
     "the request asks for a CA certificate", {N, N, N, N, N, N, N, R}},
    {"request-key-usage", kRest, kRejected, "RFC 5280, 4.2.1.3",
     "the request asks to sign certificates or CRLs", {N, N, N, N, N, N, N, R}},
    {"request-subject", kRest, kRejected, "RFC 5280, A.1",
     "the subject has a value that no certificate may have", {N, N, N, N, N, N, N, R}},
    {"request-names", kRest, kRejected, "RFC 5280, 4.2.1.6",
     "an alternative name is of a kind or form that is not issued", {N, N, N, N, N, N, N, R}},
    {"request-too-many-names", kRest, kRejected, "",
     "more than 100 alternative names", {N, N, N, N, N, N, N, R}},
    {"profile-key", kRest, kRejected, "",
     "the profile does not take that kind of key", {N, N, N, N, N, N, N, R}},
    {"profile-wildcard", kRest, kRejected, "RFC 6125, 7.2",
     "the profile does not certify that wildcard", {N, N, N, N, N, N, N, R}},
    {"profile-name", kRest, kRejected, "",
     "the profile does not certify that name", {N, N, N, N, N, N, N, R}},
    {"profile-no-host", kRest, kRejected, "RFC 6125, 6.4.4",
     "the profile asks for a host or an address", {N, N, N, N, N, N, N, R}},
    {"profile-no-subject", kRest, kRejected, "RFC 5280, 4.1.2.6",
     "neither a subject nor an alternative name", {N, N, N, N, N, N, N, R}},
});
// clang-format on

constexpr bool IsSorted() {
  for (std::size_t i = 1; i < kRules.size(); ++i) {
    if (kRules[i].stage < kRules[i - 1].stage) return false;
  }
  return true;
}
static_assert(IsSorted());

// Rows live in one array, so that their order is the order of their addresses.
void Insert(std::vector<Finding>& findings, Finding finding) {
  const auto place =
      std::upper_bound(findings.begin(), findings.end(), finding.rule,
                       [](const Rule* mine, const Finding& other) { return mine < other.rule; });
  findings.insert(place, std::move(finding));
}

}  // namespace

std::span<const Rule> Rules() { return kRules; }

const Rule& RuleById(std::string_view id) {
  const auto* const found =
      std::find_if(kRules.begin(), kRules.end(), [&](const Rule& rule) { return rule.id == id; });
  if (found == kRules.end()) std::abort();
  return *found;
}

std::string Finding::Describe() const {
  std::string words = std::string(rule->id) + ": " + std::string(rule->summary) + ": " + subject;
  if (!detail.empty()) words += ": " + detail;
  return words;
}

void Verdict::Add(const Rule& rule, Role role, std::string subject, std::string detail) {
  const Severity severity = rule.For(role);
  if (severity == Severity::kNone) return;
  Insert(findings_, Finding{&rule, severity, std::move(subject), std::move(detail)});
}

void Verdict::AddReadFailure(const Error& error, std::string subject) {
  const Rule& rule = RuleById(error.rule().empty() ? "unreadable" : error.rule());
  Insert(findings_, Finding{&rule, Severity::kRefuse, std::move(subject), error.message()});
}

std::optional<Error> Verdict::refusal() const {
  const Finding* first = nullptr;
  std::string words;
  for (const Finding& finding : findings_) {
    if (finding.severity != Severity::kRefuse) continue;
    if (first == nullptr) first = &finding;
    words += (words.empty() ? "" : "; ") + finding.Describe();
  }
  if (first == nullptr) return std::nullopt;
  return Error(first->rule->code, first->rule->id, std::move(words));
}

}  // namespace certfs
