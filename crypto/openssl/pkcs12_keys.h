// The arithmetic beneath PKCS#12: keys from passwords, ciphers in CBC, the MAC. Private to crypto/.
//
// Algorithms go by OpenSSL's names ("SHA256", "AES-256-CBC"), and come from the default provider: what only
// the legacy one has is not for us to write. Leaves the error queue empty.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"

struct ossl_lib_ctx_st;

namespace certfs::openssl {

// What a derived value is for (RFC 7292, appendix B.3).
enum class Pkcs12Use : std::uint8_t { kKey = 1, kIv = 2, kMac = 3 };

// `password`, valid UTF-8, as the key derivation of RFC 7292 takes it: a BMPString with two zeros behind it.
SecretBytes Pkcs12PasswordBytes(const SecretBytes& password);

// RFC 7292, appendix B.2. `password` is what Pkcs12PasswordBytes returned. kInternal where OpenSSL cannot.
Result<SecretBytes> DerivePkcs12(const char* digest, const SecretBytes& password, BytesView salt,
                                 std::uint32_t iterations, Pkcs12Use use, std::size_t size);

// PBKDF2 (RFC 8018, 5.2) with HMAC. kInternal where OpenSSL cannot.
Result<SecretBytes> DerivePbkdf2(const char* digest, BytesView password, BytesView salt,
                                 std::uint32_t iterations, std::size_t size);

inline constexpr std::size_t kCipherSlack = 32;

// Appends the ciphertext of `plaintext`, padded to whole blocks (RFC 8018, 6.1.1), to `out`.
Result<void> EncryptCbc(const char* cipher, const SecretBytes& key, BytesView iv, BytesView plaintext,
                        Bytes& out);

// Decrypts into `out`, which holds ciphertext.size() + kCipherSlack bytes, and returns how many it wrote.
// `library` is where the cipher comes from, null for the default provider. kAccessDenied if the padding is
// wrong: another key, or damage; kUnsupported if there is no such cipher.
Result<std::size_t> Decrypt(ossl_lib_ctx_st* library, const char* cipher, const SecretBytes& key,
                            BytesView iv, BytesView ciphertext, std::span<std::uint8_t> out);

// HMAC of any digest.
Result<Bytes> MacOf(const char* digest, const SecretBytes& key, BytesView message);

}  // namespace certfs::openssl
