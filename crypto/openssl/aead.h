// One-shot AES-256-GCM with a zero IV, for keys that are used exactly once. Private to crypto/.

#pragma once

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs::openssl {

inline constexpr std::size_t kTagBytes = 16;

// Appends ciphertext and tag to `out`. `key` is 32 bytes, never used for any other message.
Result<void> EncryptOnce(BytesView key, BytesView aad, BytesView plaintext, Bytes& out);

// Returns the plaintext of `sealed` (ciphertext and tag), or kCorrupt.
Result<SecretBytes> DecryptOnce(BytesView key, BytesView aad, BytesView sealed);

}  // namespace certfs::openssl
