#include "store/record_codec.h"

#include "store/authority_record.h"
#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

namespace {

template <typename Container>
BytesView ViewOf(const Container& bytes) {
  if constexpr (std::is_same_v<Container, SecretBytes>) {
    return bytes.Reveal();
  } else {
    return bytes;
  }
}

// What decodes is encoded as it was, or where it was of an older format as what then stays so.
template <typename Decode, typename Encode>
void ThereAndBack(BytesView bytes, std::uint16_t newest, Decode&& decode, Encode&& encode) {
  const auto record = decode(bytes);
  if (!record.has_value()) {
    const ErrorCode code = record.error().code();
    PROPERTY(code == ErrorCode::kCorrupt || code == ErrorCode::kUnsupported);
    return;
  }
  NoteRead();
  const auto encoded = encode(record.value());
  if (Reader(bytes).U16() == newest) PROPERTY(AsText(ViewOf(encoded)) == AsText(bytes));
  const auto again = decode(ViewOf(encoded));
  PROPERTY(again.has_value());
  PROPERTY(AsText(ViewOf(encode(again.value()))) == AsText(ViewOf(encoded)));
}

}  // namespace

// The first byte says which record the rest is to be.
int FuzzRecord(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const BytesView bytes(data + 1, size - 1);
  switch (*data) {
    case 'm':
      ThereAndBack(bytes, 4, DecodeManifest, EncodeManifest);
      break;
    case 'p':
      ThereAndBack(bytes, 1, DecodeSettings, EncodeSettings);
      break;
    case 's':
      ThereAndBack(bytes, 2, DecodeStore, EncodeStore);
      break;
    case 'e':
      ThereAndBack(bytes, 3, DecodeEntry, EncodeEntry);
      break;
    case 'a':
      ThereAndBack(bytes, 1, DecodeAuthority, EncodeAuthority);
      break;
    case 'i':
      ThereAndBack(bytes, 1, DecodeIssued, EncodeIssued);
      break;
    default:
      return -1;
  }
  return 0;
}

}  // namespace certfs::fuzz
