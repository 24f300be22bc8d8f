// Who may sign a message. Private to crypto/.
//
// Thread-safety: free functions. Leave the error queue empty.

#pragma once

#include "crypto/base/result.h"
#include "crypto/certificate.h"

struct evp_pkey_st;

namespace certfs::openssl {

// Says whether messages are signed by keys like this: RSA, or EC on P-256, P-384 or P-521.
bool IsSignerKey(const evp_pkey_st* key);

// kRejected ("signer-key-usage") where keyUsage has neither digitalSignature nor nonRepudiation (RFC 5280,
// 4.2.1.3).
Result<void> CheckSignerKeyUsage(const Certificate& certificate);

// The same, and kRejected by the first row of the rules table that refuses its key: asked before anything is
// computed by a key from outside.
Result<void> CheckSigner(const Certificate& certificate);

}  // namespace certfs::openssl
