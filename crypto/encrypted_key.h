// Private keys that a passphrase protects: read by tools, which have somebody to ask for it.
//
// Thread-safety: a free function over its arguments.

#pragma once

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/private_key.h"

namespace certfs {

// Reads one private key from `file`: PKCS#8's EncryptedPrivateKeyInfo (RFC 5958, 3), as PEM or DER, or PEM
// with the encryption headers of RFC 1421. One that is not encrypted needs none. Returns kAccessDenied for a
// wrong passphrase, from which damage cannot be told; kUnsupported for a passphrase that is stretched by more
// than 5,000,000 rounds, or by scrypt of more than N * r * p = 2^23; kMalformed for what is no encrypted key
// ("unreadable") or has something behind it ("trailing-data"); and what ReadKeyFile returns for any other
// file.
Result<PrivateKey> DecryptKeyFile(BytesView file, const SecretBytes& passphrase);

}  // namespace certfs
