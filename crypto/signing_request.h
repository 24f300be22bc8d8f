// Making of signing requests (PKCS#10, RFC 2986).
//
// Thread-safety: a free function.

#pragma once

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/private_key.h"
#include "crypto/request_config.h"

namespace certfs {

// Returns the PEM of a request, signed by `key`, for a certificate with the subject and the subjectAltName of
// `config`. kMalformed ("request-config") where OpenSSL refuses a value, with its words.
Result<Bytes> MakeSigningRequest(const RequestConfig& config, const PrivateKey& key);

}  // namespace certfs
