// Signing a message of any length: CMS SignedData (RFC 5652, 5) with the message inside, which
// `openssl cms -verify` opens.
//
// DER with definite lengths, always in one form (crypto/README.md, "Signed messages"). The message goes by
// once to be digested; what stands before it and behind it is known when it has ended, so that whoever has
// kept the message writes the three one after the other.
//
// Thread-safety: a writer belongs to one thread at a time. Ownership: owns its key until it has signed.

#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"

namespace certfs {

// What encloses a message.
struct SignedMessageEnds {
  Bytes head;
  Bytes tail;
};

class SignedDataWriter {
 public:
  // `chain` begins with the certificate that signs, whose key is `key`; all of it is attached. `when` is said
  // to be the time. Returns kInvalidArgument if `chain` is empty or its first certificate is not of that key,
  // kUnsupported for a key that is neither RSA nor EC on P-256, P-384 or P-521, kRejected
  // ("signer-key-usage") if its keyUsage allows no signatures.
  static Result<SignedDataWriter> Begin(std::vector<Certificate> chain, PrivateKey key,
                                        std::chrono::sys_seconds when);

  // The next bytes of the message.
  void Add(BytesView message);

  // Signs what was added. Call once, last. kInternal where OpenSSL cannot.
  Result<SignedMessageEnds> Finish();

  SignedDataWriter(SignedDataWriter&&) noexcept;
  SignedDataWriter& operator=(SignedDataWriter&&) noexcept;
  ~SignedDataWriter();

 private:
  struct State;
  explicit SignedDataWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace certfs
