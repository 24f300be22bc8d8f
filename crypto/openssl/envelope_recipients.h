// The recipients of an envelope: each RecipientInfo (RFC 5652, 6.2) holds the content key for one of them.
// Private to crypto/.
//
//   password     PasswordRecipientInfo: PBKDF2-HMAC-SHA-256, id-alg-PWRI-KEK with AES-256-CBC (RFC 3211)
//   RSA          KeyTransRecipientInfo: RSAES-OAEP with SHA-256, no label (RFC 3560, 4055)
//   EC           KeyAgreeRecipientInfo: dhSinglePass-stdDH-sha256kdf-scheme, AES-256 key wrap (RFC 5753,
//   3394)
//
// Thread-safety: free functions. Errors: kInternal when OpenSSL fails for reasons of its own; those named.

#pragma once

#include <cstdint>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"

namespace certfs::openssl {

inline constexpr std::size_t kContentKeyBytes = 32;

// A password or a key waits for at most this many rounds of PBKDF2: a file from outside says how many.
inline constexpr std::uint32_t kStretchRoundsMax = 5'000'000;

// Return the DER of one RecipientInfo. Its size follows from everything but the secrets. kRejected
// ("envelope-recipient") for a certificate that nothing can be encrypted to: neither RSA of 2048 to 16384
// bits nor EC on P-256, P-384 or P-521.
Result<Bytes> SealForPassword(const SecretBytes& password, std::uint32_t rounds,
                              const SecretBytes& content_key);
Result<Bytes> SealForCertificate(const Certificate& certificate, const SecretBytes& content_key);

// The same sizes without any of the work.
std::size_t PasswordRecipientBytes(std::uint32_t rounds);
Result<std::size_t> CertificateRecipientBytes(const Certificate& certificate);

// Return the content key that `recipients`, the content of a SET OF RecipientInfo, holds for the password or
// for the private key. kAccessDenied if for neither; kMalformed for what Seal... never makes, PBKDF2 rounds
// out of bounds included.
Result<SecretBytes> OpenWithPassword(BytesView recipients, const SecretBytes& password);
Result<SecretBytes> OpenWithKey(BytesView recipients, const PrivateKey& key);

// Returns which certificates `recipients` are for, as Certificate::IssuerAndSerial tells them, in the order
// of the file. kMalformed as above.
Result<std::vector<Bytes>> CertificatesAmong(BytesView recipients);

}  // namespace certfs::openssl
