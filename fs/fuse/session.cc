#include "fs/fuse/session.h"

#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "fs/fuse/adapter.h"
#include "fs/fuse/data_watch.h"
#include "fs/fuse/mount_table.h"
#include "fs/fuse/periodic.h"

namespace certfs {

namespace {

// One thread answers most requests fastest on few cores; the others are for those that wait for the disk.
constexpr unsigned kThreadsMax = 10;
// Requests go to whoever has waited longest: the more wait, the longer has each been away from its processor.
// With fewer, two readers at once have threads made and ended all the time (measured on two cores).
constexpr unsigned kThreadsIdleMax = 4;
// How often somebody looks whether a CRL is past half of its life, which is days.
constexpr std::chrono::seconds kListsLookedAt = std::chrono::hours(1);

struct DestroySession {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
struct DestroyLoopConfig {
  void operator()(fuse_loop_config* config) const { fuse_loop_cfg_destroy(config); }
};

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
    // A daemon that was killed leaves its mount behind; nobody can use that any more. What is not ours stays.
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

// A mount that is there, from mount(2) until everything about it has ended, however that comes about.
class LiveMount {
 public:
  LiveMount(fuse_session* session, std::string mountpoint, Adapter& adapter)
      : session_(session),
        mountpoint_(std::move(mountpoint)),
        adapter_(adapter),
        top_(FindTopMount(mountpoint_)) {}
  ~LiveMount() {
    Abort();
    adapter_.waker.reset();
    adapter_.notifier.reset();
    fuse_session_unmount(session_);
    fuse_remove_signal_handlers(session_);
  }
  LiveMount(const LiveMount&) = delete;
  LiveMount& operator=(const LiveMount&) = delete;

  dev_t device() const { return top_.device; }

 private:
  // Answers everybody who still waits in the kernel. One of them may hold the directory that the notifier
  // waits for: without an answer neither could ever go on, not even when killed, because nobody reads
  // requests any more.
  void Abort() {
    pollfd device{fuse_session_fd(session_), 0, 0};
    const bool unmounted = poll(&device, 1, 0) == 1 && (device.revents & POLLERR) != 0;
    if (unmounted || top_.id == 0 || FindTopMount(mountpoint_).id != top_.id) return;
    // Forcing is what aborts; detaching frees the mountpoint even while somebody stands in it. Only root may
    // force: for others fuse_session_unmount does what it can.
    static_cast<void>(umount2(mountpoint_.c_str(), MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW));
  }

  fuse_session* session_;
  std::string mountpoint_;
  Adapter& adapter_;
  const MountTableEntry top_;
};

// That a mount began and ended, in the audit log.
class NotedMount {
 public:
  NotedMount(AuditLog* log, std::string mountpoint) : log_(log), mountpoint_(std::move(mountpoint)) {
    Note("mount");
  }
  ~NotedMount() {
    static_cast<void>(WithinMemory([&]() -> Result<void> {
      Note("unmount");
      return {};
    }));
  }
  NotedMount(const NotedMount&) = delete;
  NotedMount& operator=(const NotedMount&) = delete;

 private:
  void Note(const char* operation) {
    if (log_ == nullptr) return;
    AuditEvent event;
    event.operation = operation;
    event.who = OwnProcess().Who();
    event.detail = mountpoint_;
    const auto noted = log_->Append(event);
    // What is public can be read all the same.
    if (!noted.has_value())
      spdlog::error("{}: no key is given out, and nothing can be changed", noted.error().message());
  }

  AuditLog* const log_;
  const std::string mountpoint_;
};

}  // namespace

Result<void> RunMount(Keystore& keystore, const VolumeOptions& volume, const MountOptions& options,
                      WakerProcess waker, const std::function<void()>& ready) {
  const std::string mountpoint = options.mountpoint.string();
  TRY(CheckMountpoint(mountpoint));
  VolumeOptions served = volume;
  served.read_only = options.read_only;
  if (AuditLog* const log = keystore.audit()) log->SetLimits(options.audit);
  Adapter adapter(keystore, served, options.stores_only, ready);
  fuse_lowlevel_ops operations{};
  SetNameOperations(operations);
  SetFileOperations(operations);
  SetXattrOperations(operations);

  std::string mount_options =
      "allow_other,default_permissions,nosuid,nodev,noexec,subtype=certfs,fsname=" + Escaped(options.source);
  if (options.read_only) mount_options += ",ro";
  std::string program = "certfs";
  std::string flag = "-o";
  std::vector<char*> words{program.data(), flag.data(), mount_options.data()};
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(words.size()), words.data());

  const std::unique_ptr<fuse_session, DestroySession> session(
      fuse_session_new(&arguments, &operations, sizeof operations, &adapter));
  fuse_opt_free_args(&arguments);
  if (!session) return Error(ErrorCode::kInternal, "libfuse refused the mount options");
  if (fuse_set_signal_handlers(session.get()) != 0) return Error(ErrorCode::kInternal, "no signal handlers");
  if (fuse_session_mount(session.get(), mountpoint.c_str()) != 0) {
    fuse_remove_signal_handlers(session.get());
    return Error(ErrorCode::kIo,
                 mountpoint + ": cannot mount here (is /dev/fuse there, and are you allowed to?)");
  }
  const LiveMount live(session.get(), mountpoint, adapter);
  const NotedMount noted(keystore.audit(), mountpoint);
  adapter.notifier = std::make_unique<Notifier>(session.get(), [&adapter] {
    // What cannot be done now is done the next time.
    static_cast<void>(WithinMemory([&]() -> Result<void> {
      adapter.volume.DropExpired();
      return {};
    }));
  });
  // A mount that cannot be told from another is left alone, and one that is read-only takes no operation.
  if (waker.running() && live.device() != 0 && !options.read_only) {
    adapter.waker = std::make_unique<Waker>(std::move(waker), adapter.volume,
                                            WakerMount{mountpoint, live.device(), options.stores_only},
                                            [&] { adapter.Settle(KernelHolds::kNoDirectory); });
  }

  // Ends before what it tells.
  auto data_watch = DataWatch::Start(options.source, [&] {
    if (options.written) options.written();
    return adapter.volume.CatchUp();
  });
  if (!data_watch.has_value()) {
    spdlog::warn("{}: what other processes change wakes no watcher", data_watch.error().message());
  }

  // A failure is told by the volume.
  const Periodic lists(kListsLookedAt, [&adapter] { static_cast<void>(adapter.volume.RefreshLists()); });

  const std::unique_ptr<fuse_loop_config, DestroyLoopConfig> config(fuse_loop_cfg_create());
  if (!config) return Error(ErrorCode::kNoMemory, "no memory for the threads of the mount");
  fuse_loop_cfg_set_max_threads(config.get(), kThreadsMax);
  fuse_loop_cfg_set_idle_threads(config.get(), kThreadsIdleMax);
  const int outcome = fuse_session_loop_mt(session.get(), config.get());
  if (outcome < 0) return Error(ErrorCode::kIo, std::string("the mount ended: ") + std::strerror(-outcome));
  return {};
}

}  // namespace certfs
