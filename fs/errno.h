// The one table from ErrorCode to errno.

#pragma once

#include <string_view>

#include "crypto/base/error.h"

namespace certfs {

// Returns the errno that `code` becomes at the mount.
int ToErrno(ErrorCode code) noexcept;

// Returns its name: "EKEYREJECTED".
std::string_view ErrnoName(ErrorCode code) noexcept;

}  // namespace certfs
