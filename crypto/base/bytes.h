// Byte strings, and the one way that certfs writes numbers and strings into them.
//
// Thread-safety: values. Errors: a Reader remembers that it ran out and yields zeros from then on, so that a
// decoder checks once, at its end.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace certfs {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

// A SHA-256 value (FIPS 180-4). All zeros stands for "nothing".
using Digest = std::array<std::uint8_t, 32>;

// Returns a view of `text`, which must outlive it.
inline BytesView AsBytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Returns a view of `bytes` as characters; the bytes must outlive it.
inline std::string_view AsText(BytesView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Returns two lower-case hexadecimal digits a byte.
std::string ToHex(BytesView bytes);

// Appends big-endian integers and length-prefixed strings to a container of bytes: Bytes, or SecretBytes
// where what is written is a secret.
template <typename Container>
class Writer {
 public:
  explicit Writer(Container& out) : out_(out) {}

  void U8(std::uint8_t value) { Put(value, 1); }
  void U16(std::uint16_t value) { Put(value, 2); }
  void U32(std::uint32_t value) { Put(value, 4); }
  void U64(std::uint64_t value) { Put(value, 8); }
  void I64(std::int64_t value) { Put(static_cast<std::uint64_t>(value), 8); }
  void Raw(BytesView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

  // Precondition: bytes.size() < 65536.
  void Prefixed(BytesView bytes) {
    U16(static_cast<std::uint16_t>(bytes.size()));
    Raw(bytes);
  }

 private:
  void Put(std::uint64_t value, int width) {
    for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) {
      out_.push_back(static_cast<std::uint8_t>(value >> shift));
    }
  }

  Container& out_;
};

// Takes apart what a Writer wrote. Borrows its input.
class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}

  std::uint8_t U8() { return static_cast<std::uint8_t>(Number(1)); }
  std::uint16_t U16() { return static_cast<std::uint16_t>(Number(2)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Number(4)); }
  std::uint64_t U64() { return Number(8); }
  std::int64_t I64() { return static_cast<std::int64_t>(Number(8)); }

  // Returns the next `count` bytes, or nothing when fewer remain.
  BytesView Raw(std::size_t count);
  BytesView Prefixed() { return Raw(U16()); }

  // Fills `out` from the input; zeros when too little remains.
  template <std::size_t N>
  void Fill(std::array<std::uint8_t, N>& out) {
    const BytesView bytes = Raw(N);
    for (std::size_t i = 0; i < N; ++i) out[i] = bytes.empty() ? std::uint8_t{0} : bytes[i];
  }

  // Says whether every read so far found its bytes.
  bool ok() const noexcept { return ok_; }
  // Says whether, besides, nothing is left over.
  bool done() const noexcept { return ok_ && rest_.empty(); }

 private:
  std::uint64_t Number(std::size_t width);

  BytesView rest_;
  bool ok_ = true;
};

}  // namespace certfs
