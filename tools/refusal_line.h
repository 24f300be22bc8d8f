// A line of status/why and status/errors.log, taken apart (fs/refusals.h writes them).
//
// Thread-safety: pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/base/error.h"

namespace certfs {

struct RefusalLine {
  std::string time;  // RFC 3339.
  std::string path;  // From the root of the mount.
  std::string code;  // "rejected".
  std::string rule;  // The id of the rule that refused; empty where it was none.
  std::string message;
  std::uint32_t uid = 0;
  std::int32_t process = 0;
  std::string program;  // Empty where it was not known.
};

// The code that such a line calls by `word`, "rejected".
std::optional<ErrorCode> CodeOf(std::string_view word);

// Returns nothing for what is no such line.
std::optional<RefusalLine> ParseRefusal(std::string_view line);

}  // namespace certfs
