// Private keys that a password protects, one at a time. Private to crypto/. Leaves the error queue empty.

#pragma once

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/openssl/pkcs12_decryption.h"

namespace certfs::openssl {

// The encoding of a PKCS#8 structure; empty where there is none.
SecretBytes EncodedPkcs8(const PKCS8_PRIV_KEY_INFO* info);

// Says whether a passphrase can be stretched as `encrypted` asks: its numbers stand in a file from outside,
// and are obeyed before anything of it is checked. kUnsupported for more than kStretchRoundsMax rounds, and
// for scrypt (RFC 7914) of more than some seconds.
Result<void> CheckStretching(const X509_SIG* encrypted);

// Returns the PKCS#8 that `encrypted` holds. The errors of Pkcs12Decryption.
Result<SecretBytes> DecryptKey(const X509_SIG* encrypted, Pkcs12Decryption& decryption);

// Returns the PKCS#8 within an EncryptedPrivateKeyInfo (RFC 5958, 3). kMalformed if it is none; the errors of
// Pkcs12Decryption.
Result<SecretBytes> DecryptPkcs8(BytesView der, Pkcs12Decryption& decryption);

// Returns, as PKCS#8, the key of a PEM block with RFC 1421 encryption headers (Proc-Type: 4,ENCRYPTED).
// kPasswordRequired if `password` is empty, kAccessDenied if it is another.
Result<SecretBytes> DecryptTraditional(BytesView pem, const SecretBytes& password);

}  // namespace certfs::openssl
