// A fresh secret that one recipient's private key alone gets back: RSA by OAEP (RFC 8017, 7.1), EC by
// ephemeral Diffie-Hellman (SEC 1, 6.1). Private to crypto/; the bytes are specified in store/README.md,
// "keystore.hdr".
//
// Thread-safety: free functions over their arguments. Errors: kInternal when OpenSSL fails for reasons of its
// own. The error queue is empty on return.

#pragma once

#include <string>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

inline constexpr std::size_t kEncapsulatedSecretBytes = 32;

// Says in words why nothing can be encapsulated for such a key; empty where it can.
std::string WhyNoRecipient(EVP_PKEY* key);

// SHA-256 over the SubjectPublicKeyInfo (RFC 5280, 4.1) of `key`, public or private.
Result<Digest> KeyDigest(EVP_PKEY* key);

struct Encapsulation {
  SecretBytes secret;  // kEncapsulatedSecretBytes.
  Bytes bytes;         // What its private key gets it back from.
};

// Precondition: WhyNoRecipient says nothing.
Result<Encapsulation> Encapsulate(EVP_PKEY* recipient);

// Returns kCorrupt if `bytes` are not what Encapsulate made for this key, as far as that can be told.
Result<SecretBytes> Decapsulate(EVP_PKEY* key, BytesView bytes);

}  // namespace certfs::openssl
