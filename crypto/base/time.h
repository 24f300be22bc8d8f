// The one clock type that crosses a room's border. crypto/ never asks what time it is: callers say.

#pragma once

#include <chrono>
#include <string>

namespace certfs {

// Nanoseconds since 1970-01-01T00:00:00Z, as files carry them.
using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

// Returns "2026-01-31T12:00:00Z" (RFC 3339, 5.6); of a Time the whole seconds.
std::string FormatTimestamp(std::chrono::sys_seconds when);
inline std::string FormatTimestamp(Time when) {
  return FormatTimestamp(std::chrono::floor<std::chrono::seconds>(when));
}

}  // namespace certfs
