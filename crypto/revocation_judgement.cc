#include <algorithm>

#include "crypto/base/time.h"
#include "crypto/judgement.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/list_rules.h"
#include "crypto/openssl/words.h"

namespace certfs {

namespace {

// Clocks differ: a list may have been issued a little later than our own present.
constexpr auto kClockSkew = std::chrono::hours(24);

// Says whether `issuer` may sign CRLs: keyUsage, where it is there, says so (RFC 5280, 4.2.1.3).
bool MaySign(const Certificate& issuer) {
  return (X509_get_extension_flags(issuer.handle()) & EXFLAG_KUSAGE) == 0 ||
         (X509_get_key_usage(issuer.handle()) & KU_CRL_SIGN) != 0;
}

// Returns the row that the list's signature breaks under `trust`; empty where it holds.
std::string_view RuleOfSignature(const RevocationList& list, const TrustSet& trust) {
  const auto& authorities = trust.authorities();
  const bool named = std::any_of(authorities.begin(), authorities.end(), [&](const Certificate& authority) {
    return X509_NAME_cmp(X509_get_subject_name(authority.handle()), X509_CRL_get_issuer(list.handle())) == 0;
  });
  if (!named) return "crl-untrusted-issuer";
  const auto signer = trust.SignerOf(list);
  if (!signer) return "crl-bad-signature";
  return MaySign(*signer) ? "" : "crl-issuer-may-not-sign";
}

// Returns the row for which `list` may not replace `live`; empty where it may.
std::string_view RuleOfSuccession(const RevocationList& list, const RevocationList& live,
                                  const TrustSet* trust) {
  if (live.fingerprint() == list.fingerprint()) return "";
  if (trust != nullptr ? !trust->OfOneAuthority(list, live) : !list.SameAuthority(live))
    return "crl-other-authority";
  const auto age = list.CompareAge(live);
  if (age < 0) return "crl-older";
  return age == 0 ? "crl-same-number" : "";
}

}  // namespace

Verdict JudgeRevocationList(const RevocationListFile& file, const RevocationList* live,
                            const Question& question) {
  const openssl::EmptyQueue empty;
  const RevocationList& list = file.list;
  const Role role = question.rules == RuleSet::kTrust ? Role::kRevocationList : Role::kLooseList;
  const std::string subject = openssl::Shortened("CRL of " + list.issuer());
  Verdict verdict;
  const auto add = [&](std::string_view rule, std::string detail = {}) {
    if (!rule.empty()) verdict.Add(RuleById(rule), role, subject, std::move(detail));
  };
  for (const auto& predicate : openssl::ListPredicates()) {
    if (auto broken = predicate.broken(list)) add(predicate.rule, *std::move(broken));
  }
  if (question.trust != nullptr) add(RuleOfSignature(list, *question.trust));
  if (list.this_update() > question.now + kClockSkew)
    add("crl-from-the-future", FormatTimestamp(list.this_update()));
  if (list.next_update() && *list.next_update() < question.now)
    add("crl-stale", FormatTimestamp(*list.next_update()));
  if (live != nullptr)
    add(RuleOfSuccession(list, *live, question.trust),
        openssl::Shortened("the live CRL is of " + live->issuer()));
  return verdict;
}

}  // namespace certfs
