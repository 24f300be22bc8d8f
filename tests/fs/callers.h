// The two callers of most tests.

#pragma once

#include "fs/volume.h"

namespace certfs::test {

inline const Caller kRoot{0, 0, 100};
inline const Caller kUser{1000, 1000, 200};

}  // namespace certfs::test
