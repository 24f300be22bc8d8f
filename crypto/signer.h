// What signs: the seam behind which a private key lies. One that is in memory implements it; a token
// (PKCS#11) or a TPM can, because nothing is asked of it but signatures over bytes.
//
// Thread-safety: any thread may sign at any time. Ownership: a Signer owns its key. Errors: kInternal, or
// what the device says, as kIo.

#pragma once

#include <memory>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/private_key.h"

namespace certfs {

class Signer {
 public:
  virtual ~Signer() = default;

  // The public half.
  virtual const PublicKey& key() const noexcept = 0;

  // The DER of the AlgorithmIdentifier that its signatures bear (RFC 5280, 4.1.1.2): ECDSA with the digest as
  // strong as the curve (SHA-256 for P-256, SHA-384 for P-384, SHA-512 for P-521), RSASSA-PKCS1-v1_5 with
  // SHA-256, Ed25519.
  virtual BytesView algorithm() const noexcept = 0;

  // Returns the signature over `message`, as it stands in the BIT STRING of what is signed.
  virtual Result<Bytes> Sign(BytesView message) const = 0;
};

// A signer over a key in memory. kUnsupported for a key that signs no certificates (X25519, DSA).
Result<std::unique_ptr<Signer>> MakeSigner(PrivateKey key);

}  // namespace certfs
