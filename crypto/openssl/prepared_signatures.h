// Signing and verifying with one key many times: what does not depend on the message is made once. Private to
// crypto/.
//
// Thread-safety: any thread, several at once. Ownership: shares the key.

#pragma once

#include <optional>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

// How keys of one kind sign.
struct SignatureScheme {
  const char* digest;   // Null where the algorithm has one of its own (RFC 8032).
  BytesView algorithm;  // The DER of the AlgorithmIdentifier.
};

// ECDSA with the digest as strong as the curve (RFC 5758, 3.2), RSASSA-PKCS1-v1_5 with SHA-256 (RFC 4055, 5),
// Ed25519 and Ed448 (RFC 8410). Nothing for a key that signs no certificates here.
std::optional<SignatureScheme> SchemeOf(const EVP_PKEY* key);

class PreparedSigning {
 public:
  static Result<PreparedSigning> Make(EVP_PKEY* key);
  Result<Bytes> Sign(BytesView message) const;

 private:
  PreparedSigning() = default;

  KeyHandle key_;
  const char* digest_ = nullptr;
  DigestContextHandle context_;  // Null where it cannot be copied.
};

class PreparedVerifying {
 public:
  static Result<PreparedVerifying> Make(EVP_PKEY* key);
  bool Verify(BytesView message, BytesView signature) const;

 private:
  PreparedVerifying() = default;

  KeyHandle key_;
  const char* digest_ = nullptr;
  DigestContextHandle context_;
};

}  // namespace certfs::openssl
