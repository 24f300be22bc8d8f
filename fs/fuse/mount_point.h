// A mount: from mount(2), or from whoever kept its device, to its end. It needs the rights to mount: those of
// root, or fusermount3. Private to fs/fuse.
//
// Thread-safety: one thread, save Abort() and processes(). Ownership: owns the mount: it ends with it, unless
// it is left.

#pragma once

#include <memory>
#include <string>

#include "fs/fuse/mount_host.h"
#include "fs/fuse/mount_options.h"

namespace certfs {

class MountPoint final : public MountHost {
 public:
  // One that Connect() mounts.
  explicit MountPoint(MountOptions options) : options_(std::move(options)) {}
  // One that is there: its device and its page were kept. kBusy if something else is mounted there by now.
  static Result<std::unique_ptr<MountPoint>> Resume(MountOptions options, ConnectionParts parts);
  ~MountPoint() override;
  MountPoint(const MountPoint&) = delete;
  MountPoint& operator=(const MountPoint&) = delete;

  Result<Mounted> Connect() override;
  void Abort() noexcept override;
  const ProcessTable& processes() const override;
  pid_t process() const override;

  // Whether it is mounted, as far as this process knows.
  bool is_mounted() const noexcept { return parts_.device.open(); }
  // Whether somebody has unmounted it, or it was aborted.
  bool HasEnded() const;
  std::string mountpoint() const { return options_.mountpoint.string(); }
  // Leaves it mounted: another process has what it takes.
  void Leave() noexcept { parts_ = {}; }
  const ConnectionParts& parts() const noexcept { return parts_; }

 private:
  Result<void> Mount();
  bool IsOnTop() const;

  const MountOptions options_;
  ConnectionParts parts_;
  int id_ = 0;  // Of the mount; 0 where the kernel does not tell.
  dev_t number_ = 0;
};

}  // namespace certfs
