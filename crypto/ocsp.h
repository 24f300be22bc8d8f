// Answering OCSP requests (RFC 6960) as a delegated responder: a key of its own, and a certificate of the
// authority with the purpose OCSPSigning.
//
// Thread-safety: any thread. Ownership: owns its key. Errors: Answer has none; a request that is none is
// answered "malformedRequest".

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/certificate.h"
#include "crypto/issuing.h"

namespace certfs {

enum class CertificateState { kGood, kRevoked, kUnknown };

struct CertificateStatus {
  CertificateState state = CertificateState::kUnknown;
  std::chrono::sys_seconds revoked_at{};
  RevocationReason reason = RevocationReason::kUnspecified;
};

class OcspResponder {
 public:
  // kRejected when `certificate` is not `issuer`'s, not of `key`, or without the purpose OCSPSigning.
  static Result<OcspResponder> Make(Certificate issuer, Certificate certificate, PrivateKey key);

  // Tells the status of a serial number (content octets, big-endian, without leading zeros) of the issuer; a
  // failure is answered "internalError".
  using Lookup = std::function<Result<CertificateStatus>(BytesView serial)>;

  // Returns the response to `request`, DER both: signed by the responder's key, its certificate along, the
  // nonce of the request repeated, valid from `now` for `valid`. A certificate of another issuer is
  // "unknown".
  Bytes Answer(BytesView request, const Lookup& lookup, std::chrono::sys_seconds now,
               std::chrono::seconds valid) const;

 private:
  struct State;
  explicit OcspResponder(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace certfs
