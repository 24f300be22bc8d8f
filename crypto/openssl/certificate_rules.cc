#include "crypto/openssl/certificate_rules.h"

#include <openssl/bn.h>

#include <algorithm>
#include <array>
#include <vector>

#include "crypto/host_name.h"
#include "crypto/openssl/extensions.h"
#include "crypto/openssl/general_names.h"
#include "crypto/openssl/signatures.h"
#include "crypto/openssl/words.h"

namespace certfs::openssl {

namespace {

using Broken = std::optional<std::string>;

// The content octets of a serial number (RFC 5280, 4.1.2.2), behind one octet of tag and one of length.
constexpr std::size_t kSerialDerMax = 2 + 20;

Broken If(bool broken, std::string detail = {}) {
  if (!broken) return std::nullopt;
  return detail;
}

std::uint32_t Flags(const Certificate& certificate) {
  return X509_get_extension_flags(certificate.keyless_handle());
}

int SignatureDigest(const Certificate& certificate) {
  int digest = NID_undef;
  X509_get_signature_info(certificate.keyless_handle(), &digest, nullptr, nullptr, nullptr);
  return digest;
}

Broken SignatureAlgorithmsDiffer(const Certificate& certificate) {
  const X509_ALGOR* outer = nullptr;
  X509_get0_signature(nullptr, &outer, certificate.keyless_handle());
  return If(X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(certificate.keyless_handle())) != 0);
}

Broken DuplicateExtension(const Certificate& certificate) {
  return RepeatedExtension(X509_get0_extensions(certificate.keyless_handle()));
}

Broken MalformedExtension(const Certificate& certificate) {
  if (auto name = UndecodableExtension(X509_get0_extensions(certificate.keyless_handle()))) return name;
  // What decodes may still be forbidden, such as a negative pathLenConstraint or a keyUsage without a bit.
  const bool invalid = (Flags(certificate) & EXFLAG_INVALID) != 0;
  return If(invalid && !DuplicateExtension(certificate), "a forbidden value");
}

Broken ExtensionsWithoutV3(const Certificate& certificate) {
  return If(X509_get_version(certificate.keyless_handle()) != X509_VERSION_3 &&
            X509_get_ext_count(certificate.keyless_handle()) > 0);
}

Broken NotVersion3(const Certificate& certificate) {
  return If(X509_get_version(certificate.keyless_handle()) != X509_VERSION_3);
}

Broken NotACa(const Certificate& certificate) {
  // A version 1 root has no basicConstraints; OpenSSL's answer 3 stands for a self-signed one, which only its
  // key can tell.
  return If(!certificate.IsAuthority() && X509_check_ca(certificate.handle()) != 3);
}

Broken UnknownCriticalExtension(const Certificate& certificate) {
  for (int i = 0; i < X509_get_ext_count(certificate.keyless_handle()); ++i) {
    X509_EXTENSION* const extension = X509_get_ext(certificate.keyless_handle(), i);
    if (X509_EXTENSION_get_critical(extension) == 1 && X509_supported_extension(extension) == 0) {
      return ExtensionName(extension);
    }
  }
  return std::nullopt;
}

Broken WeakDigest(const Certificate& certificate) {
  const int digest = SignatureDigest(certificate);
  return If(IsBrokenDigest(digest), OBJ_nid2sn(digest));
}

Broken Sha1Signature(const Certificate& certificate) { return If(SignatureDigest(certificate) == NID_sha1); }

Broken MayNotSign(const Certificate& certificate) {
  return If((Flags(certificate) & EXFLAG_KUSAGE) != 0 &&
            (X509_get_key_usage(certificate.keyless_handle()) & KU_KEY_CERT_SIGN) == 0);
}

Broken CaAsServer(const Certificate& certificate) { return If(certificate.IsAuthority()); }

Broken LeafSigns(const Certificate& certificate) {
  return If(!certificate.IsAuthority() && (Flags(certificate) & EXFLAG_KUSAGE) != 0 &&
            (X509_get_key_usage(certificate.keyless_handle()) & KU_KEY_CERT_SIGN) != 0);
}

// To sign the handshake, or to agree on a key or decrypt one (RFC 8446, 4.4.2.2; RFC 5246, 7.4.2).
Broken NotForTls(const Certificate& certificate) {
  constexpr std::uint32_t kHandshake = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT;
  return If((Flags(certificate) & EXFLAG_KUSAGE) != 0 &&
            (X509_get_key_usage(certificate.keyless_handle()) & kHandshake) == 0);
}

Broken LeafConstrainsNames(const Certificate& certificate) {
  return If(!certificate.IsAuthority() &&
            X509_get_ext_by_NID(certificate.keyless_handle(), NID_name_constraints, -1) >= 0);
}

// Says what is wrong with one subtree; OpenSSL's verifier knows the same limits, but only meets them when a
// name is judged.
Broken SubtreeFault(const GENERAL_SUBTREE* subtree) {
  constexpr int kIpv4Range = 8;
  constexpr int kIpv6Range = 32;
  if (subtree->maximum != nullptr || (subtree->minimum != nullptr && ASN1_INTEGER_get(subtree->minimum) != 0))
    return "a subtree with minimum or maximum";
  if (subtree->base->type != GEN_IPADD) return std::nullopt;
  const int size = ASN1_STRING_length(subtree->base->d.iPAddress);
  return If(size != kIpv4Range && size != kIpv6Range,
            "an address range of " + std::to_string(size) + " octets");
}

Broken NameConstraintsMalformed(const Certificate& certificate) {
  const NameConstraintsHandle constraints(static_cast<NAME_CONSTRAINTS*>(
      X509_get_ext_d2i(certificate.keyless_handle(), NID_name_constraints, nullptr, nullptr)));
  if (!constraints) return std::nullopt;
  const std::array<const STACK_OF(GENERAL_SUBTREE)*, 2> lists{constraints->permittedSubtrees,
                                                              constraints->excludedSubtrees};
  bool empty = true;
  for (const auto* const list : lists) {
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(list); ++i) {
      empty = false;
      if (auto fault = SubtreeFault(sk_GENERAL_SUBTREE_value(list, i))) return fault;
    }
  }
  return If(empty, "none at all");
}

// Says whether subjectAltName names a host at all.
bool NamesAHost(const Certificate& certificate) {
  const NamesHandle names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.keyless_handle(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const int type = sk_GENERAL_NAME_value(names.get(), i)->type;
    if (type == GEN_DNS || type == GEN_IPADD) return true;
  }
  return false;
}

Broken WithoutSan(const Certificate& certificate) {
  // What is for clients alone, or to answer OCSP, is no server's: only who could be one needs a host.
  const bool restricted = (Flags(certificate) & EXFLAG_XKUSAGE) != 0;
  const std::uint32_t usage =
      restricted ? X509_get_extended_key_usage(certificate.keyless_handle()) : XKU_ANYEKU;
  return If((usage & (XKU_SSL_SERVER | XKU_ANYEKU)) != 0 && !NamesAHost(certificate));
}

// Says whether one of the names in subjectAltName covers a host.
bool IsCovered(const Certificate& certificate, const std::string& host) {
  X509* const x509 = certificate.keyless_handle();
  return X509_check_host(x509, host.c_str(), host.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) ==
             1 ||
         X509_check_ip_asc(x509, host.c_str(), 0) == 1;
}

Broken CommonNameNotInSan(const Certificate& certificate) {
  // Nobody has that many, and each is looked for among all names.
  constexpr std::size_t kCommonNamesMax = 64;
  if (!NamesAHost(certificate)) return std::nullopt;
  std::vector<std::string> names = CommonNamesOf(X509_get_subject_name(certificate.keyless_handle()));
  names.resize(std::min(names.size(), kCommonNamesMax));
  // "Machine1_Cert" and "Jane Doe" are names of things and people, which nobody takes for a host's.
  std::erase_if(names, [](const std::string& name) { return !LooksLikeHost(name); });
  // Each of them: some verifiers look at all.
  std::erase_if(names, [&](const std::string& name) { return IsCovered(certificate, name); });
  if (names.empty()) return std::nullopt;
  // A wildcard is not a host that the names could cover; it has to be one of them.
  const std::vector<std::string> hosts = certificate.alternative_names().hosts;
  for (const std::string& name : names) {
    if (std::find(hosts.begin(), hosts.end(), FoldAscii(name)) == hosts.end()) return Shortened(name);
  }
  return std::nullopt;
}

Broken NoExtendedKeyUsage(const Certificate& certificate) {
  return If((Flags(certificate) & EXFLAG_XKUSAGE) == 0);
}

Broken EmptyIssuer(const Certificate& certificate) {
  return If(X509_NAME_entry_count(X509_get_issuer_name(certificate.keyless_handle())) == 0);
}
Broken EmptySubject(const Certificate& certificate) {
  X509* const x509 = certificate.keyless_handle();
  if (X509_NAME_entry_count(X509_get_subject_name(x509)) != 0) return std::nullopt;
  // A critical subjectAltName names a leaf in the subject's stead (RFC 5280, 4.1.2.6); a CA needs its name.
  const int san = X509_get_ext_by_NID(x509, NID_subject_alt_name, -1);
  const bool named = san >= 0 && X509_EXTENSION_get_critical(X509_get_ext(x509, san)) == 1;
  return If(certificate.IsAuthority() || !named);
}

Broken SerialNotPositive(const Certificate& certificate) {
  const BignumHandle value(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.keyless_handle()), nullptr));
  return If(!value || BN_is_zero(value.get()) || BN_is_negative(value.get()),
            Shortened(certificate.serial()));
}

Broken SerialTooLong(const Certificate& certificate) {
  return If(certificate.serial_der().size() > kSerialDerMax);
}

Broken BasicConstraintsNotCritical(const Certificate& certificate) {
  const int at = X509_get_ext_by_NID(certificate.keyless_handle(), NID_basic_constraints, -1);
  return If(certificate.IsAuthority() && at >= 0 &&
            X509_EXTENSION_get_critical(X509_get_ext(certificate.keyless_handle(), at)) == 0);
}

Broken NoKeyUsage(const Certificate& certificate) {
  return If(certificate.IsAuthority() && (Flags(certificate) & EXFLAG_KUSAGE) == 0);
}

Broken NoKeyIdentifier(const Certificate& certificate) {
  return If(X509_get0_subject_key_id(certificate.keyless_handle()) == nullptr);
}

Broken NoAuthorityKeyIdentifier(const Certificate& certificate) {
  // What issued itself needs no pointer to its issuer (RFC 5280, 4.2.1.1).
  return If((Flags(certificate) & EXFLAG_SI) == 0 &&
            X509_get0_authority_key_id(certificate.keyless_handle()) == nullptr);
}

constexpr std::array<CertificatePredicate, 27> kCertificatePredicates{{
    {"signature-algorithms-differ", SignatureAlgorithmsDiffer},
    {"duplicate-extension", DuplicateExtension},
    {"malformed-extension", MalformedExtension},
    {"extensions-without-v3", ExtensionsWithoutV3},
    {"not-a-ca", NotACa},
    {"unknown-critical-extension", UnknownCriticalExtension},
    {"weak-digest", WeakDigest},
    {"sha1-signature", Sha1Signature},
    {"anchor-sha1-self-signature", Sha1Signature},
    {"not-version-3", NotVersion3},
    {"ca-may-not-sign", MayNotSign},
    {"ca-as-server", CaAsServer},
    {"leaf-signs-certificates", LeafSigns},
    {"wrong-key-usage", NotForTls},
    {"leaf-constrains-names", LeafConstrainsNames},
    {"name-constraints-malformed", NameConstraintsMalformed},
    {"leaf-without-san", WithoutSan},
    {"no-extended-key-usage", NoExtendedKeyUsage},
    {"empty-issuer", EmptyIssuer},
    {"empty-subject", EmptySubject},
    {"serial-not-positive", SerialNotPositive},
    {"serial-too-long", SerialTooLong},
    {"basic-constraints-not-critical", BasicConstraintsNotCritical},
    {"no-key-usage", NoKeyUsage},
    {"no-key-identifier", NoKeyIdentifier},
    {"no-authority-key-identifier", NoAuthorityKeyIdentifier},
    {"common-name-not-in-san", CommonNameNotInSan},
}};

}  // namespace

std::span<const CertificatePredicate> CertificatePredicates() { return kCertificatePredicates; }

}  // namespace certfs::openssl
