#include "crypto/openssl/list_rules.h"

#include <array>

#include "crypto/openssl/extensions.h"
#include "crypto/openssl/signatures.h"
#include "crypto/openssl/words.h"

namespace certfs::openssl {

namespace {

using Broken = std::optional<std::string>;
using DistributionPoint = Handle<ISSUING_DIST_POINT, ISSUING_DIST_POINT_free>;

Broken If(bool broken, std::string detail = {}) {
  if (!broken) return std::nullopt;
  return detail;
}

// Returns the first entry of the list that `broken` has something to say about, and what.
template <typename Question>
Broken AnyEntry(const RevocationList& list, Question broken) {
  STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(list.handle());
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* const entry = sk_X509_REVOKED_value(entries, i);
    if (auto words = broken(entry)) {
      return Shortened(NumberText(X509_REVOKED_get0_serialNumber(entry))) + ": " + *std::move(words);
    }
  }
  return std::nullopt;
}

// Reads CertificateList.tbsCertList.signature (RFC 5280, 5.1.2.2), for which OpenSSL 3.0 has no accessor. The
// list was parsed before, so that nothing here is out of place.
AlgorithmHandle InnerAlgorithm(BytesView der) {
  const unsigned char* at = der.data();
  const unsigned char* const end = at + der.size();
  long size = 0;
  int tag = 0;
  int kind = 0;
  ASN1_get_object(&at, &size, &tag, &kind, end - at);
  ASN1_get_object(&at, &size, &tag, &kind, end - at);
  // A version 1 list has no version number.
  if (at != end && *at == V_ASN1_INTEGER) {
    ASN1_get_object(&at, &size, &tag, &kind, end - at);
    at += size;
  }
  return AlgorithmHandle(d2i_X509_ALGOR(nullptr, &at, end - at));
}

Broken AlgorithmsDiffer(const RevocationList& list) {
  const X509_ALGOR* outer = nullptr;
  X509_CRL_get0_signature(list.handle(), nullptr, &outer);
  const AlgorithmHandle inner = InnerAlgorithm(list.der());
  return If(!inner || X509_ALGOR_cmp(outer, inner.get()) != 0);
}

Broken Duplicate(const RevocationList& list) {
  if (auto name = RepeatedExtension(X509_CRL_get0_extensions(list.handle()))) return name;
  return AnyEntry(
      list, [](const X509_REVOKED* entry) { return RepeatedExtension(X509_REVOKED_get0_extensions(entry)); });
}

Broken Malformed(const RevocationList& list) {
  return UndecodableExtension(X509_CRL_get0_extensions(list.handle()));
}

Broken WeakDigest(const RevocationList& list) {
  int digest = NID_undef;
  int algorithm = NID_undef;
  OBJ_find_sigid_algs(X509_CRL_get_signature_nid(list.handle()), &digest, &algorithm);
  return If(IsBrokenDigest(digest), OBJ_nid2sn(digest));
}

Broken NumberCritical(const RevocationList& list) {
  const int at = X509_CRL_get_ext_by_NID(list.handle(), NID_crl_number, -1);
  return If(at >= 0 && X509_EXTENSION_get_critical(X509_CRL_get_ext(list.handle(), at)) == 1);
}

Broken UnknownCritical(const RevocationList& list) {
  constexpr std::array<int, 4> kKnown{NID_crl_number, NID_authority_key_identifier,
                                      NID_issuing_distribution_point, NID_delta_crl};
  for (int i = 0; i < X509_CRL_get_ext_count(list.handle()); ++i) {
    X509_EXTENSION* const extension = X509_CRL_get_ext(list.handle(), i);
    if (X509_EXTENSION_get_critical(extension) != 1) continue;
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    bool known = false;
    for (const int each : kKnown) known = known || nid == each;
    if (!known) return ExtensionName(extension);
  }
  return AnyEntry(list, [](const X509_REVOKED* entry) -> Broken {
    for (int i = 0; i < X509_REVOKED_get_ext_count(entry); ++i) {
      X509_EXTENSION* const extension = X509_REVOKED_get_ext(entry, i);
      const bool known = OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_crl_reason;
      if (X509_EXTENSION_get_critical(extension) == 1 && !known) return ExtensionName(extension);
    }
    return std::nullopt;
  });
}

Broken Partial(const RevocationList& list) {
  if (X509_CRL_get_ext_by_NID(list.handle(), NID_delta_crl, -1) >= 0) return "a delta CRL";
  if (X509_CRL_get_ext_by_NID(list.handle(), NID_issuing_distribution_point, -1) < 0) return std::nullopt;
  const DistributionPoint point(static_cast<ISSUING_DIST_POINT*>(
      X509_CRL_get_ext_d2i(list.handle(), NID_issuing_distribution_point, nullptr, nullptr)));
  if (!point) return "an issuing distribution point";
  if (point->indirectCRL != 0) return "an indirect CRL";
  if (point->onlyuser != 0) return "user certificates alone";
  if (point->onlyCA != 0) return "CA certificates alone";
  if (point->onlyattr != 0) return "attribute certificates alone";
  if (point->onlysomereasons != nullptr) return "some reasons alone";
  // The same authority may have others, for its other distribution points.
  return "one distribution point";
}

Broken WithoutNumber(const RevocationList& list) {
  return If(X509_CRL_get_ext_by_NID(list.handle(), NID_crl_number, -1) < 0);
}

// Looks for what no CA would say of a revocation (RFC 5280, 5.3): it is still one.
Broken OddEntry(const RevocationList& list) {
  constexpr long kReasonMax = 10;
  constexpr long kReasonUnused = 7;
  const auto this_update = list.this_update();
  return AnyEntry(list, [&](const X509_REVOKED* entry) -> Broken {
    const ASN1_TIME* const date = X509_REVOKED_get0_revocationDate(entry);
    if (!IsTime(date) || TimeValue(date) > this_update) return "revoked after thisUpdate";
    int critical = 0;
    const EnumeratedHandle reason(
        static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, &critical, nullptr)));
    const long code = reason ? ASN1_ENUMERATED_get(reason.get()) : 0;
    if ((!reason && critical != -1) || code < 0 || code > kReasonMax || code == kReasonUnused)
      return "a reason that does not exist";
    return std::nullopt;
  });
}

Broken EmptyEntries(const RevocationList& list) {
  const STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(list.handle());
  return If(entries != nullptr && sk_X509_REVOKED_num(entries) == 0);
}

Broken WithoutNextUpdate(const RevocationList& list) { return If(!list.next_update()); }

constexpr std::array<ListPredicate, 11> kListPredicates{{
    {"signature-algorithms-differ", AlgorithmsDiffer},
    {"duplicate-extension", Duplicate},
    {"malformed-extension", Malformed},
    {"weak-digest", WeakDigest},
    {"crl-number-critical", NumberCritical},
    {"crl-unknown-critical-extension", UnknownCritical},
    {"crl-partial", Partial},
    {"crl-without-number", WithoutNumber},
    {"crl-odd-entry", OddEntry},
    {"crl-empty-entries", EmptyEntries},
    {"crl-without-next-update", WithoutNextUpdate},
}};

}  // namespace

std::span<const ListPredicate> ListPredicates() { return kListPredicates; }

}  // namespace certfs::openssl
