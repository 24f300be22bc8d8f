#include "crypto/base/bytes.h"

namespace certfs {

std::string ToHex(BytesView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

BytesView Reader::Raw(std::size_t count) {
  if (!ok_ || rest_.size() < count) {
    ok_ = false;
    return {};
  }
  const BytesView taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  return taken;
}

std::uint64_t Reader::Number(std::size_t width) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : Raw(width)) value = value << 8 | byte;
  return value;
}

}  // namespace certfs
