// The processes of a mount (fs/README.md, "A mount that outlives its daemon"): the one that was called, which
// asks for a secret and returns when the mount answers; the mounter; and its daemons, each in its turn.
//
// Thread-safety: main thread only.

#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "fs/fuse/mount_options.h"
#include "tools/exit_code.h"
#include "tools/mount_handover.h"
#include "tools/unlock.h"

namespace certfs {

struct MountPlan {
  MountOptions mount;
  UnlockOptions unlock;
  std::filesystem::path high_water;  // Absolute; empty for none.
  std::string log_level;             // Empty for what is usual.
  bool foreground = false;
};

// Mounts; with `handed`, goes on with the mount that was left to this process. Returns in each of the
// processes, with the code that it is to end with.
Result<ExitCode> RunMountProcesses(MountPlan plan, std::optional<HandedOver> handed);

}  // namespace certfs
