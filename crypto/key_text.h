// A private key in words, its numbers included, as `openssl pkey -text` prints it.
//
// Thread-safety: a free function over immutable objects. Ownership: the text is as secret as the key; making
// it leaves digits of an RSA key in freed memory.

#pragma once

#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/private_key.h"

namespace certfs {

// Many lines. kInternal where OpenSSL cannot print the key.
Result<SecretBytes> FullText(const PrivateKey& key);

}  // namespace certfs
