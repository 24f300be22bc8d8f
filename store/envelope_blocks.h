// The message of an envelope in blocks, as an archive is read. Private to store/.
//
// Thread-safety: belongs to one thread. Ownership: borrows the envelope. Errors: as EnvelopeReader.

#pragma once

#include "crypto/envelope_reader.h"

namespace certfs {

// Hands out the message of an envelope in whole blocks.
class EnvelopeBlocks {
 public:
  explicit EnvelopeBlocks(EnvelopeReader& envelope) : envelope_(envelope), block_(kBlockBytes) {}

  Result<BytesView> Next() {
    std::size_t filled = 0;
    while (filled < kBlockBytes && !ended_) {
      const std::size_t got = TRY(envelope_.Read({block_.data() + filled, kBlockBytes - filled}));
      ended_ = got == 0;
      filled += got;
    }
    return block_.Reveal().first(filled);
  }

  // Reads what is left, for the tag behind it.
  Result<void> Drain() {
    while (!ended_) TRY(Next());
    return {};
  }

 private:
  static constexpr std::size_t kBlockBytes = std::size_t{64} << 10;  // A multiple of 512: see ArchiveSource.

  EnvelopeReader& envelope_;
  SecretBytes block_;
  bool ended_ = false;
};

}  // namespace certfs
