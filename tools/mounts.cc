#include "tools/mounts.h"

#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <utility>

#include "fs/fuse/attribute_names.h"
#include "fs/fuse/mount_table.h"

namespace certfs {

Result<std::vector<Mount>> FindMounts() {
  std::vector<Mount> mounts;
  for (MountTableEntry& entry : TRY(ReadMountTable())) {
    if (entry.type != kMountType || entry.root != "/") continue;
    mounts.push_back({std::move(entry.mountpoint), std::move(entry.source)});
  }
  return mounts;
}

Result<Mount> ChooseMount(const std::string& option) {
  std::vector<Mount> mounts = TRY(FindMounts());
  const char* const environment = getenv(kMountVariable);
  const std::string named = option.empty() && environment != nullptr ? environment : option;
  if (!named.empty()) {
    const std::filesystem::path path = TRY(MountpointPath(named));
    for (Mount& mount : mounts) {
      if (mount.mountpoint == path) return std::move(mount);
    }
    return Error(ErrorCode::kNotFound, path.string() + ": is not a certfs mount");
  }
  if (mounts.empty()) return Error(ErrorCode::kNotFound, "no certfs filesystem is mounted");
  if (mounts.size() > 1) {
    // Whoever works in one of them means that one.
    std::error_code nowhere;
    const std::string here = std::filesystem::current_path(nowhere).string() + "/";
    for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
      if (here.starts_with(mount->mountpoint.string() + "/")) return std::move(*mount);
    }
    std::string words = "several certfs filesystems are mounted; name one with --mount, or in CERTFS_MOUNT:";
    for (const Mount& mount : mounts) words += " " + mount.mountpoint.string();
    return Error(ErrorCode::kInvalidArgument, words);
  }
  return std::move(mounts.front());
}

// What stat shows may be cached, and outlive the daemon for a moment; statfs is always asked of it.
bool IsDead(const Mount& mount) {
  struct statfs usage {};
  return statfs(mount.mountpoint.c_str(), &usage) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

Result<std::filesystem::path> MountpointPath(const std::filesystem::path& path) {
  constexpr int kLinksMax = 40;  // As many as the kernel follows.
  std::filesystem::path tidy = TidyPath(path);
  for (int links = 0; links <= kLinksMax; ++links) {
    std::error_code failure;
    const std::filesystem::path parent = std::filesystem::canonical(tidy.parent_path(), failure);
    if (failure) return SystemError(tidy.parent_path(), failure.value());
    tidy = parent / tidy.filename();
    // Of a directory readlink(2) fails within the kernel: a daemon that hangs is not asked. The library's
    // read_symlink() looks at the file first, which its daemon is asked for once the kernel has forgotten.
    std::array<char, PATH_MAX> target;
    const ssize_t size = readlink(tidy.c_str(), target.data(), target.size());
    if (size < 0) return tidy;
    tidy = TidyPath(parent / std::string_view(target.data(), static_cast<std::size_t>(size)));
  }
  return SystemError(path, ELOOP);
}

Descriptor OpenMounter(const std::filesystem::path& mountpoint) {
  std::array<char, 32> text{};
  const ssize_t size = getxattr(mountpoint.c_str(), kMounterAttribute, text.data(), text.size());
  if (size <= 0) return Descriptor();
  pid_t process = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + size, process);
  if (parsed.ec != std::errc() || process <= 0) return Descriptor();
  return Descriptor(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
}

std::filesystem::path StoresOf(const Mount& mount) {
  std::error_code ignored;
  const std::filesystem::path stores = mount.mountpoint / "stores";
  return std::filesystem::is_directory(stores, ignored) ? stores : mount.mountpoint;
}

}  // namespace certfs
