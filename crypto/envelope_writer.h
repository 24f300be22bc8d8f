// Encrypting a message of any length for a password and for certificates: CMS AuthEnvelopedData (RFC 5083)
// with AES-256-GCM (RFC 5084), as a stream. `openssl cms -decrypt` opens what it writes.
//
// The form is DER with definite lengths: the size of the message is said beforehand, and that of the whole
// follows from it. What stands where is specified in crypto/README.md, "Envelopes".
//
// Thread-safety: a writer belongs to one thread at a time. Ownership: owns its keys, which are wiped with it.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/certificate.h"

namespace certfs {

// The rounds of PBKDF2 that a password costs: a seventh of a second, or half of one on an older machine.
inline constexpr std::uint32_t kEnvelopeRounds = 600'000;

// Who can open an envelope: at least one password or certificate.
struct EnvelopeRecipients {
  SecretBytes password;  // Empty: none.
  std::vector<Certificate> certificates;
  std::uint32_t rounds = kEnvelopeRounds;  // Only tests ask for fewer.
};

// Says whether a message can be encrypted to the certificate's key: kRejected ("envelope-recipient") unless
// that is RSA of 2048 to 16384 bits or EC on P-256, P-384 or P-521. Nothing else of it is judged.
Result<void> CheckEnvelopeRecipient(const Certificate& certificate);

// Returns the size of the envelope around a message of that size. Nothing is stretched or encrypted. Errors:
// as SealRecipients and EnvelopeWriter::Begin.
Result<std::uint64_t> MeasureEnvelope(const EnvelopeRecipients& recipients, std::uint64_t message_bytes);

// A new content key, encrypted for everyone.
struct SealedRecipients {
  Bytes encoding;
  SecretBytes content_key;
};
// Makes one. What a password costs is spent here, hence beside other work if the caller likes. Returns
// kPasswordRequired if there is no recipient, kRejected as CheckEnvelopeRecipient.
Result<SealedRecipients> SealRecipients(const EnvelopeRecipients& recipients);

// Takes what is written next; its failure is the writer's.
using EnvelopeSink = std::function<Result<void>(BytesView)>;

class EnvelopeWriter {
 public:
  // Writes what stands before the message, which will have exactly `message_bytes`. `recipients` are for this
  // message alone. Returns kTooLarge over 64 GiB less 32 bytes (SP 800-38D) or 1 MiB of recipients.
  static Result<EnvelopeWriter> Begin(SealedRecipients recipients, std::uint64_t message_bytes,
                                      EnvelopeSink sink);

  // Encrypts the next bytes of the message. kInvalidArgument if it becomes longer than was said.
  Result<void> Write(BytesView message);

  // Writes what stands behind the message. kInvalidArgument if it was shorter than was said.
  Result<void> Finish();

  EnvelopeWriter(EnvelopeWriter&&) noexcept;
  EnvelopeWriter& operator=(EnvelopeWriter&&) noexcept;
  ~EnvelopeWriter();

 private:
  struct State;
  explicit EnvelopeWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace certfs
