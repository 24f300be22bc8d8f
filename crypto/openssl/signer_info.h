// What stands behind a signed message: the certificates, and the signature (RFC 5652, 5.1 and 5.3). Private
// to crypto/.
//
// Thread-safety: free functions; a digest belongs to one thread. Leave the error queue empty.

#pragma once

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/signed_data_format.h"
#include "crypto/signed_data_reader.h"

namespace certfs::openssl {

// Returns the one digest in `digests`, the content of the SET digestAlgorithms. kMalformed for none, several,
// or one that is not taken.
Result<const SignedDigest*> ReadDigests(BytesView digests);

// A digest over what comes piece by piece.
class MessageDigest {
 public:
  static Result<MessageDigest> Begin(const SignedDigest& digest);
  Result<void> Add(BytesView message);
  // Of all that was added. Nothing may be added afterwards.
  Result<Bytes> Finish();

 private:
  MessageDigest(DigestContextHandle context, std::size_t bytes)
      : context_(std::move(context)), bytes_(bytes) {}

  DigestContextHandle context_;
  std::size_t bytes_;
};

// Reads `tail` and verifies the signature in it over a message whose digest is `digest`. Errors as
// SignedDataReader::Read has them.
Result<MessageSigner> VerifySignature(BytesView tail, const SignedDigest& algorithm, BytesView digest);

}  // namespace certfs::openssl
