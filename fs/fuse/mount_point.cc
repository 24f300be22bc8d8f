#include "fs/fuse/mount_point.h"

#define FUSE_USE_VERSION 312
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/fuse/mount_table.h"
#include "fs/fuse/process.h"

namespace certfs {

namespace {

// linux/fuse.h has it, too, but not beside libfuse's own header.
constexpr unsigned long kCloneDevice = _IOR(229, 0, std::uint32_t);  // FUSE_DEV_IOC_CLONE

// In a list of mount options a comma or a backslash of a value is escaped.
std::string Escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == ',' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

// What is mounted on top at a path; nothing when the kernel does not tell. What was mounted last stands last.
MountTableEntry FindTopMount(const std::string& path) {
  auto table = ReadMountTable();
  if (!table.has_value()) return {};
  MountTableEntry top;
  for (MountTableEntry& entry : table.value()) {
    if (entry.mountpoint == path) top = std::move(entry);
  }
  return top;
}

Result<void> CheckMountpoint(const std::string& path) {
  struct stat found {};
  struct statfs usage {};
  // What stat shows may be cached, and outlive a daemon for a moment; statfs is always asked of it.
  if (stat(path.c_str(), &found) != 0 || statfs(path.c_str(), &usage) != 0) {
    if (errno != ENOTCONN) return Error(ErrorCode::kInvalidArgument, path + ": " + std::strerror(errno));
    // A mounter that was killed leaves its mount behind; nobody can use that any more. What is not ours
    // stays.
    if (FindTopMount(path).type != kMountType) {
      return Error(ErrorCode::kBusy, path + ": a dead mount of another filesystem is in the way");
    }
    if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 || stat(path.c_str(), &found) != 0) {
      return Error(ErrorCode::kBusy, path + ": a dead mount is in the way; certfs umount clears it");
    }
  }
  if (!S_ISDIR(found.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, path + ": the mountpoint is no directory");
  }
  return {};
}

// Whether this kernel sends again what a daemon took and did not answer (FUSE_NOTIFY_RESEND, Linux 6.9).
bool ResendsRequests() {
  utsname system{};
  if (uname(&system) != 0) return false;
  const std::string_view release(system.release);  // "6.18.2-amd64"
  const char* const end = release.data() + release.size();
  int major = 0;
  int minor = 0;
  const auto first = std::from_chars(release.data(), end, major);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return false;
  if (std::from_chars(first.ptr + 1, end, minor).ec != std::errc()) return false;
  return major > 6 || (major == 6 && minor >= 9);
}

// A device for one daemon. Where the kernel sends again what one has left unanswered, they all share theirs;
// elsewhere each has one of its own, with whose end that is answered by an error, lest its callers wait for
// ever.
Descriptor DeviceForDaemon(int device) {
  if (ResendsRequests()) return Descriptor(fcntl(device, F_DUPFD_CLOEXEC, 0));
  Descriptor own(open("/dev/fuse", O_RDWR | O_CLOEXEC));
  auto source = static_cast<std::uint32_t>(device);
  if (own.open() && ioctl(own.number(), kCloneDevice, &source) == 0) return own;
  return Descriptor(fcntl(device, F_DUPFD_CLOEXEC, 0));
}

// What a user who is not root asks instead.
void AskFusermount(const std::string& mountpoint) {
  std::string program = "fusermount3";
  std::string flags = "-uqz";
  std::string end = "--";
  std::string path = mountpoint;
  std::array<char*, 5> words{program.data(), flags.data(), end.data(), path.data(), nullptr};
  pid_t child = 0;
  if (posix_spawnp(&child, program.c_str(), nullptr, nullptr, words.data(), environ) != 0) return;
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// Aborts the connection of the mount `number`, which is the right of whoever mounted it, too (fusectl).
void AbortConnection(dev_t number) {
  const std::string path = "/sys/fs/fuse/connections/" + std::to_string(minor(number)) + "/abort";
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  // Where there is no such file, the connection ends with the last process that has its device.
  if (file.open()) static_cast<void>(write(file.number(), "1", 1) == 1);
}

}  // namespace

Result<std::unique_ptr<MountPoint>> MountPoint::Resume(MountOptions options, ConnectionParts parts) {
  auto point = std::make_unique<MountPoint>(std::move(options));
  const MountTableEntry top = FindTopMount(point->options_.mountpoint.string());
  if (top.type != kMountType || top.source != point->options_.source)
    return Error(ErrorCode::kBusy, point->options_.mountpoint.string() +
                                       ": the mount whose device was kept is not there any more");
  point->id_ = top.id;
  point->number_ = top.device;
  point->parts_ = std::move(parts);
  return point;
}

MountPoint::~MountPoint() {
  if (!is_mounted() || HasEnded() || !IsOnTop()) return;
  const std::string path = options_.mountpoint.string();
  if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno == EPERM) AskFusermount(path);
}

Result<void> MountPoint::Mount() {
  const std::string mountpoint = options_.mountpoint.string();
  TRY(CheckMountpoint(mountpoint));
  std::string mount_options =
      "allow_other,default_permissions,nosuid,nodev,noexec,subtype=certfs,fsname=" + Escaped(options_.source);
  if (options_.read_only) mount_options += ",ro";
  std::string program = "certfs";
  std::string flag = "-o";
  std::vector<char*> words{program.data(), flag.data(), mount_options.data()};
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(words.size()), words.data());
  const fuse_lowlevel_ops nothing{};
  // It only mounts: root by mount(2), others by fusermount3. What it remembers of that it gives back with the
  // unmounting alone, which is not its to do: so it stays, once a process, where a leak checker finds it.
  static fuse_session* session = nullptr;
  session = fuse_session_new(&arguments, &nothing, sizeof nothing, nullptr);
  fuse_opt_free_args(&arguments);
  if (session == nullptr) return Error(ErrorCode::kInternal, "libfuse refused the mount options");
  Descriptor device;
  if (fuse_session_mount(session, mountpoint.c_str()) == 0) device = Descriptor(fuse_session_fd(session));
  if (!device.open() || fcntl(device.number(), F_SETFD, FD_CLOEXEC) != 0) {
    return Error(ErrorCode::kIo,
                 mountpoint + ": cannot mount here (is /dev/fuse there, and are you allowed to?)");
  }
  parts_.device = std::move(device);
  const MountTableEntry top = FindTopMount(mountpoint);
  id_ = top.id;
  number_ = top.device;
  return {};
}

Result<Mounted> MountPoint::Connect() {
  if (!is_mounted()) {
    Descriptor page = TRY(Connection::NewPage());
    TRY(Mount());
    parts_.page = std::move(page);
  }
  Mounted mounted;
  mounted.parts.device = DeviceForDaemon(parts_.device.number());
  mounted.parts.page = Descriptor(fcntl(parts_.page.number(), F_DUPFD_CLOEXEC, 0));
  mounted.number = number_;
  if (!mounted.parts.device.open() || !mounted.parts.page.open())
    return Error(ErrorCode::kIo, std::string("the device: ") + std::strerror(errno));
  return mounted;
}

bool MountPoint::HasEnded() const {
  pollfd device{parts_.device.number(), 0, 0};
  return poll(&device, 1, 0) == 1 && (device.revents & POLLERR) != 0;
}

bool MountPoint::IsOnTop() const { return id_ != 0 && FindTopMount(options_.mountpoint.string()).id == id_; }

// One of those who wait may hold the directory that the notifier waits for: without an answer neither could
// ever go on, not even when killed, because nobody reads requests any more. Forcing is what aborts; detaching
// frees the mountpoint even while somebody stands in it. Only root may force; others abort by another way.
void MountPoint::Abort() noexcept {
  static_cast<void>(WithinMemory([&]() -> Result<void> {
    if (!is_mounted() || HasEnded() || !IsOnTop()) return {};
    const std::string path = options_.mountpoint.string();
    if (umount2(path.c_str(), MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno != EPERM) return {};
    AbortConnection(number_);
    AskFusermount(path);
    return {};
  }));
}

const ProcessTable& MountPoint::processes() const { return RealProcesses(); }

pid_t MountPoint::process() const { return getpid(); }

}  // namespace certfs
