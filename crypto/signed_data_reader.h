// Opening a signed message, as a stream: CMS SignedData (RFC 5652, 5) as a SignedDataWriter makes it, and as
// `openssl cms -sign -nodetach -binary -outform DER` does.
//
// Strict: DER, one signature, over signed attributes, by a certificate that comes along; nothing in it that
// nobody signed but the certificates, whose worth is the caller's to judge (crypto/judgement.h). Nothing that
// it returns is to be trusted before Read has returned 0: the signature stands at the end of the message.
//
// Thread-safety: a reader belongs to one thread at a time. Ownership: owns its buffers.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/certificate.h"

namespace certfs {

// What a file that begins so is; enough of it are its first 64 bytes.
enum class MessageKind { kSigned, kEncrypted, kEncryptedByOthers, kPem, kOther };
MessageKind MessageKindOf(BytesView start);

// Puts at least one byte into what it is given, and returns how many; 0 at the end. Its failure is the
// reader's.
using SignedDataSource = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;

// Who signed a message, as far as the signature tells.
struct MessageSigner {
  Certificate certificate;                            // Its key made the signature.
  std::vector<Certificate> others;                    // What came along, in no order; at most 31.
  std::optional<std::chrono::sys_seconds> signed_at;  // By the signer's own word.
  std::string algorithm;                              // "ECDSA with SHA256".
};

class SignedDataReader {
 public:
  // Reads what stands before the message. Returns kMalformed if it is no SignedData, not DER, without a
  // message inside, or with a digest other than one of SHA-256, SHA-384 and SHA-512; and what `source`
  // returns.
  static Result<SignedDataReader> Open(SignedDataSource source);

  // How long the message is said to be.
  std::uint64_t message_bytes() const;

  // Returns how many of the next bytes of the message it has put into `out`, which is not empty. 0 means that
  // the message was read to its end, that the signature is one over it, and that nothing follows.
  //
  // kMalformed if it ends too early, if anything follows, or if what stands behind the message is not in the
  // form that is taken: over 1 MiB, no signature or more than one, no certificate of the signer, over 32
  // certificates, unsigned attributes, CRLs. kRejected if the message is not what was signed
  // ("message-changed"), the signature does not verify ("signature-invalid"), the signer's keyUsage allows no
  // signatures
  // ("signer-key-usage"), or by the row of the rules table that refuses its key.
  Result<std::size_t> Read(std::span<std::uint8_t> out);

  // Precondition: Read has returned 0.
  const MessageSigner& signer() const;

  SignedDataReader(SignedDataReader&&) noexcept;
  SignedDataReader& operator=(SignedDataReader&&) noexcept;
  ~SignedDataReader();

 private:
  struct State;
  explicit SignedDataReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace certfs
