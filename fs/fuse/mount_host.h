// Where a daemon gets its mount from, and what it must ask somebody with more rights for: about the processes
// that call it, and to end the mount. In the same process (mount_point.h), or in the mounter
// (mounter_line.h). Private to fs/fuse.
//
// Thread-safety: as each says.

#pragma once

#include <sys/types.h>

#include "crypto/base/result.h"
#include "fs/fuse/connection.h"
#include "fs/volume.h"

namespace certfs {

struct Mounted {
  ConnectionParts parts;
  dev_t number = 0;  // Of the filesystem: what stat(2) calls st_dev; 0 where the kernel does not tell.
};

class MountHost {
 public:
  virtual ~MountHost() = default;

  // Mounts, or gives the mount that is there. One thread, once. Errors: kInvalidArgument, kBusy, kIo.
  virtual Result<Mounted> Connect() = 0;
  // Answers everybody who waits for the mount with an error and detaches it. Any thread.
  virtual void Abort() noexcept = 0;
  // What it can see of callers. Any thread.
  virtual const ProcessTable& processes() const = 0;
  // The process that keeps the mount; the mount has gone when it has.
  virtual pid_t process() const = 0;
};

}  // namespace certfs
