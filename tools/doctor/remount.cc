#include "tools/doctor/remount.h"

#include <mntent.h>

#include <cstdio>
#include <memory>
#include <string_view>
#include <system_error>

#include "fs/fuse/mount_table.h"
#include "tools/doctor/findings.h"
#include "tools/system.h"

namespace certfs::doctor {

namespace {

namespace fs = std::filesystem;

struct CloseFstab {
  void operator()(std::FILE* file) const noexcept { endmntent(file); }
};

bool IsInFstab(const fs::path& fstab, const fs::path& mountpoint) {
  const std::unique_ptr<std::FILE, CloseFstab> file(setmntent(fstab.c_str(), "re"));
  if (!file) return false;
  while (const mntent* const line = getmntent(file.get())) {
    const std::string_view type = line->mnt_type;
    if ((type == "certfs" || type == kMountType) && TidyPath(line->mnt_dir) == mountpoint) return true;
  }
  return false;
}

}  // namespace

std::string MountCommand(const fs::path& keystore, const fs::path& mountpoint,
                         const MachineSettings& settings, const fs::path& fstab) {
  for (const MountSettings& each : settings.mounts) {
    std::error_code failure;
    if (TidyPath(each.mountpoint) == mountpoint && fs::equivalent(each.keystore, keystore, failure))
      return "certfs mount " + Word(each.name);
  }
  if (IsInFstab(fstab, mountpoint)) return "mount " + Word(mountpoint);
  return "certfs mount " + Word(keystore) + " " + Word(mountpoint) + ", with the options it had";
}

std::string MountCommand(const fs::path& keystore, const fs::path& mountpoint) {
  // Settings that cannot be read are for `certfs mount` to complain about.
  auto settings = ReadMachineSettings({});
  return MountCommand(keystore, mountpoint,
                      settings.has_value() ? std::move(settings).value() : MachineSettings(), _PATH_MNTTAB);
}

}  // namespace certfs::doctor
