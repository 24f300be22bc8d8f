// The encodings of keys that certfs meets by the thousand, without OpenSSL's search among its providers,
// which takes ten times as long. Private to crypto/. The bytes are those that OpenSSL writes.
//
// Thread-safety: free functions.

#pragma once

#include <optional>

#include "crypto/base/bytes.h"
#include "crypto/base/secret.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

// The SubjectPublicKeyInfo of `key` (RFC 5480, RFC 8410; others by OpenSSL). Nothing if it has none.
std::optional<Bytes> EncodePublicKey(EVP_PKEY* key);

// Reads a SubjectPublicKeyInfo, which must be all of `der`; null for what is no key that OpenSSL knows.
KeyHandle DecodePublicKey(BytesView der);

// The unencrypted PKCS#8 form of `key` (RFC 5958, RFC 5915). Nothing if it has none.
std::optional<SecretBytes> EncodePrivateKey(EVP_PKEY* key);

}  // namespace certfs::openssl
