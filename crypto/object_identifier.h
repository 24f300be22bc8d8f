// Object identifiers (X.660), encoded by the compiler.
//
// Thread-safety: values.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "crypto/base/bytes.h"

namespace certfs {

// An object identifier, from its dotted text ("1.2.840.113549.1.7.1"). For constants: text that is none does
// not compile there, and aborts elsewhere.
class ObjectIdentifier {
 public:
  constexpr explicit ObjectIdentifier(std::string_view dotted) {
    const std::uint64_t root = Arc(dotted);
    const std::uint64_t second = Arc(dotted);
    if (root > 2 || (root < 2 && second > 39)) std::abort();
    Put(root * 40 + second);
    while (!dotted.empty()) Put(Arc(dotted));
  }

  // The content octets (X.690, 8.19), without tag and length.
  constexpr BytesView content() const { return {bytes_.data(), size_}; }

  // Says whether `content`, as a reader gives it, is this identifier.
  constexpr bool Is(BytesView content) const { return std::ranges::equal(content, this->content()); }

 private:
  // Takes the first number, and the dot behind it, off `dotted`.
  static constexpr std::uint64_t Arc(std::string_view& dotted) {
    std::size_t i = 0;
    std::uint64_t value = 0;
    for (; i < dotted.size() && dotted[i] != '.'; ++i) {
      if (dotted[i] < '0' || dotted[i] > '9' || value > UINT32_MAX) std::abort();
      value = value * 10 + static_cast<std::uint64_t>(dotted[i] - '0');
    }
    if (i == 0 || i + 1 == dotted.size()) std::abort();
    dotted.remove_prefix(i < dotted.size() ? i + 1 : i);
    return value;
  }

  constexpr void Put(std::uint64_t arc) {
    int shift = 0;
    while (arc >> (shift + 7) != 0) shift += 7;
    for (; shift >= 0; shift -= 7) {
      if (size_ == bytes_.size()) std::abort();
      bytes_[size_++] = static_cast<std::uint8_t>((arc >> shift & 0x7F) | (shift > 0 ? 0x80 : 0));
    }
  }

  std::array<std::uint8_t, 24> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace certfs
