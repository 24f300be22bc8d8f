#include "crypto/pem.h"

#include <algorithm>

#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

// What is split into blocks may begin as it does, lies within the input in order, and each block is written
// and read again as what it was.
int FuzzPem(const std::uint8_t* data, std::size_t size) {
  const BytesView input(data, size);
  const bool may_begin = MayBegin(input);
  if (may_begin) {
    // A writer sends as much at a time as it likes.
    for (std::size_t part = 0; part < std::min<std::size_t>(size, 64); ++part)
      PROPERTY(MayBegin(input.first(part)));
  }
  const auto blocks = ReadPem(input);
  if (!blocks.has_value()) return 0;
  PROPERTY(may_begin);
  PROPERTY(!blocks.value().empty() && blocks.value().size() <= 64);
  std::size_t at = 0;
  for (const PemBlock& block : blocks.value()) {
    PROPERTY(block.text_at == at && block.text_at <= block.begin && block.begin < block.end);
    PROPERTY(block.end <= size);
    at = block.end;
    PROPERTY(!block.body.empty() && block.label.size() <= 64);
    if (block.encrypted) continue;
    const SecretBytes text = WritePem(block.label, block.body.Reveal());
    const auto again = ReadPem(text.Reveal());
    PROPERTY(again.has_value() && again.value().size() == 1);
    PROPERTY(again.value().front().label == block.label);
    PROPERTY(EqualSecrets(again.value().front().body.Reveal(), block.body.Reveal()));
  }
  NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
