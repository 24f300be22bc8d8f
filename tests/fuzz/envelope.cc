#include "crypto/envelope_reader.h"

#include "crypto/store_file.h"
#include "tests/fuzz/pieces.h"
#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

// An envelope, by the key of a certificate, or behind a byte 'w' by a password. What is read to its end is
// as long as it said, however its source hands it out.
int FuzzEnvelope(const std::uint8_t* data, std::size_t size) {
  static const EnvelopeKey key = Have(ReadKeyFile(TestFile("vectors/recovery/p256.key"))).key;
  static const EnvelopeKey password = SecretBytes::CopyOf(AsBytes("correct horse battery"));
  if (size == 0) return 0;
  const BytesView input(data + 1, size - 1);
  const auto recipients = ReadEnvelopeRecipients(SourceOf(input, input.size()));
  if (recipients.has_value()) PROPERTY(ReadEnvelopeRecipients(SourceOf(input, 1)).has_value());
  auto reader = EnvelopeReader::Open(SourceOf(input, 61), *data == 'w' ? password : key);
  if (!reader.has_value()) return 0;
  std::uint64_t total = 0;
  for (;;) {
    Bytes part(1000);
    const auto got = reader.value().Read(part);
    if (!got.has_value()) return 0;
    PROPERTY(got.value() <= part.size());
    if (got.value() == 0) break;
    total += got.value();
  }
  NoteRead();
  PROPERTY(total == reader.value().message_bytes());
  return 0;
}

}  // namespace certfs::fuzz
