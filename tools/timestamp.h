// Times as RFC 3339 writes them, taken apart; crypto/base/time.h writes them.
//
// Thread-safety: pure functions.

#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "crypto/base/result.h"

namespace certfs {

// Reads "2026-01-31T12:00:00Z" or with an offset "+02:00" (RFC 3339, 5.6); fractions of a second are dropped.
// kInvalidArgument for anything else.
Result<std::chrono::sys_seconds> ParseTimestamp(std::string_view text);

}  // namespace certfs
