// Making of signing requests (PKCS#10, RFC 2986).
//
// Thread-safety: free functions.

#pragma once

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/certification_request.h"
#include "crypto/private_key.h"
#include "crypto/request_config.h"

namespace certfs {

// Returns the PEM of a request, signed by `key`, for a certificate with the subject and the subjectAltName of
// `config`. kMalformed ("request-config") where OpenSSL refuses a value, with its words.
Result<Bytes> MakeSigningRequest(const RequestConfig& config, const PrivateKey& key);

// The same with the name and the alternative names of `subject`: to have certified anew what is certified
// already. Its key is not looked at.
Result<Bytes> MakeSigningRequest(const CertificateSubject& subject, const PrivateKey& key);

}  // namespace certfs
