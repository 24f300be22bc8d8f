#include "crypto/base/toml_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "crypto/base/utf8.h"

namespace certfs {

std::string EscapeBeyondAscii(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(Utf8Length(text), 1);
    if (length == 1) {
      escaped.push_back(text.front());
    } else {
      // The first byte has as many ones in front as the sequence has bytes, each other one six bits.
      std::uint32_t character = static_cast<std::uint8_t>(text.front()) & (0xFFU >> (length + 1));
      for (const char c : text.substr(1, length - 1))
        character = character << 6 | (static_cast<std::uint8_t>(c) & 0x3FU);
      const int digits = character > 0xFFFF ? 8 : 4;
      escaped += digits == 8 ? "\\U" : "\\u";
      for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
        escaped.push_back("0123456789ABCDEF"[character >> shift & 0xFU]);
    }
    text.remove_prefix(length);
  }
  return escaped;
}

}  // namespace certfs
