// How much is logged, by the names that the command line and the settings have for it.
//
// Thread-safety: IsLogLevel is a pure function; SetLogLevel before the first thread.

#pragma once

#include <array>
#include <string>
#include <string_view>

namespace certfs {

inline constexpr std::array<const char*, 4> kLogLevels{"error", "warning", "info", "debug"};

bool IsLogLevel(std::string_view name);

// Makes `name`, one of kLogLevels, the least that is logged.
void SetLogLevel(const std::string& name);

}  // namespace certfs
