// The one table from ErrorCode to errno.

#pragma once

#include "crypto/base/error.h"

namespace certfs {

// Returns the errno that `code` becomes at the mount.
int ToErrno(ErrorCode code) noexcept;

}  // namespace certfs
