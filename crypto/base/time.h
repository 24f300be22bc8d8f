// The one clock type that crosses a room's border. crypto/ never asks what time it is: callers say.

#pragma once

#include <chrono>

namespace certfs {

// Nanoseconds since 1970-01-01T00:00:00Z, as files carry them.
using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

}  // namespace certfs
