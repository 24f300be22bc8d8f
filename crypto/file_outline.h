// What files that were accepted once hold, taken apart by hand: enough to find them in order, a hundred times
// as fast as parsing what they mean. For backups: nothing here is judged. What cannot be taken apart so is
// parsed as when it was written (store_file.h), because BER and odd labels were let in then: whatever was
// accepted as a file of its kind has an outline.
//
// Thread-safety: free functions and values. Errors: kMalformed for what is no file of its kind.

#pragma once

#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs {

struct CertificateOutline {
  Bytes issuer;          // DER of the name.
  Bytes serial;          // DER of the number.
  Bytes public_key;      // DER of the SubjectPublicKeyInfo.
  Digest fingerprint{};  // SHA-256 over the whole.
  Bytes der;
};

// The certificates of a `cert.pem`, in its order.
Result<std::vector<CertificateOutline>> OutlineCertificates(BytesView pem);

// Says whether `key_pem`, a `key.pem`, is the private key of `certificate`. Compares public halves where both
// show theirs, and parses both wherever that does not find them equal.
Result<bool> OutlineMatches(BytesView key_pem, const CertificateOutline& certificate);

// Say whether it is one private key, one CRL, one certification request.
Result<void> OutlineKey(BytesView pem);
Result<void> OutlineRevocationList(BytesView pem);
Result<void> OutlineSigningRequest(BytesView pem);

}  // namespace certfs
