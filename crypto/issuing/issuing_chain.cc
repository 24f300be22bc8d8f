#include "crypto/issuing/issuing_chain.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/words.h"

namespace certfs::issuing {

namespace {

constexpr std::size_t kChainMax = 7;  // With a leaf, the eight that a trust set verifies.
constexpr std::string_view kAnyPurpose = "2.5.29.37.0";

using PurposesHandle = openssl::Handle<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;

Error Refused(std::string_view rule, const std::string& words) {
  return {ErrorCode::kRejected, rule, openssl::Shortened(words)};
}

std::string NameOf(const Certificate& certificate) { return certificate.subject(); }

Result<void> CheckAuthority(const Certificate& certificate) {
  if (!certificate.IsAuthority()) return Refused("not-a-ca", NameOf(certificate));
  X509* const x509 = certificate.keyless_handle();
  const bool has_usage = (X509_get_extension_flags(x509) & EXFLAG_KUSAGE) != 0;
  if (has_usage && (X509_get_key_usage(x509) & KU_KEY_CERT_SIGN) == 0)
    return Refused("ca-may-not-sign", NameOf(certificate));
  return {};
}

Result<void> CheckLink(const Certificate& issued, const Certificate& issuer) {
  if (X509_check_issued(issuer.handle(), issued.handle()) != X509_V_OK)
    return Refused("chain-broken", NameOf(issuer) + " is not the issuer of " + NameOf(issued));
  EVP_PKEY* const key = X509_get0_pubkey(issuer.handle());
  if (key == nullptr || X509_verify(issued.handle(), key) != 1)
    return Refused("bad-signature", NameOf(issued));
  return {};
}

// The purposes that a certificate is restricted to; empty where it is not.
std::vector<std::string> PurposesOf(const Certificate& certificate) {
  const PurposesHandle list(static_cast<EXTENDED_KEY_USAGE*>(
      X509_get_ext_d2i(certificate.handle(), NID_ext_key_usage, nullptr, nullptr)));
  std::vector<std::string> purposes;
  for (int i = 0; list && i < sk_ASN1_OBJECT_num(list.get()); ++i) {
    char text[128] = {};
    OBJ_obj2txt(text, sizeof text, sk_ASN1_OBJECT_value(list.get(), i), 1);
    if (text == kAnyPurpose) return {};
    purposes.emplace_back(text);
  }
  return purposes;
}

bool MayServe(X509* x509) {
  return (X509_get_extension_flags(x509) & EXFLAG_XKUSAGE) == 0 ||
         (X509_get_extended_key_usage(x509) & (XKU_SSL_SERVER | XKU_ANYEKU)) != 0;
}

// Whether `host` is `base` or beneath it (RFC 5280, 4.2.1.10).
bool IsBeneath(std::string_view host, std::string_view base) {
  if (base.empty()) return true;
  if (host.size() < base.size()) return false;
  const std::string_view end = host.substr(host.size() - base.size());
  const bool same = std::ranges::equal(
      end, base, [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
  return same &&
         (host.size() == base.size() || base.front() == '.' || host[host.size() - base.size() - 1] == '.');
}

// Whether one of `subtrees` is a host or domain, and `host` is beneath one of those.
struct Found {
  bool any = false;
  bool beneath = false;
};
Found FindHost(const STACK_OF(GENERAL_SUBTREE) * subtrees, std::string_view host) {
  Found found;
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); ++i) {
    const GENERAL_NAME* const base = sk_GENERAL_SUBTREE_value(subtrees, i)->base;
    if (base->type != GEN_DNS) continue;
    found.any = true;
    found.beneath = found.beneath ||
                    IsBeneath(host, AsText({ASN1_STRING_get0_data(base->d.dNSName),
                                            static_cast<std::size_t>(ASN1_STRING_length(base->d.dNSName))}));
  }
  return found;
}

// What GnuTLS holds against a server's certificate that names no host: it takes the common name for one,
// whatever it looks like.
bool KeepsCommonName(const NAME_CONSTRAINTS* constraints, const std::string& common_name) {
  if (common_name.empty()) return true;
  const Found permitted = FindHost(constraints->permittedSubtrees, common_name);
  return (!permitted.any || permitted.beneath) &&
         !FindHost(constraints->excludedSubtrees, common_name).beneath;
}

}  // namespace

Result<IssuingChain> IssuingChain::Make(std::vector<Certificate> certificates) {
  const openssl::EmptyQueue empty;
  if (certificates.size() > kChainMax)
    return Refused("chain-too-long", std::to_string(certificates.size()) + " authorities");
  IssuingChain made;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const Certificate& each = certificates[i];
    TRY(CheckAuthority(each));
    if (i > 0) TRY(CheckLink(certificates[i - 1], each));
    const long length = X509_get_pathlen(each.handle());
    if (length >= 0 && static_cast<std::size_t>(length) < i) return Refused("path-length", NameOf(each));
    if (auto purposes = PurposesOf(each); !purposes.empty())
      made.restrictions_.push_back({NameOf(each), std::move(purposes)});
    made.constraints_.emplace_back(static_cast<NAME_CONSTRAINTS*>(
        X509_get_ext_d2i(each.handle(), NID_name_constraints, nullptr, nullptr)));
    if (made.constraints_.back() == nullptr) made.constraints_.pop_back();
  }
  if (!certificates.back().IsSelfSigned())
    return Refused("chain-broken", NameOf(certificates.back()) + " is no root");
  made.certificates_ = std::move(certificates);
  return made;
}

Result<std::optional<int>> IssuingChain::PathLengthLeft() const {
  std::optional<int> left;
  for (std::size_t i = 0; i < certificates_.size(); ++i) {
    const long length = X509_get_pathlen(certificates_[i].handle());
    if (length < 0) continue;
    // Beneath this CA stand those before it in the chain already, and now one more.
    const int here = static_cast<int>(length) - static_cast<int>(i) - 1;
    if (here < 0) return Refused("issuer-path-length", NameOf(certificates_[i]));
    left = left ? std::min(*left, here) : here;
  }
  if (certificates_.size() == kChainMax) return Refused("issuer-path-length", "the chain would be too long");
  return left;
}

Result<void> IssuingChain::CheckPurposes(const std::vector<std::string>& purposes) const {
  for (const Restriction& restriction : restrictions_) {
    if (purposes.empty()) return Refused("issuer-extended-key-usage", restriction.authority);
    for (const std::string& purpose : purposes) {
      const auto& allowed = restriction.purposes;
      if (std::find(allowed.begin(), allowed.end(), purpose) == allowed.end())
        return Refused("issuer-extended-key-usage", purpose + ": " + restriction.authority);
    }
  }
  return {};
}

Result<void> IssuingChain::CheckNames(const Certificate& issued) const {
  const openssl::EmptyQueue empty;
  X509* const x509 = issued.keyless_handle();
  for (const Certificate& each : certificates_) {
    if (X509_NAME_cmp(X509_get_subject_name(each.keyless_handle()), X509_get_subject_name(x509)) == 0)
      return Refused("issuer-own-name", NameOf(each));
  }
  if (constraints_.empty()) return {};
  const AlternativeNames names = issued.alternative_names();
  for (const auto& constraints : constraints_) {
    int fault = NAME_CONSTRAINTS_check(x509, constraints.get());
    // Where no host stands in subjectAltName, verifiers look for one in the common name.
    if (fault == X509_V_OK && names.hosts.empty() && !issued.IsAuthority())
      fault = NAME_CONSTRAINTS_check_CN(x509, constraints.get());
    if (fault != X509_V_OK) {
      return Refused("issuer-name-constraints", NameOf(issued) + ": " + X509_verify_cert_error_string(fault));
    }
    if (names.hosts.empty() && !issued.IsAuthority() && MayServe(x509) &&
        !KeepsCommonName(constraints.get(), issued.common_name())) {
      return Refused("issuer-name-constraints",
                     NameOf(issued) + ": names no host, so that some take its common name for one");
    }
  }
  return {};
}

}  // namespace certfs::issuing
