// Issuing of certificates: pure; the clock, the serial number and the keys come from the caller.
//
// What is issued is written here, field by field; nothing of a request but subject, names and key gets in.
// Each certificate is first signed by a throw-away key in the name of the issuer and judged by the rules
// table, where for our own output every warning is a refusal; then it is signed for real, and that signature
// verified.
//
// Thread-safety: an Issuer may be used from any thread, by several at once. Ownership: shares its signer.
// Errors: kRejected with the id of the rule.

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/certification_request.h"
#include "crypto/profile.h"
#include "crypto/revocation.h"
#include "crypto/serial_number.h"
#include "crypto/signer.h"

namespace certfs {

struct Validity {
  std::chrono::sys_seconds not_before;
  std::chrono::sys_seconds not_after;  // The last second.
};
// The validity that `profile` gives at `now`: at most `asked`, where that is given, and never past that of
// `issuer` or before its beginning.
Validity ValidityOf(const Profile& profile, std::chrono::sys_seconds now,
                    std::optional<std::chrono::seconds> asked, const Certificate& issuer);

// What a new root is to be.
struct RootOptions {
  Bytes name;  // DER of the distinguished name.
  std::chrono::days lifetime{3650};
  std::optional<int> path_length;
  // Name constraints (RFC 5280, 4.2.1.10), "DNS:example.com", "IP:10.0.0.0/8", "email:example.com".
  std::vector<std::string> permitted;
  std::vector<std::string> excluded;
};
// Returns a self-signed CA certificate, valid from five minutes before `now`, for clocks that are behind.
// kMalformed ("name-constraints-malformed") for constraints that are none, kRejected by the rules for
// anchors, every warning of which is a refusal here ("empty-subject").
Result<Certificate> MakeRoot(const RootOptions& options, const SerialNumber& serial,
                             std::chrono::sys_seconds now, const Signer& signer);

class Issuer {
 public:
  // `certificate` is that of the CA, whose key `signer` is; `chain` is what certifies it: intermediates
  // first, the root last; empty for a root. kRejected "key-mismatch"; "not-a-ca", "ca-may-not-sign",
  // "chain-broken", "bad-signature", "path-length", "chain-too-long" of any of them; dates are not looked at
  // here. Makes a throw-away key of the kind of `signer`, which for RSA takes a while.
  static Result<std::shared_ptr<const Issuer>> Make(Certificate certificate, std::vector<Certificate> chain,
                                                    std::shared_ptr<const Signer> signer);
  ~Issuer();
  Issuer(const Issuer&) = delete;
  Issuer& operator=(const Issuer&) = delete;

  const Certificate& certificate() const noexcept;
  // What certifies it; the root last, empty for a root.
  const std::vector<Certificate>& chain() const noexcept;
  const Signer& signer() const noexcept;
  // The root: the last of the chain, or the certificate itself.
  const Certificate& root() const noexcept;

  // Issues a certificate to `subject` under `profile`. Besides the rules and those of CheckSubject: kRejected
  // "issuer-name-constraints" for a name outside the constraints of any CA of the chain, "issuer-path-length"
  // for a CA that none may issue, "issuer-extended-key-usage", "issuer-own-name", "outlives-its-issuer";
  // kExpired ("issuer-expired") when the issuer is not valid at validity.not_before. kInvalidArgument for a
  // validity that ends before it begins.
  Result<Certificate> Issue(const CertificateSubject& subject, const Profile& profile,
                            const SerialNumber& serial, const Validity& validity) const;

  // What a server sends: `leaf`, the issuing certificate and what certifies it, less the root; PEM.
  Bytes FullChain(const Certificate& leaf) const;

 private:
  friend Result<Bytes> MakeRevocationList(const Issuer& issuer, std::uint64_t number,
                                          std::chrono::sys_seconds this_update,
                                          std::chrono::sys_seconds next_update,
                                          std::vector<RevokedSerial> revoked);
  struct State;
  explicit Issuer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

// Returns the DER of a CRL (RFC 5280, 5) of `issuer`, v2, with authorityKeyIdentifier and cRLNumber; a reason
// code only where there is a reason. `revoked` in any order; it is written by serial number, and each number
// once. It is judged before it is signed, as certificates are: kRejected "crl-odd-entry" for a revocation
// after `this_update`.
Result<Bytes> MakeRevocationList(const Issuer& issuer, std::uint64_t number,
                                 std::chrono::sys_seconds this_update, std::chrono::sys_seconds next_update,
                                 std::vector<RevokedSerial> revoked);

}  // namespace certfs
