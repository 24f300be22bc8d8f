// AES-256-GCM (SP 800-38D) over a message that never lies in memory as a whole. Private to crypto/.
//
// Thread-safety: an object belongs to one thread at a time. Ownership: owns its context, which is scrubbed
// when it goes. Errors: kInternal when OpenSSL lacks the cipher; those that are named.

#pragma once

#include <array>
#include <cstdint>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

inline constexpr std::size_t kGcmTagBytes = 16;
inline constexpr std::size_t kGcmNonceBytes = 12;
// SP 800-38D, 5.2.1.1: what one nonce serves.
inline constexpr std::uint64_t kGcmBytesMax = (std::uint64_t{1} << 36) - 32;

using GcmTag = std::array<std::uint8_t, kGcmTagBytes>;

class GcmStream {
 public:
  // `key` is 32 bytes, `nonce` kGcmNonceBytes, the pair never used for another message. No associated data.
  static Result<GcmStream> Encrypt(BytesView key, BytesView nonce);
  static Result<GcmStream> Decrypt(BytesView key, BytesView nonce);

  // Turns the next bytes of the message into as many at `out`. Precondition: in.size() <= INT_MAX.
  Result<void> Update(BytesView in, std::uint8_t* out);

  // Ends a message that was encrypted.
  Result<GcmTag> Finish();
  // Ends one that was decrypted: kCorrupt unless `tag` is its tag. Nothing of it was to be trusted before.
  Result<void> Verify(const GcmTag& tag);

 private:
  explicit GcmStream(CipherContextHandle context) : context_(std::move(context)) {}
  static Result<GcmStream> Begin(BytesView key, BytesView nonce, int encrypt);

  CipherContextHandle context_;
};

}  // namespace certfs::openssl
