// What a daemon does with a mount: answers the kernel, from the first request to the last, or until it hands
// over to a successor.
//
// Thread-safety: RunMount() on one thread; the rest from it. Errors: kBusy, kIo, kInvalidArgument with the
// reason.

#pragma once

#include <functional>

#include "fs/fuse/mount_options.h"
#include "fs/fuse/mount_point.h"
#include "fs/fuse/waker_process.h"
#include "fs/volume.h"

namespace certfs {

// How it came to an end.
enum class MountEnd {
  kEnded,      // It was unmounted, or this process got SIGTERM, SIGINT or SIGHUP: it is to be unmounted.
  kHandedOver  // SIGUSR2: the mount is there, and a successor is to answer.
};

// Answers the kernel for the mount of `host`. Calls `ready` once, when the mount answers. The volume is made
// here, because it and the mount observe each other. Watchers are woken by `waker`, if it is running.
//
// SIGUSR2 is blocked for good: call before there is any other thread.
Result<MountEnd> RunMount(Keystore& keystore, const VolumeOptions& volume, const MountOptions& options,
                          MountHost& host, WakerProcess waker, const std::function<void()>& ready);

}  // namespace certfs
