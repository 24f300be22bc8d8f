#include "tools/watched_entries.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "store/entry.h"
#include "tools/entry_name.h"
#include "tools/exit_code.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;

// Whatever says that a name came, went, or leads elsewhere now; reading is none of it.
constexpr std::uint32_t kEvents =
    IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF;

Error NoEntry(const std::string& text) {
  return UsageError(text + ": is neither an entry of a store nor a file of one");
}

// The way from `mountpoint` to `path`, which lies below it; empty when it does not.
std::vector<std::string> PartsBelow(const fs::path& mountpoint, const fs::path& path) {
  const auto [end, at] = std::mismatch(mountpoint.begin(), mountpoint.end(), path.begin(), path.end());
  std::vector<std::string> parts;
  if (end == mountpoint.end())
    std::transform(at, path.end(), std::back_inserter(parts),
                   [](const fs::path& each) { return each.string(); });
  return parts;
}

WatchedEntry In(const Mount& mount, const EntryName& name) {
  const fs::path store = StoresOf(mount) / name.store.text();
  return {name.store.text() + "/" + name.alias.text(), store, store / name.alias.text()};
}

Result<WatchedEntry> FindByPath(const std::string& text, Mount& mount) {
  std::error_code failure;
  const fs::path path = fs::canonical(text, failure);
  if (failure) return SystemError(text, failure.value());
  Mount found;
  std::vector<std::string> parts;
  for (const Mount& each : TRY(FindMounts())) {
    std::vector<std::string> below = PartsBelow(each.mountpoint, path);
    const bool nearer = each.mountpoint.native().size() >= found.mountpoint.native().size();
    if (below.empty() || !nearer) continue;
    found = each;
    parts = std::move(below);
  }
  if (parts.empty()) return UsageError(text + ": does not lie in a certfs mount");
  if (!mount.mountpoint.empty() && mount.mountpoint != found.mountpoint) {
    return UsageError(text + ": lies in another mount than the others; run one certfs watch for each mount");
  }
  if (StoresOf(found) != found.mountpoint) {
    if (parts.front() != "stores") return NoEntry(text);
    parts.erase(parts.begin());
  }
  if (parts.size() == 3 && MemberNamed(parts.back())) parts.pop_back();
  if (parts.size() != 2) return NoEntry(text);
  mount = found;
  return In(mount, TRY(ParseEntryName(parts[0] + "/" + parts[1])));
}

// 0 when the mount does not answer. What stat shows may be cached and outlive the daemon; statfs is always
// asked of it.
dev_t DeviceOf(const fs::path& mountpoint) {
  struct stat status {};
  struct statfs usage {};
  if (statfs(mountpoint.c_str(), &usage) != 0) return 0;
  return stat(mountpoint.c_str(), &status) == 0 ? status.st_dev : 0;
}

}  // namespace

Result<WatchedEntry> FindWatchedEntry(const std::string& text, const std::string& mount_option,
                                      Mount& mount) {
  const bool is_path = text.starts_with('/') || text.starts_with('.');
  if (!mount_option.empty() && mount.mountpoint.empty()) mount = TRY(ChooseMount(mount_option));
  if (is_path) return FindByPath(text, mount);
  const EntryName name = TRY(ParseEntryName(text));
  if (mount.mountpoint.empty()) mount = TRY(ChooseMount({}));
  WatchedEntry entry = In(mount, name);
  struct stat status {};
  if (stat(entry.directory.c_str(), &status) != 0) return SystemError(text, errno);
  return entry;
}

EntryNews::EntryNews(Mount mount, std::vector<WatchedEntry> entries)
    : mount_(std::move(mount)),
      entries_(std::move(entries)),
      mount_table_(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) {}

Result<void> EntryNews::WatchEntry(const WatchedEntry& entry) {
  const auto watch = [this](const fs::path& path) {
    return inotify_add_watch(inotify_.number(), path.c_str(), kEvents) >= 0;
  };
  // What comes and goes above it; who may not watch that sees the entry's return when it looks the next time.
  watch(entry.store.parent_path());
  watch(entry.store);
  if (watch(entry.directory) || errno == ENOENT || errno == ESTALE) return {};
  const int error = errno;
  if (error == EACCES) {
    // A directory that may not be listed: its public files, where they may be read, tell as well.
    bool any = false;
    for (const Member member : {Member::kCertificate, Member::kRevocationList}) {
      any = watch(entry.directory / FileName(member)) || any;
    }
    if (any) return {};
  }
  if (error == ENOSPC) {
    return Error(ErrorCode::kIo, entry.name +
                                     ": no inotify watch is left to this user; raise "
                                     "fs.inotify.max_user_watches (sysctl)");
  }
  return SystemError(entry.name, error);
}

Result<void> EntryNews::Arm() {
  if (!inotify_.open()) {
    inotify_ = Descriptor(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_.open()) return SystemError("inotify", errno);
    device_ = DeviceOf(mount_.mountpoint);
    daemon_ = OpenMounter(mount_.mountpoint);
  }
  for (const WatchedEntry& entry : entries_) TRY(WatchEntry(entry));
  return {};
}

void EntryNews::Disarm() {
  inotify_.Close();
  daemon_.Close();
  device_ = 0;
}

bool EntryNews::Drain() {
  bool unmounted = false;
  alignas(inotify_event) std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = read(inotify_.number(), buffer.data(), buffer.size());
    if (got <= 0) return unmounted;
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      if ((event.mask & IN_UNMOUNT) != 0) unmounted = true;
      at += sizeof event + event.len;
    }
  }
}

bool EntryNews::IsMounted() const {
  const auto mounts = FindMounts();
  if (!mounts.has_value()) return device_ != 0;  // Nothing says that it went.
  const bool listed = std::any_of(mounts.value().begin(), mounts.value().end(),
                                  [&](const Mount& each) { return each.mountpoint == mount_.mountpoint; });
  if (!listed) return false;
  const dev_t device = DeviceOf(mount_.mountpoint);
  return device != 0 && (device_ == 0 || device == device_);
}

}  // namespace certfs
