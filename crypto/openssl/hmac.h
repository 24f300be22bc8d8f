// HMAC (RFC 2104) on a context that is made once a thread. Private to crypto/.
//
// libcrypto's own one-shot function looks its algorithms up, and makes three contexts, on every call: more
// than twice the work of hashing a short message. The context is scrubbed after each use, since what it
// hashed was a key.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>

#include "crypto/base/bytes.h"

namespace certfs::openssl {

enum class Hash { kSha256, kSha512 };

// Writes the MAC over the concatenation of `parts` to `out`, which is as long as the hash (32 or 64 bytes).
// Returns false when OpenSSL lacks the hash; `out` is then not to be used.
bool Hmac(Hash hash, BytesView key, std::initializer_list<BytesView> parts, std::span<std::uint8_t> out);

}  // namespace certfs::openssl
