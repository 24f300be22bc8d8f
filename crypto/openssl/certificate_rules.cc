#include "crypto/openssl/certificate_rules.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <array>
#include <set>

#include "crypto/openssl/error_queue.h"

namespace certfs::openssl {

namespace {

using Broken = std::optional<std::string>;
using NumberPointer = const ASN1_INTEGER*;

constexpr int kRsaBitsMin = 2048;
constexpr int kEcBitsMin = 256;
constexpr int kSerialOctetsMax = 20;

Broken If(bool broken, std::string detail = {}) {
  if (!broken) return std::nullopt;
  return detail;
}

std::uint32_t Flags(const Certificate& certificate) { return X509_get_extension_flags(certificate.handle()); }

int SignatureDigest(const Certificate& certificate) {
  int digest = NID_undef;
  X509_get_signature_info(certificate.handle(), &digest, nullptr, nullptr, nullptr);
  return digest;
}

// Frees what X509_get_ext_d2i made of an extension that OpenSSL has a template for.
void FreeExtension(int nid, void* value) {
  if (value != nullptr)
    ASN1_item_free(static_cast<ASN1_VALUE*>(value), ASN1_ITEM_ptr(X509V3_EXT_get_nid(nid)->it));
}

std::string ExtensionName(const X509_EXTENSION* extension) {
  char text[80];
  OBJ_obj2txt(text, sizeof text, X509_EXTENSION_get_object(const_cast<X509_EXTENSION*>(extension)), 0);
  return text;
}

// Finds what stands twice (RFC 5280, 4.2: at most one instance of each extension, known or not).
Broken RepeatedExtension(const STACK_OF(X509_EXTENSION) * extensions) {
  std::set<std::string_view> seen;
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    X509_EXTENSION* const extension = sk_X509_EXTENSION_value(extensions, i);
    const ASN1_OBJECT* const id = X509_EXTENSION_get_object(extension);
    const std::string_view octets = AsText({OBJ_get0_data(id), OBJ_length(id)});
    if (!seen.insert(octets).second) return ExtensionName(extension);
  }
  return std::nullopt;
}

// --- Certificates

Broken SignatureAlgorithmsDiffer(const Certificate& certificate) {
  const X509_ALGOR* outer = nullptr;
  X509_get0_signature(nullptr, &outer, certificate.handle());
  return If(X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(certificate.handle())) != 0);
}

Broken MalformedExtension(const Certificate& certificate) {
  constexpr std::array<int, 9> kKnown{NID_basic_constraints,      NID_key_usage,
                                      NID_ext_key_usage,          NID_subject_alt_name,
                                      NID_subject_key_identifier, NID_authority_key_identifier,
                                      NID_name_constraints,       NID_crl_distribution_points,
                                      NID_certificate_policies};
  for (const int known : kKnown) {
    int critical = 0;
    void* const value = X509_get_ext_d2i(certificate.handle(), known, &critical, nullptr);
    FreeExtension(known, value);
    // -1 is "absent", -2 "more than one"; 0 and 1 without a value is "cannot be decoded".
    if (value == nullptr && critical != -1) return OBJ_nid2ln(known);
  }
  return RepeatedExtension(X509_get0_extensions(certificate.handle()));
}

Broken ExtensionsWithoutV3(const Certificate& certificate) {
  return If(X509_get_version(certificate.handle()) != X509_VERSION_3 &&
            X509_get_ext_count(certificate.handle()) > 0);
}

Broken NotVersion3(const Certificate& certificate) {
  return If(X509_get_version(certificate.handle()) != X509_VERSION_3);
}

Broken NotACa(const Certificate& certificate) {
  // A version 1 root has no basicConstraints; OpenSSL's answer 3 stands for a self-signed one.
  return If(!certificate.IsAuthority() && X509_check_ca(certificate.handle()) != 3);
}

Broken UnknownCriticalExtension(const Certificate& certificate) {
  for (int i = 0; i < X509_get_ext_count(certificate.handle()); ++i) {
    X509_EXTENSION* const extension = X509_get_ext(certificate.handle(), i);
    if (X509_EXTENSION_get_critical(extension) == 1 && X509_supported_extension(extension) == 0) {
      return ExtensionName(extension);
    }
  }
  return std::nullopt;
}

Broken WeakKey(const Certificate& certificate) {
  const EVP_PKEY* const key = X509_get0_pubkey(certificate.handle());
  if (key == nullptr) return "a key of an unknown kind";
  return WeaknessOf(key);
}

Broken WeakDigest(const Certificate& certificate) {
  const int digest = SignatureDigest(certificate);
  return If(digest == NID_md5 || digest == NID_md4 || digest == NID_md2 || digest == NID_mdc2,
            OBJ_nid2sn(digest));
}

Broken Sha1Signature(const Certificate& certificate) { return If(SignatureDigest(certificate) == NID_sha1); }

Broken MayNotSign(const Certificate& certificate) {
  return If((Flags(certificate) & EXFLAG_KUSAGE) != 0 &&
            (X509_get_key_usage(certificate.handle()) & KU_KEY_CERT_SIGN) == 0);
}

Broken CaAsServer(const Certificate& certificate) { return If(certificate.IsAuthority()); }

Broken LeafSigns(const Certificate& certificate) {
  return If(!certificate.IsAuthority() && (Flags(certificate) & EXFLAG_KUSAGE) != 0 &&
            (X509_get_key_usage(certificate.handle()) & KU_KEY_CERT_SIGN) != 0);
}

Broken WithoutSan(const Certificate& certificate) {
  const NamesHandle names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.handle(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const int type = sk_GENERAL_NAME_value(names.get(), i)->type;
    if (type == GEN_DNS || type == GEN_IPADD) return std::nullopt;
  }
  return "";
}

Broken NoExtendedKeyUsage(const Certificate& certificate) {
  return If((Flags(certificate) & EXFLAG_XKUSAGE) == 0);
}

Broken EmptyIssuer(const Certificate& certificate) {
  return If(X509_NAME_entry_count(X509_get_issuer_name(certificate.handle())) == 0);
}
Broken EmptySubject(const Certificate& certificate) {
  X509* const x509 = certificate.handle();
  if (X509_NAME_entry_count(X509_get_subject_name(x509)) != 0) return std::nullopt;
  // A critical subjectAltName names a leaf in the subject's stead (RFC 5280, 4.1.2.6); a CA needs its name.
  const int san = X509_get_ext_by_NID(x509, NID_subject_alt_name, -1);
  const bool named = san >= 0 && X509_EXTENSION_get_critical(X509_get_ext(x509, san)) == 1;
  return If(certificate.IsAuthority() || !named);
}

Broken SerialNotPositive(const Certificate& certificate) {
  const BignumHandle value(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.handle()), nullptr));
  return If(!value || BN_is_zero(value.get()) || BN_is_negative(value.get()), certificate.serial());
}

Broken SerialTooLong(const Certificate& certificate) {
  const NumberPointer serial = X509_get0_serialNumber(certificate.handle());
  return If(ASN1_STRING_length(serial) > kSerialOctetsMax);
}

Broken BasicConstraintsNotCritical(const Certificate& certificate) {
  const int at = X509_get_ext_by_NID(certificate.handle(), NID_basic_constraints, -1);
  return If(certificate.IsAuthority() && at >= 0 &&
            X509_EXTENSION_get_critical(X509_get_ext(certificate.handle(), at)) == 0);
}

Broken NoKeyUsage(const Certificate& certificate) {
  return If(certificate.IsAuthority() && (Flags(certificate) & EXFLAG_KUSAGE) == 0);
}

Broken NoKeyIdentifier(const Certificate& certificate) {
  return If(X509_get0_subject_key_id(certificate.handle()) == nullptr);
}

constexpr std::array<CertificatePredicate, 22> kCertificatePredicates{{
    {"signature-algorithms-differ", SignatureAlgorithmsDiffer},
    {"malformed-extension", MalformedExtension},
    {"extensions-without-v3", ExtensionsWithoutV3},
    {"not-a-ca", NotACa},
    {"unknown-critical-extension", UnknownCriticalExtension},
    {"weak-key", WeakKey},
    {"weak-digest", WeakDigest},
    {"sha1-signature", Sha1Signature},
    {"anchor-sha1-self-signature", Sha1Signature},
    {"not-version-3", NotVersion3},
    {"ca-may-not-sign", MayNotSign},
    {"ca-as-server", CaAsServer},
    {"leaf-signs-certificates", LeafSigns},
    {"leaf-without-san", WithoutSan},
    {"no-extended-key-usage", NoExtendedKeyUsage},
    {"empty-issuer", EmptyIssuer},
    {"empty-subject", EmptySubject},
    {"serial-not-positive", SerialNotPositive},
    {"serial-too-long", SerialTooLong},
    {"basic-constraints-not-critical", BasicConstraintsNotCritical},
    {"no-key-usage", NoKeyUsage},
    {"no-key-identifier", NoKeyIdentifier},
}};

// --- CRLs

std::vector<X509_REVOKED*> Entries(const RevocationList& list) {
  STACK_OF(X509_REVOKED)* const stack = X509_CRL_get_REVOKED(list.handle());
  std::vector<X509_REVOKED*> entries;
  for (int i = 0; i < sk_X509_REVOKED_num(stack); ++i) entries.push_back(sk_X509_REVOKED_value(stack, i));
  return entries;
}

Broken ListUnknownCriticalExtension(const RevocationList& list) {
  constexpr std::array<int, 4> kKnown{NID_crl_number, NID_authority_key_identifier,
                                      NID_issuing_distribution_point, NID_delta_crl};
  for (int i = 0; i < X509_CRL_get_ext_count(list.handle()); ++i) {
    X509_EXTENSION* const extension = X509_CRL_get_ext(list.handle(), i);
    if (X509_EXTENSION_get_critical(extension) != 1) continue;
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    // A critical CRL number is forbidden (RFC 5280, 5.2.3), so it counts as not understood.
    bool known = false;
    for (const int each : kKnown) known = known || (nid == each && nid != NID_crl_number);
    if (!known) return ExtensionName(extension);
  }
  for (const X509_REVOKED* const entry : Entries(list)) {
    for (int i = 0; i < X509_REVOKED_get_ext_count(entry); ++i) {
      X509_EXTENSION* const extension = X509_REVOKED_get_ext(entry, i);
      const bool known = OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_crl_reason;
      if (X509_EXTENSION_get_critical(extension) == 1 && !known)
        return ExtensionName(extension) + " of an entry";
    }
  }
  return std::nullopt;
}

Broken ListMalformedExtension(const RevocationList& list) {
  constexpr std::array<int, 4> kKnown{NID_crl_number, NID_authority_key_identifier,
                                      NID_issuing_distribution_point, NID_delta_crl};
  for (const int known : kKnown) {
    int critical = 0;
    void* const value = X509_CRL_get_ext_d2i(list.handle(), known, &critical, nullptr);
    FreeExtension(known, value);
    if (value == nullptr && critical != -1) return OBJ_nid2ln(known);
  }
  return RepeatedExtension(X509_CRL_get0_extensions(list.handle()));
}

Broken ListOddEntry(const RevocationList& list) {
  constexpr long kReasonMax = 10;
  constexpr long kReasonUnused = 7;
  for (const X509_REVOKED* const entry : Entries(list)) {
    if (!IsTime(X509_REVOKED_get0_revocationDate(entry)) ||
        TimeValue(X509_REVOKED_get0_revocationDate(entry)) > list.this_update()) {
      return NumberText(X509_REVOKED_get0_serialNumber(entry)) + " revoked after thisUpdate";
    }
    int critical = 0;
    const EnumeratedHandle reason(
        static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, &critical, nullptr)));
    const long code = reason ? ASN1_ENUMERATED_get(reason.get()) : 0;
    if ((!reason && critical != -1) || code < 0 || code > kReasonMax || code == kReasonUnused) {
      return NumberText(X509_REVOKED_get0_serialNumber(entry)) + " with a reason that does not exist";
    }
  }
  return std::nullopt;
}

Broken ListPartial(const RevocationList& list) {
  return If(X509_CRL_get_ext_by_NID(list.handle(), NID_delta_crl, -1) >= 0 ||
            X509_CRL_get_ext_by_NID(list.handle(), NID_issuing_distribution_point, -1) >= 0);
}

Broken ListWithoutNumber(const RevocationList& list) {
  return If(X509_CRL_get_ext_by_NID(list.handle(), NID_crl_number, -1) < 0);
}

Broken ListWithoutNextUpdate(const RevocationList& list) { return If(!list.next_update()); }

constexpr std::array<ListPredicate, 6> kListPredicates{{
    {"crl-malformed-extension", ListMalformedExtension},
    {"crl-odd-entry", ListOddEntry},
    {"crl-unknown-critical-extension", ListUnknownCriticalExtension},
    {"crl-partial", ListPartial},
    {"crl-without-number", ListWithoutNumber},
    {"crl-without-next-update", ListWithoutNextUpdate},
}};

Broken RsaWeakness(const EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < kRsaBitsMin || bits % 8 != 0)
    return "RSA " + std::to_string(bits) + ": 2048 at least, a multiple of 8";
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &raw) != 1) return "RSA without an exponent";
  const BignumHandle exponent(raw);
  if (!BN_is_odd(exponent.get()) || BN_is_one(exponent.get())) return "RSA with an even or trivial exponent";
  return std::nullopt;
}

Broken EcWeakness(const EVP_PKEY* key) {
  char group[64] = {};
  std::size_t size = 0;
  int explicit_parameters = 0;
  if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_parameters) ==
          1 &&
      explicit_parameters == 1) {
    return "explicit curve parameters";
  }
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &size) != 1) return "explicit curve parameters";
  if (EVP_PKEY_get_bits(key) < kEcBitsMin) return std::string(group) + ": 256 bits at least";
  return std::nullopt;
}

}  // namespace

std::span<const CertificatePredicate> CertificatePredicates() { return kCertificatePredicates; }
std::span<const ListPredicate> ListPredicates() { return kListPredicates; }

bool IsConsistent(evp_pkey_st* key) {
  const EmptyQueue empty;
  constexpr std::string_view kMessage = "certfs: does this key fit itself?";
  const BytesView message = AsBytes(kMessage);
  const DigestContextHandle signer(EVP_MD_CTX_new());
  std::size_t size = 0;
  // No digest is named: each kind of key has its own default, and Ed25519 takes none.
  if (!signer || EVP_DigestSignInit_ex(signer.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) != 1 ||
      EVP_DigestSign(signer.get(), nullptr, &size, message.data(), message.size()) != 1) {
    return true;
  }
  Bytes signature(size);
  const DigestContextHandle verifier(EVP_MD_CTX_new());
  return verifier &&
         EVP_DigestSign(signer.get(), signature.data(), &size, message.data(), message.size()) == 1 &&
         EVP_DigestVerifyInit_ex(verifier.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) == 1 &&
         EVP_DigestVerify(verifier.get(), signature.data(), size, message.data(), message.size()) == 1;
}

Broken WeaknessOf(const evp_pkey_st* key) {
  const EmptyQueue empty;
  if (EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1) return RsaWeakness(key);
  if (EVP_PKEY_is_a(key, "EC") == 1) return EcWeakness(key);
  if (EVP_PKEY_is_a(key, "ED25519") == 1 || EVP_PKEY_is_a(key, "ED448") == 1) return std::nullopt;
  const char* const name = EVP_PKEY_get0_type_name(key);
  return std::string(name != nullptr ? name : "an unknown algorithm") + " is not accepted";
}

}  // namespace certfs::openssl
