// certfs umount: unmounts, and waits until the daemon has gone.

#include <poll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <iostream>
#include <memory>
#include <thread>

#include "tools/commands.h"
#include "tools/mounts.h"
#include "tools/settings.h"
#include "tools/system.h"

namespace certfs {

namespace {

constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(30);
// Uses of the mount that end within this, such as a look at all mounts, do not keep it from being unmounted.
constexpr std::chrono::milliseconds kMomentary = std::chrono::seconds(2);
constexpr std::chrono::milliseconds kRetry(10);

Error InUse(const std::filesystem::path& mountpoint) {
  return Error(ErrorCode::kBusy, mountpoint.string() +
                                     ": in use: a process has a file open in it or works in one of its "
                                     "directories (fuser -vm '" +
                                     mountpoint.string() + "' shows which)");
}

// What a user who is not root asks instead.
Result<void> AskFusermount(const std::filesystem::path& mountpoint, bool lazily) {
  const pid_t child = fork();
  if (child < 0) return SystemError("fork", errno);
  if (child == 0) {
    execlp("fusermount3", "fusermount3", lazily ? "-uz" : "-u", "--", mountpoint.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    return Error(ErrorCode::kIo, "fusermount3 is missing; install the package fuse3");
  }
  return Error(ErrorCode::kBusy, mountpoint.string() + ": fusermount3 did not unmount it");
}

Result<void> Unmount(const std::filesystem::path& mountpoint, bool lazily) {
  const auto deadline = std::chrono::steady_clock::now() + kMomentary;
  for (;;) {
    if (umount2(mountpoint.c_str(), UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0)) == 0) return {};
    if (errno == EPERM) return AskFusermount(mountpoint, lazily);
    if (errno != EBUSY) return SystemError(mountpoint, errno);
    // Whoever only looks at all mounts, as df does, or wakes watchers of the last commit, is gone in a
    // moment.
    if (std::chrono::steady_clock::now() >= deadline) return InUse(mountpoint);
    std::this_thread::sleep_for(kRetry);
  }
}

Result<void> AwaitEnd(int daemon, const std::filesystem::path& mountpoint) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{daemon, POLLIN, 0};
    const int got = left.count() > 0 ? poll(&waiting, 1, static_cast<int>(left.count())) : 0;
    if (got > 0) return {};
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("poll", errno);
    return Error(ErrorCode::kBusy,
                 mountpoint.string() + ": unmounted, but its daemon is still running after 30 s");
  }
}

struct UmountCommandOptions {
  std::string mountpoint;
  std::string settings;
};

// Where MOUNTPOINT is the name of a mount in the settings, what they say of it.
Result<std::string> MountpointOf(const UmountCommandOptions& options) {
  if (!IsTableName(options.mountpoint)) return options.mountpoint;
  const MachineSettings settings = TRY(ReadMachineSettings(options.settings));
  const MountSettings* const named = settings.FindMount(options.mountpoint);
  return named == nullptr || named->mountpoint.empty() ? options.mountpoint : named->mountpoint;
}

Result<ExitCode> Umount(const UmountCommandOptions& options) {
  const Mount mount = TRY(ChooseMount(TRY(MountpointOf(options))));
  if (IsDead(mount)) {
    TRY(Unmount(mount.mountpoint, true));
    std::cout << mount.mountpoint.string() << ": its daemon had died; the mount is removed\n";
    return ExitCode::kOk;
  }
  const Descriptor daemon = OpenMounter(mount.mountpoint);
  TRY(Unmount(mount.mountpoint, false));
  if (!daemon.open()) {
    std::cerr << "certfs: warning: " << mount.mountpoint.string()
              << ": unmounted; its daemon could not be waited for\n";
    return ExitCode::kOk;
  }
  TRY(AwaitEnd(daemon.number(), mount.mountpoint));
  return ExitCode::kOk;
}

}  // namespace

void AddUmountCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("umount", "Unmount, and wait until the daemon has gone");
  auto options = std::make_shared<UmountCommandOptions>();
  command
      ->add_option("MOUNTPOINT", options->mountpoint,
                   "Where it is mounted, or the NAME of a [mount.NAME] in the settings")
      ->required();
  AddSettingsOption(*command, options->settings);
  command->footer(
      "A mount that is in use for longer than 2 seconds is left alone; one whose daemon died is removed.\n\n"
      "Examples:\n"
      "  certfs umount /certs\n"
      "  certfs umount web");
  command->callback([options, &action] { action = [options] { return Umount(*options); }; });
}

}  // namespace certfs
