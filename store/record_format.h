// What the codecs of sealed records have in common: the number of the format at the front, and the failures.
// Private to store/.
//
// Thread-safety: free functions.

#pragma once

#include <string>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/time.h"

namespace certfs {

inline Error DamagedRecord(std::string_view what) {
  return {ErrorCode::kCorrupt, "the record of " + std::string(what) + " does not decode"};
}

// Returns the format that a record begins with, at most `newest`. kCorrupt for none, kUnsupported for a newer
// one.
inline Result<std::uint16_t> ReadFormat(Reader& reader, std::uint16_t newest, std::string_view what) {
  const std::uint16_t format = reader.U16();
  if (!reader.ok() || format == 0) return DamagedRecord(what);
  if (format > newest) {
    return Error(ErrorCode::kUnsupported,
                 "the record of " + std::string(what) + " has format " + std::to_string(format) +
                     ": made by a newer certfs; this one knows " + std::to_string(newest));
  }
  return format;
}

inline Time TakeTime(Reader& reader) { return Time(std::chrono::nanoseconds(reader.I64())); }

// Bytes behind a length of 32 bits: certificates and keys may be longer than Prefixed takes.
template <typename Writer>
void WriteLong(Writer& writer, BytesView bytes) {
  writer.U32(static_cast<std::uint32_t>(bytes.size()));
  writer.Raw(bytes);
}
inline BytesView TakeLong(Reader& reader) { return reader.Raw(reader.U32()); }

// Takes what says whether something follows: 0 or 1, and nothing else.
inline bool TakeFlag(Reader& reader, bool& flag) {
  const std::uint8_t value = reader.U8();
  flag = value == 1;
  return value <= 1;
}

inline Bytes CopyOf(BytesView bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace certfs
