#include "fs/fuse/session.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "fs/fuse/adapter.h"

namespace certfs {

namespace {

// One thread answers most requests fastest on few cores; the others are for those that wait for the disk.
constexpr unsigned kThreadsMax = 10;

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

Result<void> CheckMountpoint(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) {
    // A daemon that was killed leaves its mount behind; nobody can use that any more.
    if (errno != ENOTCONN) return Error(ErrorCode::kInvalidArgument, path + ": " + std::strerror(errno));
    if (umount2(path.c_str(), MNT_DETACH) != 0 || stat(path.c_str(), &found) != 0) {
      return Error(ErrorCode::kBusy, path + ": a dead mount is in the way; certfs umount clears it");
    }
  }
  if (!S_ISDIR(found.st_mode))
    return Error(ErrorCode::kInvalidArgument, path + ": the mountpoint is no directory");
  return {};
}

}  // namespace

Result<void> RunMount(Keystore& keystore, const VolumeOptions& volume, const MountOptions& options,
                      const std::function<void()>& ready) {
  const std::string mountpoint = options.mountpoint.string();
  TRY(CheckMountpoint(mountpoint));
  Adapter adapter(keystore, volume, options.stores_only, ready);
  fuse_lowlevel_ops operations{};
  SetNameOperations(operations);
  SetFileOperations(operations);

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
  adapter.notifier = std::make_unique<Notifier>(session.get());

  const std::unique_ptr<fuse_loop_config, DestroyLoopConfig> config(fuse_loop_cfg_create());
  fuse_loop_cfg_set_max_threads(config.get(), kThreadsMax);
  fuse_loop_cfg_set_idle_threads(config.get(), kThreadsMax);
  const int outcome = fuse_session_loop_mt(session.get(), config.get());

  fuse_session_unmount(session.get());
  adapter.notifier.reset();
  fuse_remove_signal_handlers(session.get());
  if (outcome < 0) return Error(ErrorCode::kIo, std::string("the mount ended: ") + std::strerror(-outcome));
  return {};
}

}  // namespace certfs
