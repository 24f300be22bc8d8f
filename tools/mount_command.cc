// certfs mount: unlocks a keystore and serves it, in the background unless told otherwise.

#include <fcntl.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "fs/fuse/session.h"
#include "store/examiner.h"
#include "tools/commands.h"
#include "tools/log_level.h"
#include "tools/mount_options.h"
#include "tools/mounts.h"
#include "tools/settings.h"
#include "tools/system.h"
#include "tools/unlock.h"

namespace certfs {

namespace {

struct Options {
  std::string keystore;
  std::string mountpoint;
  UnlockOptions unlock;
  std::vector<std::string> mount_options;
  std::string settings;
  std::string log_level;
  bool foreground = false;
};

Error Usage(std::string words) { return Error(ErrorCode::kInvalidArgument, std::move(words)); }

// Where KEYSTORE is the name of a mount in the settings, these say what the command line does not.
Result<void> AddSettings(Options& options) {
  const bool may_be_name = IsTableName(options.keystore);
  if (!may_be_name && options.mountpoint.empty())
    return Usage("the MOUNTPOINT is missing: certfs mount KEYSTORE MOUNTPOINT");
  if (!may_be_name) return {};
  const MachineSettings settings = TRY(ReadMachineSettings(options.settings));
  const MountSettings* const named = settings.FindMount(options.keystore);
  if (named == nullptr && options.mountpoint.empty()) return NoSuchTable(settings, "mount", options.keystore);
  if (named == nullptr) return {};  // A directory beside the caller.
  if (options.mountpoint.empty()) options.mountpoint = named->mountpoint;
  if (options.mountpoint.empty())
    return Usage(settings.file.string() + ": [mount." + named->name + "] has no mountpoint");
  options.keystore = named->keystore;
  if (!options.unlock.given()) options.unlock = named->unlock;
  if (options.log_level.empty()) options.log_level = named->log_level;
  if (named->stores_only) options.mount_options.emplace_back("subtree=stores");
  if (named->read_only) options.mount_options.emplace_back("ro");
  // In front, so that what the command line says holds.
  auto& list = options.mount_options;
  if (named->audit_mib != 0) list.insert(list.begin(), "audit-mib=" + std::to_string(named->audit_mib));
  if (named->audit_files != 0) list.insert(list.begin(), "audit-files=" + std::to_string(named->audit_files));
  return {};
}

// The number behind the "=" of `option`.
Result<std::uint32_t> AuditNumber(const std::string& option, std::uint32_t least, std::uint32_t most) {
  const std::string_view text = std::string_view(option).substr(option.find('=') + 1);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most)
    return Usage("-o " + option + ": is a number from " + std::to_string(least) + " to " +
                 std::to_string(most));
  return number;
}

Result<void> ApplyMountOption(const std::string& option, MountOptions& mount) {
  if (TRY(FindMountOption(option, MountOptionsOf::kCertfsMount))->kind != MountOptionKind::kMount)
    return Usage("-o " + option + ": is for mount(8) and fstab(5); see certfs mount --help");
  if (option == "subtree=stores") {
    mount.stores_only = true;
  } else if (option == "ro") {
    mount.read_only = true;
  } else if (option.rfind("audit-mib=", 0) == 0) {
    mount.audit.file_bytes = std::uint64_t{TRY(AuditNumber(option, 1, 1024))} << 20;
  } else if (option.rfind("audit-files=", 0) == 0) {
    mount.audit.files = TRY(AuditNumber(option, 2, 200));
  } else if (option.rfind("subtree=", 0) == 0) {
    return Usage("-o " + option + ": can only be subtree=stores");
  }
  return {};
}

// Checks everything that can be checked without the secret.
Result<MountOptions> Prepare(const Options& options) {
  MountOptions mount;
  for (const std::string& option : options.mount_options) TRY(ApplyMountOption(option, mount));
  std::error_code failure;
  const std::filesystem::path source = std::filesystem::canonical(options.keystore, failure);
  if (failure) return SystemError(options.keystore, failure.value());
  mount.source = source.string();
  mount.mountpoint = TRY(MountpointPath(options.mountpoint));
  for (const Mount& other : TRY(FindMounts())) {
    if (other.mountpoint == mount.mountpoint) {
      if (IsDead(other)) return mount;  // The new mount takes its place.
      return Error(ErrorCode::kBusy, mount.mountpoint.string() + ": is already a certfs mount, of " +
                                         other.source + "; run: certfs umount '" + mount.mountpoint.string() +
                                         "'");
    }
  }
  struct stat status {};
  if (stat(mount.mountpoint.c_str(), &status) != 0) return SystemError(options.mountpoint, errno);
  if (!S_ISDIR(status.st_mode)) return SystemError(options.mountpoint, ENOTDIR);
  return mount;
}

// What the daemon's first process and the daemon say to each other.
struct Pipe {
  Descriptor out;  // To read from.
  Descriptor in;   // To write to.

  static Result<Pipe> Make() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError("pipe", errno);
    return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  }
};

Result<void> Serve(const Options& options, const MountOptions& mount, const UnlockSecret& secret,
                   WakerProcess waker, const std::function<void()>& ready) {
  const auto keystore = TRY(Keystore::Open(mount.source, secret, std::chrono::system_clock::now));
  VolumeOptions volume{geteuid(), getegid(), "certfs " CERTFS_VERSION "\n", mount.source};
  volume.note_directory = mount.source;
  bool answered = false;
  Result<void> end = RunMount(*keystore, volume, mount, std::move(waker), [&] {
    answered = true;
    ready();
  });
  // Before it answered, main tells the terminal; afterwards nobody but the log listens.
  if (!end.has_value() && answered && !options.foreground) spdlog::error("{}", end.error().message());
  return end;
}

void LogTo(bool foreground, const Options& options) {
  if (foreground) {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("certfs"));
  } else {
    spdlog::set_default_logger(spdlog::syslog_logger_mt("certfs", "certfs", LOG_PID, LOG_DAEMON));
    spdlog::set_pattern("%v");  // The journal has its own times and levels.
  }
  if (!options.log_level.empty()) SetLogLevel(options.log_level);
}

void WarnIfUnlocked(bool locked) {
  if (!locked) spdlog::warn("RLIMIT_MEMLOCK is too low: secrets may be written to the swap device");
}

// Closes what the caller had open beyond the three standard descriptors, lest a daemon hold its pipes for
// ever; `kept` stay, those that are none left aside. Only after the secret was read, because that may come
// from one of them (/dev/fd/N).
void CloseInherited(std::vector<int> kept) {
  unsigned first = STDERR_FILENO + 1;
  std::sort(kept.begin(), kept.end());
  for (const int each : kept) {
    if (each < 0) continue;
    const auto number = static_cast<unsigned>(each);
    if (number > first) close_range(first, number - 1, 0);
    first = std::max(first, number + 1);
  }
  close_range(first, ~0U, 0);
}

// Leaves the terminal and the caller's directory.
void Detach() {
  if (chdir("/") != 0) spdlog::warn("cannot change to /");
  const Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.open()) return;
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null.number(), standard);
}

Result<ExitCode> ServeInForeground(const Options& options, const MountOptions& mount) {
  WakerProcess waker = TRY(WakerProcess::Start());
  const bool locked = ProtectProcess();
  LogTo(true, options);
  WarnIfUnlocked(locked);
  const UnlockSecret secret = TRY(ReadUnlockSecret(mount.source, options.unlock));
  TRY(Serve(options, mount, secret, std::move(waker), [&] {
    spdlog::info("serving {} on {}", mount.source, mount.mountpoint.string());
    // A service of Type=notify is up when its mount answers; nobody else listens.
    sd_notify(1, "READY=1");
  }));
  return ExitCode::kOk;
}

Result<UnlockSecret> ReceiveSecret(int from) {
  std::uint8_t type = 0;
  // Nothing comes when the asking failed: the parent has said why.
  if (read(from, &type, 1) != 1) return Error(ErrorCode::kCancelled, "no passphrase was given");
  SecretBytes secret;
  std::uint8_t byte = 0;
  while (read(from, &byte, 1) == 1) secret.push_back(byte);
  Wipe({&byte, 1});
  return UnlockSecret{static_cast<SlotType>(type), std::move(secret)};
}

// The daemon. Only it opens the keystore: LMDB does not survive a fork, and neither do memory locks.
Result<ExitCode> ServeAsDaemon(const Options& options, const MountOptions& mount, Pipe secrets, Pipe report) {
  setsid();
  secrets.in.Close();
  report.out.Close();
  WakerProcess waker = TRY(WakerProcess::Start());
  const bool locked = ProtectProcess();
  const UnlockSecret secret = TRY(options.unlock.may_ask() ? ReceiveSecret(secrets.out.number())
                                                           : ReadUnlockSecret(mount.source, options.unlock));
  secrets.out.Close();
  CloseInherited({report.in.number(), waker.socket(), ExaminerDescriptor()});
  LogTo(false, options);
  WarnIfUnlocked(locked);
  TRY(Serve(options, mount, secret, std::move(waker), [&] {
    spdlog::info("serving {} on {}", mount.source, mount.mountpoint.string());
    Detach();
    const char mounted = 1;
    if (write(report.in.number(), &mounted, 1) != 1) spdlog::debug("nobody waits for the mount");
    report.in.Close();
  }));
  spdlog::info("{} is unmounted", mount.mountpoint.string());
  return ExitCode::kOk;
}

// Asks for the passphrase here, where the terminal is, and hands the secret to the daemon.
Result<void> SendSecret(const Options& options, const MountOptions& mount, Descriptor to) {
  ProtectProcess();
  const UnlockSecret secret = TRY(ReadUnlockSecret(mount.source, options.unlock));
  SecretBytes message;
  message.push_back(static_cast<std::uint8_t>(secret.type));
  Writer(message).Raw(secret.bytes.Reveal());
  const BytesView bytes = message.Reveal();
  // A pipe takes 64 KiB at once, and no secret is as long; a daemon that has gone reports below.
  if (write(to.number(), bytes.data(), bytes.size()) < 0 && errno != EPIPE) return SystemError("pipe", errno);
  return {};
}

Result<ExitCode> AwaitDaemon(pid_t daemon, Pipe report) {
  report.in.Close();
  char mounted = 0;
  ssize_t got = 0;
  do {
    got = read(report.out.number(), &mounted, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) return ExitCode::kOk;
  int status = 0;
  while (waitpid(daemon, &status, 0) < 0 && errno == EINTR) {
  }
  // It has said why on the same stderr.
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) return static_cast<ExitCode>(WEXITSTATUS(status));
  if (WIFEXITED(status)) return Error(ErrorCode::kCancelled, "unmounted before it answered");
  return Error(ErrorCode::kInternal, "the daemon was killed by signal " + std::to_string(WTERMSIG(status)) +
                                         " before the mount answered");
}

Result<ExitCode> RunMountCommand(Options& options) {
  TRY(AddSettings(options));
  const MountOptions mount = TRY(Prepare(options));
  TRY(ChooseDefaultKey(mount.source, options.unlock));
  if (options.foreground) return ServeInForeground(options, mount);
  signal(SIGPIPE, SIG_IGN);
  Pipe secrets = TRY(Pipe::Make());
  Pipe report = TRY(Pipe::Make());
  const pid_t daemon = fork();
  if (daemon < 0) return SystemError("fork", errno);
  if (daemon == 0) return ServeAsDaemon(options, mount, std::move(secrets), std::move(report));
  secrets.out.Close();
  if (options.unlock.may_ask()) {
    auto sent = SendSecret(options, mount, std::move(secrets.in));
    if (!sent.has_value()) {
      kill(daemon, SIGKILL);  // It waits for a secret that will not come, and has opened nothing.
      waitpid(daemon, nullptr, 0);
      return std::move(sent).error();
    }
  } else {
    secrets.in.Close();
  }
  return AwaitDaemon(daemon, std::move(report));
}

}  // namespace

void AddMountCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("mount", "Unlock a keystore and mount it");
  auto options = std::make_shared<Options>();
  command
      ->add_option("KEYSTORE", options->keystore,
                   "The keystore's directory, or the NAME of a [mount.NAME] in the settings")
      ->required();
  command->add_option("MOUNTPOINT", options->mountpoint,
                      "Where to mount it; the settings may say it of NAME");
  AddUnlockOptions(*command, options->unlock);
  command->add_option("-o", options->mount_options, "Mount options: subtree=stores (stores at the root), ro")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->type_name("OPTION,...");
  command->add_flag("--foreground", options->foreground, "Stay in the foreground and log to stderr");
  command
      ->add_option("--log-level", options->log_level, "The least that is logged; info unless said otherwise")
      ->check(CLI::IsMember(kLogLevels));
  AddSettingsOption(*command, options->settings);
  command->footer(
      std::string(kUnlockFooter) +
      "\nWith a NAME the settings say what the command line does not; write ./NAME for a directory of\n"
      "that name. The daemon logs to the journal: journalctl -t certfs.\n\n"
      "Examples:\n"
      "  certfs mount /srv/keystore /certs\n"
      "  certfs mount /srv/keystore /certs --passphrase -o subtree=stores,ro\n"
      "  certfs mount web");
  command->callback([options, &action] { action = [options] { return RunMountCommand(*options); }; });
}

}  // namespace certfs
