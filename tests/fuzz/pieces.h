// Takes an input apart into the choices that a target makes of it. What is missing at its end is zeros.

#pragma once

#include <algorithm>
#include <functional>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs::fuzz {

class Pieces {
 public:
  explicit Pieces(BytesView bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  std::uint8_t U8() {
    const BytesView taken = Take(1);
    return taken.empty() ? std::uint8_t{0} : taken[0];
  }
  std::uint16_t U16() {
    const unsigned high = U8();
    return static_cast<std::uint16_t>(high << 8 | U8());
  }
  std::uint64_t U64() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | U8();
    return value;
  }
  // As many as there are, at most `count`.
  BytesView Take(std::size_t count) {
    const BytesView taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  BytesView TakeAll() { return Take(rest_.size()); }

 private:
  BytesView rest_;
};

// Hands `bytes` out as a stream, `piece` of them at a time.
inline std::function<Result<std::size_t>(std::span<std::uint8_t>)> SourceOf(BytesView bytes,
                                                                            std::size_t piece) {
  return [bytes, piece](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
    const std::size_t count = std::min({bytes.size(), out.size(), piece});
    std::copy_n(bytes.begin(), count, out.begin());
    bytes = bytes.subspan(count);
    return count;
  };
}

}  // namespace certfs::fuzz
