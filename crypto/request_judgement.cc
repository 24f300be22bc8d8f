// The verdict on a request for a certificate.

#include "crypto/certification_request.h"
#include "crypto/der.h"
#include "crypto/openssl/distinguished_names.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/general_names.h"
#include "crypto/openssl/key_rules.h"
#include "crypto/openssl/keyless_parsing.h"
#include "crypto/openssl/request_extensions.h"
#include "crypto/openssl/signatures.h"
#include "crypto/openssl/words.h"

namespace certfs {

namespace {

constexpr int kNamesMax = 100;

// Says whether OpenSSL's own verification passes, which knows signatures with parameters (RSASSA-PSS) as
// well.
bool VerifiesWhole(const CertificationRequest& request) {
  const BytesView der = request.der();
  const std::uint8_t* at = der.data();
  const openssl::RequestHandle whole(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  return whole && X509_REQ_verify(whole.get(), X509_REQ_get0_pubkey(whole.get())) == 1;
}

// Says whether `request` is signed by the key in it. `digest` and `algorithm` are those of its signature.
bool IsSigned(const CertificationRequest& request, int digest, int algorithm) {
  EVP_PKEY* const key = request.key()->handle();
  const ASN1_BIT_STRING* signature = nullptr;
  X509_REQ_get0_signature(request.keyless_handle(), &signature, nullptr);
  // A signature is whole octets; OpenSSL takes one that has lost its last bits, where they were zero.
  constexpr long kUnusedBits = 0x07;
  if ((signature->flags & kUnusedBits) != 0) return false;
  if (digest == NID_undef || EVP_PKEY_get_base_id(key) != EVP_PKEY_type(algorithm))
    return VerifiesWhole(request);
  DerReader reader(request.der());
  auto parts = reader.Enter(kDerSequence);
  if (!parts.has_value()) return false;
  const auto body = parts.value().Next();
  const openssl::DigestContextHandle context(EVP_MD_CTX_new());
  return body.has_value() && context &&
         EVP_DigestVerifyInit_ex(context.get(), nullptr, OBJ_nid2sn(digest), nullptr, nullptr, key,
                                 nullptr) == 1 &&
         EVP_DigestVerify(context.get(), ASN1_STRING_get0_data(signature),
                          static_cast<std::size_t>(ASN1_STRING_length(signature)),
                          body.value().encoding.data(), body.value().encoding.size()) == 1;
}

class Inquiry {
 public:
  explicit Inquiry(const CertificationRequest& request)
      : request_(request),
        subject_(openssl::Shortened(
            "request (" + openssl::NameText(X509_REQ_get_subject_name(request.keyless_handle())) + ")")) {}

  void Add(std::string_view rule, std::string detail = {}) {
    verdict_.Add(RuleById(rule), Role::kRequest, subject_, std::move(detail));
  }

  // Says whether the key may be used at all: a signature is verified only by one that breaks no rule, because
  // its time grows with the cube of an RSA key's size.
  bool JudgeKey() {
    const EVP_PKEY* const key = request_.key() != nullptr ? request_.key()->handle() : nullptr;
    bool usable = true;
    for (const auto& predicate : openssl::KeyPredicates()) {
      if (auto broken = predicate.broken(key)) {
        Add(predicate.rule, *std::move(broken));
        usable = false;
      }
    }
    return usable;
  }

  void JudgeSignature() {
    int digest = NID_undef;
    int algorithm = NID_undef;
    OBJ_find_sigid_algs(X509_REQ_get_signature_nid(request_.keyless_handle()), &digest, &algorithm);
    if (openssl::IsBrokenDigest(digest)) Add("weak-digest", OBJ_nid2sn(digest));
    if (!IsSigned(request_, digest, algorithm)) Add("request-signature");
  }

  void JudgeExtensions(bool authority) {
    const openssl::RequestedExtensions asked = openssl::ExtensionsOf(request_);
    if (asked.repeated) Add("request-duplicate-extension", *asked.repeated);
    if (asked.malformed) Add("request-malformed-extension", *asked.malformed);
    if (asked.authority && !authority) Add("request-asks-for-ca");
    if (!authority && (asked.key_usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0)
      Add("request-key-usage", (asked.key_usage & KU_KEY_CERT_SIGN) != 0 ? "keyCertSign" : "cRLSign");
    JudgeNames(asked.names.get());
  }

  void JudgeSubject() {
    if (auto fault = openssl::SubjectFault(X509_REQ_get_subject_name(request_.keyless_handle())))
      Add("request-subject", *std::move(fault));
  }

  Verdict Take() { return std::move(verdict_); }

 private:
  void JudgeNames(const GENERAL_NAMES* list) {
    const int count = sk_GENERAL_NAME_num(list);
    if (count > kNamesMax) {
      Add("request-too-many-names", std::to_string(count) + " of them");
      return;
    }
    AlternativeNames names;
    for (int i = 0; i < count; ++i) {
      if (auto fault = openssl::AddName(sk_GENERAL_NAME_value(list, i), names))
        Add("request-names", *std::move(fault));
    }
  }

  const CertificationRequest& request_;
  std::string subject_;
  Verdict verdict_;
};

}  // namespace

Verdict JudgeRequest(const CertificationRequest& request, bool authority) {
  const openssl::EmptyQueue empty;
  Inquiry inquiry(request);
  if (inquiry.JudgeKey()) inquiry.JudgeSignature();
  inquiry.JudgeExtensions(authority);
  inquiry.JudgeSubject();
  return inquiry.Take();
}

}  // namespace certfs
