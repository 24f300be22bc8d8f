// An immutable X.509 certificate (RFC 5280).
//
// Thread-safety: a value whose copies share one immutable object. Ownership: copies are cheap owners.

#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "crypto/alternative_names.h"
#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

struct x509_st;

namespace certfs {

class Certificate {
 public:
  // Parses exactly one DER certificate. Returns kMalformed ("unreadable") for anything else, BER that is not
  // DER and a validity that is no time included, ("trailing-data") when bytes follow it.
  static Result<Certificate> FromDer(BytesView der);

  // The encoding as it was read; lives as long as any copy of this certificate.
  BytesView der() const noexcept;

  // SHA-256 over the encoding.
  const Digest& fingerprint() const noexcept;

  // Names in one line as RFC 2253 writes them, UTF-8 ("CN=web,O=Acme").
  std::string subject() const;
  std::string issuer() const;

  // Upper-case hexadecimal; a leading '-' for a negative number.
  std::string serial() const;

  // Validity (RFC 5280, 4.1.2.5), both ends inclusive.
  std::chrono::sys_seconds not_before() const;
  std::chrono::sys_seconds not_after() const;

  // Says whether subject and issuer are the same name and its own key verifies its signature.
  bool IsSelfSigned() const;

  // Says whether basicConstraints make it a CA (RFC 5280, 4.2.1.9).
  bool IsAuthority() const;

  // The DER of the issuer's name, as it stands in the certificate (RFC 5280, 4.1.2.4); lives as long as any
  // copy of this certificate.
  BytesView issuer_der() const noexcept;

  // The DER of the subject's name (RFC 5280, 4.1.2.6); lives as long as any copy of this certificate.
  BytesView subject_der() const noexcept;

  // The last common name of the subject, UTF-8; empty where there is none.
  std::string common_name() const;

  // The names of subjectAltName that AlternativeNames knows; of others nothing is told.
  AlternativeNames alternative_names() const;

  // The SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in DER; lives as long as any copy. As it stands in the
  // certificate, but for what of it is BER there (padding bits of its BIT STRING that are not zero).
  BytesView key_der() const noexcept;

  // The content of subjectKeyIdentifier (RFC 5280, 4.2.1.2); empty where there is none. Lives as long as any
  // copy of this certificate.
  BytesView subject_key_identifier() const noexcept;

  // The DER of the serial number, tag and length included (RFC 5280, 4.1.2.2).
  Bytes serial_der() const;

  // What must identify a certificate (RFC 5280, 4.1.2.2): issuer_der() and serial_der(), joined. Both are
  // self-delimiting, so that two different pairs never join to the same bytes.
  Bytes IssuerAndSerial() const;

  // The OpenSSL object, borrowed, for use inside crypto/ only. Made when first asked for: it takes
  // OpenSSL 3.0 ten times as long to decode the key in it as all the rest.
  x509_st* handle() const noexcept;

  // The same without the key (X509_get0_pubkey, EXFLAG_SS), for questions that need none.
  x509_st* keyless_handle() const noexcept;

 private:
  struct State;
  explicit Certificate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace certfs
