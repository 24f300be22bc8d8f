// certfs watch: runs a command once for each change of an entry's content.
//
// What changed is told by the inode numbers of the entry's files: a commit gives each of them a new one, and
// nothing else does (fs/README.md, "Node ids"). So no key is read, nor is the right to read one needed, and
// no file is opened: who opened a certificate would be shown the key of the same revision for a moment.

#include <poll.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fs/node_id.h"
#include "tools/commands.h"
#include "tools/entry_name.h"
#include "tools/mounts.h"
#include "tools/system.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;

// A change is over when nothing has happened for this long: `install` and `rm -r` make several steps.
constexpr std::chrono::milliseconds kQuiet{100};
// A rotation that never pauses must not put the command off for ever.
constexpr std::chrono::milliseconds kQuietMax{2000};
// How often to look again when a commit came between two files.
constexpr int kLooksMax = 100;

struct Options {
  std::vector<std::string> entries;
  std::string mount;
  bool once = false;
};

// The files of an entry, each with its inode number.
using Files = std::map<std::string, ino_t>;

struct Watched {
  std::string text;  // As the user named it.
  EntryName name;
  Files files;        // As of the last run, or of the start.
  bool gone = false;  // It was said that nothing is there.
};

// Returns what is in `directory`; kNotFound if it is not there, kIo with the reason if that cannot be told.
Result<Files> LookOnce(const fs::path& directory, bool& consistent) {
  struct stat status {};
  if (stat(directory.c_str(), &status) != 0) return SystemError(directory, errno);
  Files files;
  std::optional<Revision> revision;
  consistent = true;
  for (const Member member : kMembers) {
    const fs::path path = directory / FileName(member);
    if (stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) continue;
      return SystemError(path, errno);
    }
    const NodeId node(status.st_ino);
    if (!node.member()) consistent = false;  // Being written for the first time.
    if (revision && *revision != node.revision()) consistent = false;
    revision = node.revision();
    files.emplace(FileName(member), status.st_ino);
  }
  return files;
}

Result<Files> Look(const fs::path& directory) {
  Files files;
  for (int i = 0; i < kLooksMax; ++i) {
    bool consistent = false;
    files = TRY(LookOnce(directory, consistent));
    if (consistent) break;
  }
  return files;
}

// What wakes this command: changes below the mount, mounts that come and go, and the signals that end it.
class Alarm {
 public:
  static Result<Alarm> Make() {
    Alarm alarm;
    alarm.mounts_ = Descriptor(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    if (!alarm.mounts_.open()) return SystemError("/proc/self/mountinfo", errno);
    sigset_t ends;
    sigemptyset(&ends);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, number);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    alarm.ends_ = Descriptor(signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!alarm.ends_.open()) return SystemError("signalfd", errno);
    return alarm;
  }

  // Watches what there is on the way to each entry, so that one that is missing is met when it comes.
  // Replaces the watches of before: names may lead elsewhere now.
  Result<void> Arm(const fs::path& stores, const std::vector<Watched>& entries) {
    changes_ = Descriptor(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!changes_.open()) return SystemError("inotify", errno);
    constexpr std::uint32_t kWhat = IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_DELETE_SELF |
                                    IN_MOVE | IN_MOVE_SELF | IN_ONLYDIR;
    const auto add = [&](const fs::path& path) -> Result<void> {
      if (inotify_add_watch(changes_.number(), path.c_str(), kWhat) >= 0 || errno == ENOENT ||
          errno == ENOTCONN)
        return {};
      // Who may not list a directory may not watch it. What lies in it may still be watched.
      if (errno == EACCES && path != stores) return {};
      return SystemError(path, errno);
    };
    TRY(add(stores));
    for (const Watched& each : entries) {
      const fs::path store = stores / each.name.store.text();
      TRY(add(store));
      TRY(add(store / each.name.alias.text()));
    }
    return {};
  }
  void Disarm() { changes_.Close(); }

  enum class Why { kChange, kMounts, kNothing, kEnd };
  // Waits at most `patience`; for ever without. `also` is a descriptor that ends the waiting with kChange.
  Why Wait(std::optional<std::chrono::milliseconds> patience, int also = -1) {
    std::array<pollfd, 4> waiting{pollfd{ends_.number(), POLLIN, 0}, pollfd{mounts_.number(), POLLPRI, 0},
                                  pollfd{changes_.number(), POLLIN, 0}, pollfd{also, POLLIN, 0}};
    if (also >= 0) waiting[1].fd = waiting[2].fd = -1;  // What changes meanwhile is met behind it.
    int got = 0;
    do {
      got = poll(waiting.data(), waiting.size(), patience ? static_cast<int>(patience->count()) : -1);
    } while (got < 0 && errno == EINTR);
    if (waiting[0].revents != 0) return Why::kEnd;
    if (waiting[1].revents != 0) {
      std::array<char, 4096> text;  // Reading it to its end is what silences it.
      static_cast<void>(lseek(mounts_.number(), 0, SEEK_SET));
      while (read(mounts_.number(), text.data(), text.size()) > 0) {
      }
      return Why::kMounts;
    }
    if (waiting[2].revents != 0) {
      std::array<char, 4096> events;
      while (read(changes_.number(), events.data(), events.size()) > 0) {
      }
    }
    return got == 0 ? Why::kNothing : Why::kChange;
  }

 private:
  Descriptor changes_;
  Descriptor mounts_;
  Descriptor ends_;
};

class WatchRun {
 public:
  WatchRun(std::vector<Watched> entries, Mount mount, std::vector<std::string> command, bool once,
           Alarm alarm)
      : entries_(std::move(entries)),
        mount_(std::move(mount)),
        command_(std::move(command)),
        once_(once),
        alarm_(std::move(alarm)) {}

  Result<ExitCode> Start() {
    const fs::path stores = StoresOf(mount_);
    TRY(alarm_.Arm(stores, entries_));
    for (Watched& each : entries_) {
      auto files = Look(PathOf(stores, each));
      if (!files.has_value()) return std::move(files).error().Within(each.text);
      each.files = std::move(files).value();
    }
    return Loop();
  }

 private:
  static fs::path PathOf(const fs::path& stores, const Watched& entry) {
    return stores / entry.name.store.text() / entry.name.alias.text();
  }

  // Waits for a change that is over; false when this is to end.
  bool AwaitChange() {
    using Why = Alarm::Why;
    Why why = alarm_.Wait(std::nullopt);
    const auto deadline = std::chrono::steady_clock::now() + kQuietMax;
    while (why != Why::kEnd && why != Why::kNothing && std::chrono::steady_clock::now() < deadline) {
      why = alarm_.Wait(kQuiet);
    }
    return why != Why::kEnd;
  }

  bool IsMounted() const {
    const auto mounts = FindMounts();
    if (!mounts.has_value()) return false;
    for (const Mount& each : mounts.value()) {
      if (each.mountpoint == mount_.mountpoint) return !IsDead(each);
    }
    return false;
  }

  Result<ExitCode> Loop() {
    bool mounted = true;
    while (AwaitChange()) {
      const bool now = IsMounted();
      if (now != std::exchange(mounted, now)) {
        std::cerr << "certfs: " << mount_.mountpoint.string()
                  << (now ? ": is mounted again\n" : ": is not mounted; waiting until it is again\n");
      }
      if (!now) {
        alarm_.Disarm();
        continue;
      }
      // Before looking: what changes behind the look wakes again.
      TRY(alarm_.Arm(StoresOf(mount_), entries_));
      const std::string changed = TakeChanges();
      if (changed.empty()) continue;
      const bool succeeded = TRY(RunCommand(changed));
      if (once_) return succeeded ? ExitCode::kOk : ExitCode::kFailed;
      if (ended_) break;
    }
    return ExitCode::kOk;
  }

  // The entries whose content is another than at the last run, a line each.
  std::string TakeChanges() {
    std::string changed;
    for (Watched& each : entries_) {
      const fs::path path = PathOf(StoresOf(mount_), each);
      auto files = Look(path);
      // A command that reads a certificate has nothing to do when there is none.
      const bool gone = !files.has_value() || files.value().empty();
      if (gone != std::exchange(each.gone, gone) && gone) {
        std::cerr << "certfs: " << each.text << ": "
                  << (files.has_value() ? "holds nothing" : files.error().message())
                  << "; waiting until it is there again\n";
      }
      if (gone || files.value() == each.files) continue;
      each.files = std::move(files).value();
      changed += (changed.empty() ? "" : "\n") + each.text;
    }
    return changed;
  }

  // Returns whether the command ended with 0.
  Result<bool> RunCommand(const std::string& changed) {
    setenv("CERTFS_ENTRY", changed.c_str(), 1);
    setenv("CERTFS_MOUNT", mount_.mountpoint.c_str(), 1);
    std::vector<char*> words;
    for (std::string& word : command_) words.push_back(word.data());
    words.push_back(nullptr);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t process = 0;
    const int failure = posix_spawnp(&process, words.front(), nullptr, &attributes, words.data(), environ);
    posix_spawnattr_destroy(&attributes);
    if (failure != 0) return SystemError(command_.front(), failure);
    // A signal ends this command once the one that it runs has ended.
    const Descriptor child(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
    if (child.open() && alarm_.Wait(std::nullopt, child.number()) == Alarm::Why::kEnd) ended_ = true;
    int status = 0;
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    std::cerr << "certfs: " << changed << ": " << command_.front()
              << (WIFEXITED(status) ? " ended with " + std::to_string(WEXITSTATUS(status))
                                    : " was killed by signal " + std::to_string(WTERMSIG(status)))
              << "\n";
    return false;
  }

  std::vector<Watched> entries_;
  const Mount mount_;
  std::vector<std::string> command_;
  const bool once_;
  Alarm alarm_;
  bool ended_ = false;
};

Result<ExitCode> Watch(const Options& options, const std::vector<std::string>& command) {
  if (command.empty())
    return Error(ErrorCode::kInvalidArgument, "watch: say what to run: -- COMMAND [ARGUMENT...]");
  std::vector<Watched> entries;
  for (const std::string& text : options.entries)
    entries.push_back({text, TRY(ParseEntryName(text)), {}, false});
  Mount mount = TRY(ChooseMount(options.mount));
  Alarm alarm = TRY(Alarm::Make());
  return WatchRun(std::move(entries), std::move(mount), command, options.once, std::move(alarm)).Start();
}

}  // namespace

void AddWatchCommand(CLI::App& app, const std::vector<std::string>& behind, Action& action) {
  CLI::App* command = app.add_subcommand("watch", "Run a command once for each change of an entry's content");
  auto options = std::make_shared<Options>();
  command->add_option("ENTRY", options->entries, "The entries, STORE/ALIAS each")->required();
  command->add_option("--mount", options->mount, "The mount to use; needed only when there are several");
  command->add_flag("--once", options->once, "End after the first run: 0 if the command succeeded, else 1");
  command->footer(
      "Behind the entries stands: -- COMMAND [ARGUMENT...]\n\n"
      "However many files a change moves, it is one run; changes of owner, mode and times are none, nor are\n"
      "bytes that were there already. COMMAND finds the entries that changed, a line each, in CERTFS_ENTRY "
      "and\n"
      "the mountpoint in CERTFS_MOUNT. It is run without a shell. What changes while it runs is one more "
      "run.\n"
      "While the filesystem is not mounted, or an entry is not there, certfs watch says so and waits.\n"
      "SIGINT, SIGTERM and SIGHUP end it with 0, after the command that it may be running.\n\n"
      "Examples: certfs watch MACHINE_SSL_CERT/__MACHINE_CERT -- nginx -s reload\n"
      "          certfs watch machine/web vpxd/vpxd -- sh -c 'logger \"new: $CERTFS_ENTRY\"'");
  command->callback(
      [options, behind, &action] { action = [options, behind] { return Watch(*options, behind); }; });
}

}  // namespace certfs
