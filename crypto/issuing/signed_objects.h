// What certificates and CRLs have in common: times, and a body with its signature (RFC 5280, 4.1 and 5.1).
// Private to crypto/.
//
// Thread-safety: free functions.

#pragma once

#include <chrono>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/der.h"
#include "crypto/issuing.h"

namespace certfs::issuing {

// UTCTime until 2049, GeneralizedTime after (4.1.2.5).
void WriteTime(DerWriter<Bytes>& der, std::chrono::sys_seconds time);

// What a certificate says, but for its extensions.
struct CertificateFields {
  const SerialNumber& serial;
  BytesView algorithm;  // DER, of the signature.
  BytesView issuer;     // DER of the name.
  Validity validity;
  BytesView subject;  // DER of the name.
  BytesView key;      // DER of the SubjectPublicKeyInfo.
};

// Returns the DER of a TBSCertificate, version 3; `extensions` is DER elements one behind the other.
Bytes CertificateBody(const CertificateFields& fields, BytesView extensions);

// Returns the DER of a signed object: body, algorithm, signature.
Bytes Signed(BytesView body, BytesView algorithm, BytesView signature);

// Returns the identifier of a key: SHA-1 over the bits of the SubjectPublicKeyInfo (4.2.1.2, method 1).
Result<Bytes> KeyIdentifier(BytesView key);

}  // namespace certfs::issuing
