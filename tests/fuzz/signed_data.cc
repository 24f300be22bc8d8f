#include "crypto/signed_data_reader.h"

#include "tests/fuzz/pieces.h"
#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

namespace {

// The message of what is signed well; nothing for anything else.
std::optional<Bytes> Verified(BytesView input, std::size_t piece) {
  auto reader = SignedDataReader::Open(SourceOf(input, piece));
  if (!reader.has_value()) return std::nullopt;
  Bytes message;
  for (;;) {
    Bytes part(piece + 1);
    const auto got = reader.value().Read(part);
    if (!got.has_value()) return std::nullopt;
    if (got.value() == 0) break;
    message.insert(message.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(got.value()));
  }
  PROPERTY(message.size() == reader.value().message_bytes());
  PROPERTY(reader.value().signer().others.size() <= 31 && !reader.value().signer().algorithm.empty());
  return message;
}

}  // namespace

// A signed message verifies, or does not, however its source hands it out. Nobody here can sign: all that
// verifies are the messages that the corpus was made with.
int FuzzSignedData(const std::uint8_t* data, std::size_t size) {
  const BytesView input(data, size);
  const MessageKind kind = MessageKindOf(input.first(std::min<std::size_t>(size, 64)));
  const auto message = Verified(input, 4096);
  PROPERTY(Verified(input, 3) == message);
  if (message) {
    NoteRead();
    PROPERTY(kind == MessageKind::kSigned);
    PROPERTY(AsText(*message) == "what is signed\n");
  }
  return 0;
}

}  // namespace certfs::fuzz
