#include "crypto/ocsp.h"

#include <openssl/ocsp.h>

#include <ctime>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/prepared_signatures.h"

namespace certfs {

namespace {

using RequestHandle = openssl::Handle<OCSP_REQUEST, OCSP_REQUEST_free>;
using ResponseHandle = openssl::Handle<OCSP_RESPONSE, OCSP_RESPONSE_free>;
using BasicHandle = openssl::Handle<OCSP_BASICRESP, OCSP_BASICRESP_free>;
using IdentifierHandle = openssl::Handle<OCSP_CERTID, OCSP_CERTID_free>;
using TimeHandle = openssl::Handle<ASN1_TIME, ASN1_TIME_free>;

constexpr std::size_t kRequestBytesMax = std::size_t{64} << 10;
constexpr int kQuestionsMax = 100;
constexpr int kNonceBytesMax = 32;  // RFC 8954, 2.1.

TimeHandle TimeOf(std::chrono::sys_seconds time) {
  return TimeHandle(
      ASN1_GENERALIZEDTIME_set(nullptr, static_cast<std::time_t>(time.time_since_epoch().count())));
}

Bytes Encoded(OCSP_RESPONSE* response) {
  std::uint8_t* encoded = nullptr;
  const int size = response != nullptr ? i2d_OCSP_RESPONSE(response, &encoded) : -1;
  const openssl::DerHandle owner(encoded);
  return size > 0 ? Bytes(encoded, encoded + size) : Bytes();
}

// An answer that says why there is none (RFC 6960, 4.2.1); it is not signed.
Bytes Failure(int status) { return Encoded(ResponseHandle(OCSP_response_create(status, nullptr)).get()); }

RequestHandle Parse(BytesView bytes) {
  if (bytes.size() > kRequestBytesMax) return nullptr;
  const std::uint8_t* at = bytes.data();
  RequestHandle request(d2i_OCSP_REQUEST(nullptr, &at, static_cast<long>(bytes.size())));
  if (!request || at != bytes.data() + bytes.size()) return nullptr;
  const int count = OCSP_request_onereq_count(request.get());
  if (count < 1 || count > kQuestionsMax) return nullptr;
  return request;
}

// Says whether the nonce of `request`, if there is one, may be repeated (RFC 8954, 2.1).
bool HasSoundNonce(OCSP_REQUEST* request) {
  const int at = OCSP_REQUEST_get_ext_by_NID(request, NID_id_pkix_OCSP_Nonce, -1);
  if (at < 0) return true;
  // The value is an OCTET STRING inside of one.
  const int size = ASN1_STRING_length(X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(request, at)));
  return size >= 1 && size <= kNonceBytesMax + 2;
}

}  // namespace

struct OcspResponder::State {
  Certificate issuer;
  Certificate certificate;
  PrivateKey key;
  const EVP_MD* digest;

  // Says whether `asked` is about a certificate of the issuer, whichever digest the asker uses.
  bool Concerns(const OCSP_CERTID* asked) const {
    ASN1_OBJECT* digest_id = nullptr;
    OCSP_id_get0_info(nullptr, &digest_id, nullptr, nullptr, const_cast<OCSP_CERTID*>(asked));
    const EVP_MD* const hash = EVP_get_digestbyobj(digest_id);
    if (hash == nullptr) return false;
    const IdentifierHandle mine(OCSP_cert_id_new(hash, X509_get_subject_name(issuer.handle()),
                                                 X509_get0_pubkey_bitstr(issuer.handle()), nullptr));
    return mine && OCSP_id_issuer_cmp(asked, mine.get()) == 0;
  }

  bool AddStatus(OCSP_BASICRESP* response, OCSP_CERTID* asked, const CertificateStatus& status,
                 std::chrono::sys_seconds now, std::chrono::seconds valid) const {
    const TimeHandle this_update = TimeOf(now);
    const TimeHandle next_update = TimeOf(now + valid);
    const TimeHandle revoked_at = TimeOf(status.revoked_at);
    int code = V_OCSP_CERTSTATUS_UNKNOWN;
    int reason = OCSP_REVOKED_STATUS_NOSTATUS;
    if (status.state == CertificateState::kGood) code = V_OCSP_CERTSTATUS_GOOD;
    if (status.state == CertificateState::kRevoked) {
      code = V_OCSP_CERTSTATUS_REVOKED;
      if (status.reason != RevocationReason::kUnspecified) reason = static_cast<int>(status.reason);
    }
    return this_update && next_update && revoked_at &&
           OCSP_basic_add1_status(response, asked, code, reason, revoked_at.get(), this_update.get(),
                                  next_update.get()) != nullptr;
  }
};

Result<OcspResponder> OcspResponder::Make(Certificate issuer, Certificate certificate, PrivateKey key) {
  const openssl::EmptyQueue empty;
  if (!key.Matches(certificate)) {
    return Error(ErrorCode::kRejected, "key-mismatch",
                 "the key is not that of " + certificate.subject() + ", but " + key.Describe());
  }
  EVP_PKEY* const issuer_key = X509_get0_pubkey(issuer.handle());
  if (X509_check_issued(issuer.handle(), certificate.handle()) != X509_V_OK || issuer_key == nullptr ||
      X509_verify(certificate.handle(), issuer_key) != 1) {
    return Error(ErrorCode::kRejected, "bad-signature",
                 issuer.subject() + " did not issue " + certificate.subject());
  }
  // Delegation is the purpose itself; anyExtendedKeyUsage is none (RFC 6960, 4.2.2.2).
  const bool restricted = (X509_get_extension_flags(certificate.handle()) & EXFLAG_XKUSAGE) != 0;
  if (!restricted || (X509_get_extended_key_usage(certificate.handle()) & XKU_OCSP_SIGN) == 0)
    return Error(ErrorCode::kRejected, "wrong-extended-key-usage", "OCSPSigning");
  const auto scheme = openssl::SchemeOf(key.handle());
  if (!scheme) return Error(ErrorCode::kRejected, "key-algorithm", key.Describe());
  const EVP_MD* const digest = scheme->digest != nullptr ? EVP_get_digestbyname(scheme->digest) : nullptr;
  return OcspResponder(std::make_shared<const State>(
      State{std::move(issuer), std::move(certificate), std::move(key), digest}));
}

Bytes OcspResponder::Answer(BytesView request, const Lookup& lookup, std::chrono::sys_seconds now,
                            std::chrono::seconds valid) const {
  const openssl::EmptyQueue empty;
  const RequestHandle asked = Parse(request);
  if (!asked || !HasSoundNonce(asked.get())) return Failure(OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
  const BasicHandle basic(OCSP_BASICRESP_new());
  if (!basic) return Failure(OCSP_RESPONSE_STATUS_INTERNALERROR);
  for (int i = 0; i < OCSP_request_onereq_count(asked.get()); ++i) {
    OCSP_CERTID* const id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(asked.get(), i));
    CertificateStatus status;
    if (state_->Concerns(id)) {
      ASN1_INTEGER* serial = nullptr;
      OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, id);
      // No certificate has a negative number.
      if (ASN1_STRING_type(serial) == V_ASN1_INTEGER) {
        const auto found =
            lookup({ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))});
        if (!found.has_value()) return Failure(OCSP_RESPONSE_STATUS_INTERNALERROR);
        status = found.value();
      }
    }
    if (!state_->AddStatus(basic.get(), id, status, now, valid))
      return Failure(OCSP_RESPONSE_STATUS_INTERNALERROR);
  }
  // Signing would take the time of the system or, told not to, leave it empty: producedAt is no option
  // (RFC 6960, 4.2.1).
  auto* const produced = const_cast<ASN1_GENERALIZEDTIME*>(OCSP_resp_get0_produced_at(basic.get()));
  if (ASN1_GENERALIZEDTIME_set(produced, static_cast<std::time_t>(now.time_since_epoch().count())) == nullptr)
    return Failure(OCSP_RESPONSE_STATUS_INTERNALERROR);
  // 0: a nonce that the request has not needs no answer.
  if (OCSP_copy_nonce(basic.get(), asked.get()) == 0 ||
      OCSP_basic_sign(basic.get(), state_->certificate.handle(), state_->key.handle(), state_->digest,
                      nullptr, OCSP_NOTIME) != 1) {
    return Failure(OCSP_RESPONSE_STATUS_INTERNALERROR);
  }
  Bytes answer =
      Encoded(ResponseHandle(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get())).get());
  return answer.empty() ? Failure(OCSP_RESPONSE_STATUS_INTERNALERROR) : answer;
}

}  // namespace certfs
