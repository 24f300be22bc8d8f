#include "fs/fuse/waker_process.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "fs/fuse/mount_table.h"

namespace certfs {

namespace {

constexpr std::size_t kOrderBytesMax = std::size_t{2} * PATH_MAX;

// On the wire: the action, the device, and two texts, each ending in a zero.
struct OrderHead {
  WakerAction action;
  dev_t device;
};

std::optional<WakerOrder> Decode(std::string_view bytes) {
  OrderHead head;
  if (bytes.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, bytes.data(), sizeof head);
  bytes.remove_prefix(sizeof head);
  WakerOrder order{head.action, head.device, {}, {}};
  for (std::string* text : {&order.directory, &order.name}) {
    const std::size_t end = bytes.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    *text = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
  }
  return order;
}

// Whether `order` is of a kind that there is, for a name that leads nowhere else.
bool IsSound(const WakerOrder& order) {
  if (order.name.empty() || order.name == ".." || order.name.find('/') != std::string::npos) return false;
  switch (order.action) {
    case WakerAction::kRename:
      return order.name != ".";
    case WakerAction::kAttribute:
      return true;
  }
  return false;
}

// A descriptor that is closed when it goes. This process has nothing else of the house.
class File {
 public:
  explicit File(long number) : number_(static_cast<int>(number)) {}
  ~File() {
    if (number_ >= 0) close(number_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

// Returns a descriptor of the root of what is mounted at `mountpoint`. Where we may, of a mount of our own,
// on which nobody can mount anything, and which lets the other be unmounted at any moment.
int OpenRoot(const std::string& mountpoint) {
  const int own = open_tree(AT_FDCWD, mountpoint.c_str(),
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW);
  if (own >= 0 || (errno != EPERM && errno != ENOSYS && errno != EINVAL)) return own;
  return open(mountpoint.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

// Says whether `root` is of the filesystem `device`, without asking that filesystem.
bool IsOf(int root, dev_t device) {
  struct statx found {};
  constexpr int kFlags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  return statx(root, "", kFlags, 0, &found) == 0 &&
         makedev(found.stx_dev_major, found.stx_dev_minor) == device;
}

// The mount that a waker is for.
class WokenMount {
 public:
  explicit WokenMount(std::string mountpoint) : mountpoint_(std::move(mountpoint)) {}

  // Returns an errno.
  int CarryOut(const WakerOrder& order) {
    if (!IsSound(order)) return EINVAL;
    const File root(OpenRoot(mountpoint_));
    if (root.number() < 0) return errno;
    if (!IsOf(root.number(), order.device) || !IsOurs(order.device)) return ESTALE;
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
    const File directory(syscall(SYS_openat2, root.number(), order.directory.c_str(), &how, sizeof how));
    if (directory.number() < 0) return errno;
    if (order.action == WakerAction::kRename) {
      return renameat(directory.number(), kWakerName, directory.number(), order.name.c_str()) == 0 ? 0
                                                                                                   : errno;
    }
    // There is no setxattrat(2) yet. The current directory of a process is its own.
    if (fchdir(directory.number()) != 0) return errno;
    const int outcome = lsetxattr(order.name.c_str(), kWakerAttribute, "", 0, 0) == 0 ? 0 : errno;
    return chdir("/") == 0 ? outcome : errno;
  }

 private:
  // Whether the filesystem `device` is one of certfs, mounted there. It is looked for once: it is mounted
  // after this process is started, and before the first order.
  bool IsOurs(dev_t device) {
    if (device == known_) return true;
    const auto table = ReadMountTable();
    if (!table.has_value()) return false;
    for (const MountTableEntry& each : table.value()) {
      if (each.device == device && each.type == kMountType && each.mountpoint == mountpoint_) {
        known_ = device;
        return true;
      }
    }
    return false;
  }

  const std::string mountpoint_;
  dev_t known_ = 0;
};

// The process. It goes on after every failure: who asked for an order judges it.
[[noreturn]] void Run(int socket, const std::string& mountpoint) {
  prctl(PR_SET_NAME, "certfs-waker");
  // Whoever ends the daemon may signal its whole group. This process is still needed then, for a moment, and
  // ends by itself.
  for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) signal(number, SIG_IGN);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (standard != socket && null >= 0) dup2(null, standard);
  }
  if (socket > STDERR_FILENO + 1) close_range(STDERR_FILENO + 1, static_cast<unsigned>(socket) - 1, 0);
  close_range(static_cast<unsigned>(socket) + 1, ~0U, 0);
  if (chdir("/") != 0) _exit(1);
  WokenMount mount(mountpoint);
  std::array<char, kOrderBytesMax> bytes;
  for (;;) {
    const ssize_t size = recv(socket, bytes.data(), bytes.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) _exit(0);
    const auto order = Decode({bytes.data(), static_cast<std::size_t>(size)});
    const int outcome = order ? mount.CarryOut(*order) : EINVAL;
    if (send(socket, &outcome, sizeof outcome, MSG_NOSIGNAL) < 0) _exit(0);
  }
}

}  // namespace

Result<WakerProcess> WakerProcess::Start(const std::string& mountpoint) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return Error(ErrorCode::kIo, std::string("socketpair: ") + std::strerror(errno));
  const pid_t process = fork();
  if (process == 0) {
    close(ends[0]);
    Run(ends[1], mountpoint);
  }
  const int failure = errno;
  close(ends[1]);
  WakerProcess waker;
  waker.socket_ = ends[0];
  waker.process_ = process;
  if (process < 0) return Error(ErrorCode::kIo, std::string("fork: ") + std::strerror(failure));
  return waker;
}

WakerProcess::WakerProcess(WakerProcess&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), process_(std::exchange(other.process_, 0)) {}

WakerProcess& WakerProcess::operator=(WakerProcess&& other) noexcept {
  if (this != &other) {
    Close();
    socket_ = std::exchange(other.socket_, -1);
    process_ = std::exchange(other.process_, 0);
  }
  return *this;
}

bool WakerProcess::Send(const WakerOrder& order) {
  const OrderHead head{order.action, order.device};
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
  for (const std::string* text : {&order.directory, &order.name}) {
    bytes += *text;
    bytes += '\0';
  }
  return send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

Result<int> WakerProcess::Receive() {
  int outcome = 0;
  ssize_t size = 0;
  do {
    size = recv(socket_, &outcome, sizeof outcome, 0);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof outcome) return Error(ErrorCode::kIo, "the process that wakes watchers has gone");
  return outcome;
}

void WakerProcess::Close() noexcept {
  if (socket_ < 0) return;
  close(std::exchange(socket_, -1));
  // It ends by itself, once its operation on the mount has: nobody may wait for that here. If it has ended
  // already it leaves no trace.
  waitpid(process_, nullptr, WNOHANG);
}

}  // namespace certfs
