// How a mount comes to another program: a newer certfs after an upgrade (SIGUSR2), or the service that
// systemd starts anew (its file descriptor store). What goes over are the descriptors that keep the mount,
// and the secret where it cannot be read again.
//
// Thread-safety: main thread only. Ownership: as with descriptors everywhere.

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fs/fuse/mount_point.h"

namespace certfs {

struct HandedOver {
  ConnectionParts parts;
  Descriptor secret;        // A pipe that holds it; none where it is read again.
  bool by_program = false;  // By the program that was this process; else by systemd.
};

// Takes what was left to this process, and removes it from the environment. Nothing where nothing was.
std::optional<HandedOver> TakeHandedOver();

// Replaces this program by the one at `program`, run with `words`, which resumes the mount of `point`.
// Returns, with the reason, only if that cannot be done; then nothing has changed.
Error ReplaceProgram(const std::filesystem::path& program, const std::vector<std::string>& words,
                     const MountPoint& point, int secret);

// Leaves the descriptors of `point` with systemd, where this is a service of it that may
// (FileDescriptorStoreMax=); and takes them back, once the mount has ended.
void StoreWithManager(const MountPoint& point);
void RemoveFromManager();

}  // namespace certfs
