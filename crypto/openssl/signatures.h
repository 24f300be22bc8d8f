// What a signature's algorithm is worth. Private to crypto/.

#pragma once

#include <openssl/objects.h>

namespace certfs::openssl {

// Says whether collisions of that digest (a NID) can be made, so that a signature over it may be a signature
// over something else (RFC 6151). SHA-1 has rows of its own.
constexpr bool IsBrokenDigest(int digest) {
  return digest == NID_md5 || digest == NID_md4 || digest == NID_md2 || digest == NID_mdc2;
}

}  // namespace certfs::openssl
