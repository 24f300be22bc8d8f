// The certfs mounts of this machine, and which of them a command means.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "tools/system.h"

namespace certfs {

struct Mount {
  std::filesystem::path mountpoint;
  std::string source;  // The keystore's path.
};

// Returns those of this process's mount namespace, newest last. Bind mounts of a part of one are left out.
Result<std::vector<Mount>> FindMounts();

// Names the mount to use where no option does: for tools whose command lines are older than certfs.
inline constexpr auto kMountVariable = "CERTFS_MOUNT";

// Returns the mount that a command means: the one at `option`, else at $CERTFS_MOUNT, else the only one, else
// the one that the current directory is in.
// kNotFound if there is none; kInvalidArgument if there are several to choose from.
Result<Mount> ChooseMount(const std::string& option);

// Says whether the daemon of `mount` died and left it behind: nothing can be reached through it any more.
bool IsDead(const Mount& mount);

// Returns a descriptor of the process that keeps the mount at `mountpoint`, readable when it has ended, and
// with it the mount (pidfd_open(2)); none if it cannot be told.
Descriptor OpenMounter(const std::filesystem::path& mountpoint);

// Returns `path` as mountinfo would show it. Only its parent is asked for, so that a mount that is dead, or
// hangs, still has a path.
Result<std::filesystem::path> MountpointPath(const std::filesystem::path& path);

// Returns the directory that holds the stores: MOUNT/stores, or MOUNT itself under -o subtree=stores.
std::filesystem::path StoresOf(const Mount& mount);

}  // namespace certfs
