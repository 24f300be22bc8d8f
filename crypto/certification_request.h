// A request for a certificate as others make it (PKCS#10, RFC 2986), and what any request comes to: a
// subject, alternative names and a public key.
//
// Thread-safety: values whose copies share one immutable object. Errors: kMalformed ("unreadable",
// "trailing-data", "wrong-kind" for PEM of something else) and those of ReadPem, kTooLarge ("too-large") over
// 1 MiB, as every file.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/alternative_names.h"
#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"
#include "crypto/request_config.h"
#include "crypto/rules.h"

struct X509_req_st;

namespace certfs {

class CertificationRequest {
 public:
  // Parses exactly one request in DER, or in PEM ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST";
  // explanatory text around it is fine).
  static Result<CertificationRequest> Parse(BytesView file);

  BytesView der() const noexcept;

  // The key in it; null where OpenSSL cannot read it.
  const PublicKey* key() const noexcept;

  // The OpenSSL object without its key, borrowed, for use inside crypto/ only.
  X509_req_st* keyless_handle() const noexcept;

 private:
  struct State;
  explicit CertificationRequest(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// What somebody asks to be certified. Nothing else of a request is ever copied into a certificate.
struct CertificateSubject {
  Bytes name;               // DER of the distinguished name (RFC 5280, 4.1.2.6).
  std::string common_name;  // The last one in it; empty where there is none.
  AlternativeNames names;
  PublicKey key;
};

// Judges `request` in the role of a request: its key, then that it is signed by that key (RFC 2986, 3: proof
// of possession), then what it asks for. `authority` permits CA:TRUE and keyCertSign, for profiles of CAs.
// Extensions that certfs never copies (extendedKeyUsage, unknown ones) are not looked at.
Verdict JudgeRequest(const CertificationRequest& request, bool authority);

// Returns the subject of `request`: kRejected or another error by what JudgeRequest refuses first.
Result<CertificateSubject> SubjectOf(const CertificationRequest& request, bool authority);

// The same of a request in certool's form, for the key that is made for it. kMalformed ("request-config").
Result<CertificateSubject> SubjectOf(const RequestConfig& config, const PublicKey& key);

// What an issued certificate certifies, to be certified once more: for `key`, or where that is null for its
// own key.
Result<CertificateSubject> SubjectOf(const Certificate& certificate, const PublicKey* key);

// The DER of a distinguished name out of certool's fields; kMalformed ("request-config").
Result<Bytes> DistinguishedName(const RequestConfig& fields);

}  // namespace certfs
