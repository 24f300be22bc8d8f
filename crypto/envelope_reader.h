// Opening what an EnvelopeWriter wrote, as a stream: for the password, or for the private key of a
// certificate that it was encrypted to.
//
// Strict: takes the one form that the writer makes, and nothing that other programs may have made of CMS.
// Nothing that it returns is to be trusted before Read has returned 0: the tag over the whole message stands
// at its end.
//
// Thread-safety: a reader belongs to one thread at a time. Ownership: owns its keys, which are wiped with it.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/private_key.h"

namespace certfs {

// Puts at least one byte into what it is given, and returns how many; 0 at the end. Its failure is the
// reader's.
using EnvelopeSource = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;

// What opens an envelope: its password, or the key of one of its certificates.
using EnvelopeKey = std::variant<SecretBytes, PrivateKey>;

// Returns which certificates an envelope is encrypted to, as Certificate::IssuerAndSerial tells them. Errors
// as EnvelopeReader::Open. Nobody vouches for what it says: it is for finding a key to try.
Result<std::vector<Bytes>> ReadEnvelopeRecipients(EnvelopeSource source);

class EnvelopeReader {
 public:
  // Reads what stands before the message. Returns kMalformed if it is no envelope, or not in the writer's
  // form, rounds of PBKDF2 over 5,000,000 and recipients over 1 MiB included; kAccessDenied if `key` opens
  // it not; kCorrupt if it ends too early; and what `source` returns.
  static Result<EnvelopeReader> Open(EnvelopeSource source, const EnvelopeKey& key);

  // The same for a second reading of what `first` has opened, at no cost of the password. kCorrupt if another
  // envelope stands there by now.
  static Result<EnvelopeReader> OpenAgain(EnvelopeSource source, const EnvelopeReader& first);

  // How long the message is said to be.
  std::uint64_t message_bytes() const;

  // Returns how many of the next bytes of the message it has put into `out`, which is not empty. 0 means that
  // the message was read to its end, that its tag fits and that nothing follows it. kCorrupt if it ends too
  // early, if the tag does not fit or if bytes follow it.
  Result<std::size_t> Read(std::span<std::uint8_t> out);

  EnvelopeReader(EnvelopeReader&&) noexcept;
  EnvelopeReader& operator=(EnvelopeReader&&) noexcept;
  ~EnvelopeReader();

 private:
  struct State;
  explicit EnvelopeReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace certfs
