// What /proc says about the callers of a mount, as far as this process may see it. Private to fs/fuse.
//
// Thread-safety: any thread.

#pragma once

#include "fs/volume.h"

namespace certfs {

const ProcessTable& RealProcesses();

}  // namespace certfs
