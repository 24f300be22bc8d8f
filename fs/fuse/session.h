// A mount: from mount(2) to the last request answered.
//
// Thread-safety: Run() on one thread; the rest from it. Errors: kBusy, kIo, kInvalidArgument with the reason.

#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "fs/fuse/waker_process.h"
#include "fs/volume.h"
#include "store/audit_log.h"

namespace certfs {

struct MountOptions {
  std::filesystem::path mountpoint;
  std::string source;        // What mountinfo shows as the source: the keystore's path.
  bool stores_only = false;  // -o subtree=stores
  bool read_only = false;    // -o ro
  AuditLimits audit;         // -o audit-mib=, audit-files=
  // Somebody, perhaps another process, has written to data.mdb. Called from a thread; may be empty.
  std::function<void()> written;
};

// Mounts and answers the kernel until the filesystem is unmounted or SIGTERM, SIGINT or SIGHUP arrives. Calls
// `ready` once, when the mount answers. The volume is made by Run, because it and the mount observe each
// other. Watchers are woken by `waker`, if it is running.
Result<void> RunMount(Keystore& keystore, const VolumeOptions& volume, const MountOptions& options,
                      WakerProcess waker, const std::function<void()>& ready);

// The real answers about callers, from /proc.
const ProcessTable& RealProcesses();

}  // namespace certfs
