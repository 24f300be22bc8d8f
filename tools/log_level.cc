#include "tools/log_level.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace certfs {

bool IsLogLevel(std::string_view name) {
  return std::find(kLogLevels.begin(), kLogLevels.end(), name) != kLogLevels.end();
}

// spdlog has the same names.
void SetLogLevel(const std::string& name) { spdlog::set_level(spdlog::level::from_str(name)); }

}  // namespace certfs
