#include "tools/mount_processes.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "fs/fuse/mounter.h"
#include "fs/fuse/session.h"
#include "store/confinement.h"
#include "store/examiner.h"
#include "store/high_water.h"
#include "tools/log_level.h"
#include "tools/mount_secret.h"
#include "tools/system.h"

namespace certfs {

namespace {

// What the daemon keeps secrets in, and as much again (crypto/base/secret.cc).
constexpr rlim_t kLockedBytes = rlim_t{64} << 20;

constexpr const char* kLogName = "certfs";

void LogTo(const MountPlan& plan) {
  if (plan.foreground) {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("certfs"));
  } else {
    spdlog::set_default_logger(spdlog::syslog_logger_mt("certfs", kLogName, LOG_PID, LOG_DAEMON));
    spdlog::set_pattern("%v");  // The journal has its own times and levels.
  }
  if (!plan.log_level.empty()) SetLogLevel(plan.log_level);
}

// Closes what came with the process beyond the three standard descriptors, lest pipes of somebody be held for
// ever; `kept` stay.
void CloseOthers(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned first = STDERR_FILENO + 1;
  for (const int each : kept) {
    const auto number = static_cast<unsigned>(each);
    if (each < 0 || number < first) continue;
    if (number > first) close_range(first, number - 1, 0);
    first = number + 1;
  }
  close_range(first, ~0U, 0);
}

// Closes what came with a daemon from its mounter, save `kept`. The C library's connection to the log is
// among it, which the library knows by number alone: it would go on to use, and to close, whatever is opened
// under that number next. So the daemon has one of its own, made while nothing of it is confined.
void CloseInherited(const MountPlan& plan, std::vector<int> kept) {
  if (!plan.foreground) closelog();
  CloseOthers(std::move(kept));
  if (!plan.foreground) openlog(kLogName, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

// Leaves the terminal and the caller's directory.
void Detach() {
  if (chdir("/") != 0) spdlog::warn("cannot change to /");
  const Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.open()) return;
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null.number(), standard);
}

// --- The daemon

struct Owner {
  uid_t user;
  gid_t group;
};

Result<Owner> OwnerOf(const std::string& keystore) {
  struct stat status {};
  if (stat(keystore.c_str(), &status) != 0) return SystemError(keystore, errno);
  return Owner{status.st_uid, status.st_gid};
}

// Where root mounts a keystore of somebody else, its daemon is that one: `owner`, whose it was when it was
// mounted. He may have put another in its place since.
Result<void> BecomeOwnerOf(const std::string& keystore, Owner owner) {
  if (TRY(OwnerOf(keystore)).user != owner.user)
    return Error(ErrorCode::kNotPermitted, keystore + " is another user's than when it was mounted");
  if (geteuid() != 0 || owner.user == 0) return {};
  const rlimit locked{kLockedBytes, kLockedBytes};
  setrlimit(RLIMIT_MEMLOCK, &locked);
  DropBoundingSet(0);
  if (setgroups(0, nullptr) != 0 || setresgid(owner.group, owner.group, owner.group) != 0 ||
      setresuid(owner.user, owner.user, owner.user) != 0)
    return SystemError("become the owner of " + keystore, errno);
  return {};
}

// Without its mounter a daemon could not tell who calls.
Result<void> EndWith(pid_t mounter) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != mounter)
    return Error(ErrorCode::kCancelled, "the process that keeps the mount has gone");
  return {};
}

// What is remembered of the keystore outside of it; nothing where nobody asked for that.
Result<std::unique_ptr<HighWater>> KeepHighWater(const MountPlan& plan, Keystore& keystore) {
  if (plan.high_water.empty()) return std::unique_ptr<HighWater>();
  return HighWater::Keep(keystore, plan.high_water, [](const std::optional<Error>& failure) {
    if (failure) {
      spdlog::warn("the high-water file is not kept up to date: {}", failure->message());
    } else {
      spdlog::info("the high-water file is kept up to date again");
    }
  });
}

// Gives up what is not needed to serve.
Result<void> ConfineDaemon(const MountPlan& plan) {
  ConfinementPlan confinement = PlanForKeystore(plan.mount.source, Reach::kKeep);
  if (!plan.high_water.empty()) confinement.paths.push_back(PathOfHighWater(plan.high_water));
  const ConfinementReport report = TRY(Confine(confinement));
  for (const std::string& each : report.missing) spdlog::warn("less confined than it could be: {}", each);
  return {};
}

// Only this process opens the keystore: LMDB does not survive a fork, and neither do memory locks.
Result<ExitCode> Serve(const MountPlan& plan, Owner owner, DaemonParts parts) {
  MountOptions mount = plan.mount;
  TRY(BecomeOwnerOf(mount.source, owner));
  TRY(EndWith(parts.line.process()));
  if (!ProtectProcess()) spdlog::warn("RLIMIT_MEMLOCK is too low: secrets may be written to the swap device");
  CloseInherited(plan,
                 {parts.line.socket(), parts.waker.socket(), parts.secret.number(), ExaminerDescriptor()});
  const UnlockSecret secret = TRY(ReceiveSecret(parts.secret.number()));
  parts.secret.Close();
  TRY(ConfineDaemon(plan));
  const auto keystore = TRY(Keystore::Open(mount.source, secret, std::chrono::system_clock::now));
  auto high_water = KeepHighWater(plan, *keystore);
  if (!high_water.has_value()) return std::move(high_water).error().Within(mount.source);
  if (high_water.value()) mount.written = [&] { high_water.value()->Note(); };
  VolumeOptions volume{geteuid(), getegid(), "certfs " CERTFS_VERSION "\n", mount.source};
  volume.note_directory = mount.source;
  bool answered = false;
  const auto end = RunMount(*keystore, volume, mount, parts.line, std::move(parts.waker), [&] {
    answered = true;
    if (!plan.foreground) Detach();
    parts.line.Ready();
  });
  if (end.has_value()) return ExitCode::kOk;
  // Before it answered, main tells the terminal; afterwards nobody but the log listens.
  if (answered && !plan.foreground) spdlog::error("{}", end.error().message());
  return end.error();
}

// --- The mounter

// The command line by which a program resumes the mount of `plan`.
std::vector<std::string> WordsOf(const MountPlan& plan) {
  std::vector<std::string> words{"certfs", "mount"};
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {option, value});
  };
  add("--keyfile", plan.unlock.key_file);
  add("--passphrase-file", plan.unlock.passphrase_file);
  add("--recovery-key", plan.unlock.recovery_key);
  add("--credential", plan.unlock.credential);
  if (plan.unlock.passphrase) words.emplace_back("--passphrase");
  add("--log-level", plan.log_level);
  if (plan.foreground) words.emplace_back("--foreground");
  const MountOptions& mount = plan.mount;
  add("--high-water", plan.high_water.string());
  if (mount.stores_only) add("-o", "subtree=stores");
  if (mount.read_only) add("-o", "ro");
  add("-o", "audit-mib=" + std::to_string(mount.audit.file_bytes >> 20));
  add("-o", "audit-files=" + std::to_string(mount.audit.files));
  words.insert(words.end(), {"--", mount.source, mount.mountpoint.string()});
  return words;
}

// Returns the file of this program: after an upgrade another one stands there.
Result<std::filesystem::path> OwnFile() {
  std::error_code failure;
  auto path = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (failure) return SystemError("/proc/self/exe", failure.value());
  return path;
}

// Whoever is ended by the mounter's signals ends with it.
Result<ExitCode> KeepMount(const MountPlan& plan, std::unique_ptr<MountPoint> point, MountSecret& secret,
                           const std::function<void()>& first_ready) {
  HideProcess();
  signal(SIGPIPE, SIG_IGN);  // The mount outlives whoever reads what is logged.
  const std::filesystem::path program = TRY(OwnFile());
  const Owner owner = TRY(OwnerOf(plan.mount.source));
  bool ready = false;
  MounterHooks hooks;
  // Whoever has the device keeps the mount from ending.
  const ConnectionParts& left = point->parts();
  hooks.secret = [&](SecretDeadline by) {
    return secret.Get(by, {left.device.number(), left.page.number()});
  };
  hooks.serve = [&](DaemonParts parts) -> Result<int> {
    return static_cast<int>(TRY(Serve(plan, owner, std::move(parts))));
  };
  hooks.ready = [&](const MountPoint& mounted) {
    spdlog::info("{} {} on {}", ready ? "another daemon serves" : "serving", plan.mount.source,
                 plan.mount.mountpoint.string());
    if (std::exchange(ready, true)) return;
    StoreWithManager(mounted);
    first_ready();
  };
  hooks.replace_program = [&](MountPoint& mounted) {
    const Error failure = ReplaceProgram(program, WordsOf(plan), mounted, secret.kept());
    spdlog::error("{}: this program goes on", failure.message());
  };
  const pid_t mounter = getpid();
  Mounter keeper(std::move(point), std::move(hooks));
  auto code = keeper.Run();
  if (getpid() == mounter && ready) {
    RemoveFromManager();
    if (!plan.foreground) spdlog::info("{} is unmounted", plan.mount.mountpoint.string());
  }
  if (!code.has_value()) {
    if (getpid() == mounter && ready && !plan.foreground) spdlog::error("{}", code.error().message());
    return std::move(code).error();
  }
  return static_cast<ExitCode>(code.value());
}

// --- The process that was called

// What two of these processes say to each other.
struct Pipe {
  Descriptor out;  // To read from.
  Descriptor in;   // To write to.

  static Result<Pipe> Make() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError("pipe", errno);
    return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  }
};

Result<ExitCode> KeepInBackground(const MountPlan& plan, std::unique_ptr<MountPoint> point, Pipe secrets,
                                  Pipe report) {
  setsid();
  secrets.in.Close();
  report.out.Close();
  MountSecret secret(plan.mount.source, plan.unlock, Descriptor(secrets.out.Release()));
  CloseOthers(
      {report.in.number(), secret.kept(), point->parts().device.number(), point->parts().page.number()});
  LogTo(plan);
  return KeepMount(plan, std::move(point), secret, [&] {
    Detach();
    const char mounted = 1;
    if (write(report.in.number(), &mounted, 1) != 1) spdlog::debug("nobody waits for the mount");
    report.in.Close();
  });
}

Result<ExitCode> AwaitMount(pid_t mounter, Pipe report) {
  report.in.Close();
  char mounted = 0;
  ssize_t got = 0;
  do {
    got = read(report.out.number(), &mounted, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) return ExitCode::kOk;
  int status = 0;
  while (waitpid(mounter, &status, 0) < 0 && errno == EINTR) {
  }
  // It has said why on the same stderr.
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) return static_cast<ExitCode>(WEXITSTATUS(status));
  if (WIFEXITED(status)) return Error(ErrorCode::kCancelled, "unmounted before it answered");
  return Error(ErrorCode::kInternal, "the process that mounts was killed by signal " +
                                         std::to_string(WTERMSIG(status)) + " before the mount answered");
}

Result<ExitCode> MountInBackground(const MountPlan& plan, std::unique_ptr<MountPoint> point) {
  signal(SIGPIPE, SIG_IGN);
  Pipe secrets = TRY(Pipe::Make());
  Pipe report = TRY(Pipe::Make());
  const pid_t mounter = fork();
  if (mounter < 0) return SystemError("fork", errno);
  if (mounter == 0) return KeepInBackground(plan, std::move(point), std::move(secrets), std::move(report));
  secrets.out.Close();
  // Here, where the terminal is.
  auto sent = SendSecret(plan.mount.source, plan.unlock, std::move(secrets.in));
  if (!sent.has_value()) {
    kill(mounter, SIGKILL);  // It waits for a secret that will not come, and has mounted nothing.
    waitpid(mounter, nullptr, 0);
    return std::move(sent).error();
  }
  return AwaitMount(mounter, std::move(report));
}

}  // namespace

Result<ExitCode> RunMountProcesses(MountPlan plan, std::optional<HandedOver> handed) {
  const bool by_program = handed && handed->by_program;
  Descriptor kept = handed ? std::move(handed->secret) : Descriptor();
  std::unique_ptr<MountPoint> point;
  if (handed) {
    auto resumed = MountPoint::Resume(plan.mount, std::move(handed->parts));
    if (resumed.has_value()) {
      point = std::move(resumed).value();
    } else {
      RemoveFromManager();
      if (by_program) return std::move(resumed).error();
    }
  }
  if (!point) point = std::make_unique<MountPoint>(plan.mount);
  if (!plan.foreground && !by_program) return MountInBackground(plan, std::move(point));
  MountSecret secret(plan.mount.source, plan.unlock, std::move(kept));
  LogTo(plan);
  return KeepMount(plan, std::move(point), secret, [&] {
    // A service of Type=notify is up when its mount answers; nobody else listens.
    if (plan.foreground) sd_notify(0, "READY=1");
  });
}

}  // namespace certfs
