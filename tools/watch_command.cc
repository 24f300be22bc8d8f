// certfs watch: runs a command once for each change of what entries hold.

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/commands.h"
#include "tools/entry_state.h"
#include "tools/exit_code.h"
#include "tools/settings.h"
#include "tools/system.h"
#include "tools/watched_entries.h"

namespace certfs {

namespace {

using Moment = std::chrono::steady_clock::time_point;

// Events of one rotation come in a burst: it is looked at when it has gone quiet, or has lasted too long.
constexpr auto kQuiet = std::chrono::milliseconds(100);
constexpr auto kBurst = std::chrono::seconds(2);
// A name may be cached for a second where an event came before its change: then it shows now.
constexpr auto kSecondLook = std::chrono::milliseconds(1100);
// What could not be looked at, or run, is tried again: there need be no event when room is made.
constexpr auto kLookAgainAfter = std::chrono::seconds(1);

struct WatchCommandOptions {
  std::vector<std::string> entries;
  std::vector<std::string> command;
  std::string mount;
  std::string settings;
  bool once = false;
  bool initial = false;
};

// A command that is not there is better told now than at the first renewal.
Result<void> CheckCommand(const std::string& program) {
  if (program.find('/') != std::string::npos) {
    if (access(program.c_str(), X_OK) != 0) return UsageError(SystemError(program, errno).message());
    return {};
  }
  const char* const variable = std::getenv("PATH");
  const std::string path = variable != nullptr ? variable : "/bin:/usr/bin";
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string directory = end == at ? "." : path.substr(at, end - at);
    if (access((std::filesystem::path(directory) / program).c_str(), X_OK) == 0) return {};
    at = end + 1;
  }
  return UsageError(program + ": no such command in PATH");
}

// The user's command, while it runs.
class Command {
 public:
  explicit Command(std::vector<std::string> words) : words_(std::move(words)) {}

  bool running() const { return process_ != 0; }
  const std::string& program() const { return words_.front(); }
  const std::string& names() const { return names_; }  // What it was last run for, a line each.

  // `before` is the mask of signals to give it back.
  Result<void> Start(const std::string& names, const std::string& paths, const std::string& mountpoint,
                     const sigset_t& before) {
    names_ = names;
    std::vector<char*> arguments;
    for (std::string& word : words_) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    process_ = fork();
    if (process_ < 0) {
      process_ = 0;
      return SystemError("fork", errno);
    }
    if (process_ > 0) return {};
    setenv("CERTFS_ENTRY", names.c_str(), 1);
    setenv("CERTFS_PATH", paths.c_str(), 1);
    setenv("CERTFS_MOUNT", mountpoint.c_str(), 1);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    execvp(arguments.front(), arguments.data());
    const int error = errno;
    std::cerr << "certfs: " << SystemError(words_.front(), error).message() << std::endl;
    _exit(error == ENOENT ? 127 : 126);
  }

  // Returns its exit code as a shell tells it, once it has ended.
  std::optional<int> Reap() {
    int status = 0;
    if (!running() || waitpid(process_, &status, WNOHANG) != process_) return std::nullopt;
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  void Signal(int number) const {
    if (running()) kill(process_, number);
  }

 private:
  std::vector<std::string> words_;
  std::string names_;
  pid_t process_ = 0;
};

constexpr std::array kEnding{SIGTERM, SIGINT, SIGHUP, SIGQUIT};
constexpr std::array kPassed{SIGUSR1, SIGUSR2};

class Watch {
 public:
  Watch(const WatchCommandOptions& options, const Mount& mount, const std::vector<WatchedEntry>& entries)
      : once_(options.once),
        initial_(options.initial),
        mountpoint_(mount.mountpoint),
        news_(mount, entries),
        command_(options.command) {
    for (const WatchedEntry& entry : entries) watched_.push_back({entry, {}, {}, false});
  }

  // Returns when a signal ends it, or when the command was to run once and has.
  Result<ExitCode> Run();

 private:
  struct Watched {
    WatchedEntry entry;
    EntryState told;  // What the command was last run for.
    EntryState seen;  // What was there when we last looked.
    bool said;        // Whether it was said that it changed; the command has yet to start.
  };

  Result<void> Begin();
  Result<bool> Await();
  Result<void> Look();
  void LookSoon();
  void CheckMount(bool surely_gone);
  void TakeSignals();

  const bool once_;
  const bool initial_;  // What is there at the start is news.
  const std::filesystem::path mountpoint_;
  EntryNews news_;
  Command command_;
  std::vector<Watched> watched_;
  Descriptor signals_;
  sigset_t before_{};
  bool mounted_ = true;
  bool said_gone_ = false;
  bool second_look_ = false;           // Whether the next look is the second after an event.
  std::optional<Moment> look_at_;      // When to look next; nothing while all is quiet.
  std::optional<Moment> burst_since_;  // When the events began that were not looked at yet.
  std::string failure_;                // Why the last look failed; empty if it did not.
  bool ending_ = false;                // A signal asked for the end.
};

// Watches first and reads then: nothing can change unseen between the two.
Result<void> Watch::Begin() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int number : kEnding) sigaddset(&wanted, number);
  for (const int number : kPassed) sigaddset(&wanted, number);
  sigaddset(&wanted, SIGCHLD);
  sigprocmask(SIG_BLOCK, &wanted, &before_);
  signals_ = Descriptor(signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.open()) return SystemError("signalfd", errno);
  TRY(news_.Arm());
  for (Watched& each : watched_) {
    each.seen = TRY(ReadEntryState(each.entry.directory, {}));
    if (!initial_) each.told = each.seen;
  }
  if (initial_) look_at_ = std::chrono::steady_clock::now();
  for (const Watched& each : watched_) std::cout << each.entry.name << ": watching" << std::endl;
  return {};
}

// Looks at all entries, and starts the command if any of them has news.
Result<void> Watch::Look() {
  // Anew each time: what returned under a name is another directory.
  TRY(news_.Arm());
  std::vector<EntryState> states;
  for (const Watched& each : watched_) states.push_back(TRY(ReadEntryState(each.entry.directory, each.seen)));
  std::vector<Watched*> changed;
  std::string names;
  std::string paths;
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    Watched& each = watched_[i];
    if (states[i].files.empty() && !each.seen.files.empty())
      std::cerr << "certfs: " << each.entry.name << ": is gone; waiting until it is there again" << std::endl;
    each.seen = std::move(states[i]);
    if (!IsNews(each.told, each.seen)) {
      each.said = false;
      continue;
    }
    changed.push_back(&each);
    names += (names.empty() ? "" : "\n") + each.entry.name;
    paths += (paths.empty() ? "" : "\n") + each.entry.directory.string();
    if (!each.said) std::cout << each.entry.name << ": changed" << std::endl;
    each.said = true;
  }
  if (changed.empty()) return {};
  TRY(command_.Start(names, paths, mountpoint_.string(), before_));
  // Until it has started all of it stays news.
  for (Watched* const each : changed) {
    each->told = each->seen;
    each->said = false;
  }
  return {};
}

void Watch::LookSoon() {
  const Moment now = std::chrono::steady_clock::now();
  if (!burst_since_) burst_since_ = now;
  look_at_ = std::min<Moment>(now + kQuiet, *burst_since_ + kBurst);
  second_look_ = false;
}

// What returns is looked at like after an event: it may have changed meanwhile.
void Watch::CheckMount(bool surely_gone) {
  if (mounted_ && !surely_gone && news_.IsMounted()) return;
  if (mounted_) {
    news_.Disarm();
    look_at_.reset();
    mounted_ = false;
  }
  if (news_.IsMounted()) {
    if (said_gone_) std::cerr << "certfs: " << mountpoint_.string() << ": is mounted again" << std::endl;
    said_gone_ = false;
    mounted_ = true;
    LookSoon();
  } else if (!said_gone_) {
    said_gone_ = true;
    std::cerr << "certfs: " << mountpoint_.string() << ": is not mounted; waiting until it is again"
              << std::endl;
  }
}

void Watch::TakeSignals() {
  signalfd_siginfo signal{};
  while (read(signals_.number(), &signal, sizeof signal) == sizeof signal) {
    const int number = static_cast<int>(signal.ssi_signo);
    if (number == SIGCHLD) continue;
    // The terminal tells every process of the group by itself.
    if (signal.ssi_code != SI_KERNEL) command_.Signal(number);
    if (std::find(kEnding.begin(), kEnding.end(), number) != kEnding.end()) ending_ = true;
  }
}

// Waits for the next thing to do. Returns whether it is time to look.
Result<bool> Watch::Await() {
  int timeout = -1;
  if (look_at_ && !command_.running()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(*look_at_ - std::chrono::steady_clock::now());
    if (left.count() <= 0) return true;
    timeout = static_cast<int>(left.count());
  }
  std::array<pollfd, 4> waiting{pollfd{news_.events(), POLLIN, 0}, pollfd{news_.daemon(), POLLIN, 0},
                                pollfd{news_.mount_table(), POLLPRI, 0},
                                pollfd{signals_.number(), POLLIN, 0}};
  if (poll(waiting.data(), waiting.size(), timeout) < 0) {
    if (errno == EINTR) return false;
    return SystemError("poll", errno);
  }
  if (waiting[3].revents != 0) TakeSignals();
  const bool ended = waiting[1].revents != 0;
  bool unmounted = false;
  if (waiting[0].revents != 0) {
    unmounted = news_.Drain();
    LookSoon();
  }
  if (ended || unmounted || waiting[2].revents != 0) CheckMount(ended || unmounted);
  return false;
}

Result<ExitCode> Watch::Run() {
  TRY(Begin());
  for (;;) {
    if (const auto end = command_.Reap()) {
      if (once_) return static_cast<ExitCode>(*end);
      if (*end != 0) {
        std::cerr << "certfs: " << command_.names() << ": " << command_.program() << " ended with " << *end
                  << std::endl;
      }
    }
    if (ending_ && !command_.running()) return ExitCode::kOk;
    const bool look = TRY(Await());
    if (!look || ending_) continue;
    look_at_.reset();
    burst_since_.reset();
    if (!second_look_) look_at_ = std::chrono::steady_clock::now() + kSecondLook;
    second_look_ = !second_look_;
    const auto looked = Look();
    if (looked.has_value()) {
      failure_.clear();
      continue;
    }
    CheckMount(false);
    if (!mounted_) continue;
    look_at_ = std::chrono::steady_clock::now() + kLookAgainAfter;
    const std::string& failure = looked.error().message();
    if (failure != failure_) std::cerr << "certfs: " << failure << "; trying again" << std::endl;
    failure_ = failure;
  }
}

// Where there is one ENTRY and no command, it is the name of a watch in the settings.
Result<void> AddSettings(WatchCommandOptions& options) {
  if (!options.command.empty() || options.entries.size() != 1 || !IsTableName(options.entries.front()))
    return {};
  const MachineSettings settings = TRY(ReadMachineSettings(options.settings));
  const WatchSettings* const named = settings.FindWatch(options.entries.front());
  if (named == nullptr && settings.file.empty()) return {};
  if (named == nullptr) return NoSuchTable(settings, "watch", options.entries.front());
  options.entries = named->entries;
  options.command = named->command;
  if (options.mount.empty()) options.mount = named->mount;
  return {};
}

Result<ExitCode> RunWatch(WatchCommandOptions& options) {
  TRY(AddSettings(options));
  if (options.command.empty())
    return UsageError("no command to run: certfs watch ENTRY... -- COMMAND [ARGUMENT...]");
  TRY(CheckCommand(options.command.front()));
  Mount mount;
  std::vector<WatchedEntry> entries;
  for (const std::string& text : options.entries) {
    WatchedEntry entry = TRY(FindWatchedEntry(text, options.mount, mount));
    const bool named = std::any_of(entries.begin(), entries.end(), [&](const WatchedEntry& each) {
      return each.directory == entry.directory;
    });
    if (!named) entries.push_back(std::move(entry));
  }
  return Watch(options, mount, entries).Run();
}

}  // namespace

void AddWatchCommand(CLI::App& app, const std::vector<std::string>& behind, Action& action) {
  CLI::App* command = app.add_subcommand("watch",
                                         "Run a command once for each change of what entries hold:\ncertfs "
                                         "watch ENTRY... -- COMMAND [ARGUMENT...]");
  auto options = std::make_shared<WatchCommandOptions>();
  options->command = behind;
  command
      ->add_option(
          "ENTRY", options->entries,
          "What to watch: STORE/ALIAS, or a path to an entry or a file of one; or, without a COMMAND, the "
          "NAME of a [watch.NAME] in the settings")
      ->required();
  command->add_option("--mount", options->mount,
                      "The mount that STORE/ALIAS is of; needed only when there are several");
  AddSettingsOption(*command, options->settings);
  command->add_flag("--once", options->once, "End after the first run, with the command's exit code");
  command->add_flag("--initial", options->initial,
                    "Run the command at the start as well, for what is there then");
  command->footer(
      "COMMAND runs once however many files of the entries changed: a new certificate with its key is one "
      "run.\n"
      "Identical bytes, owners, modes and times are no change, nor is a removal; a key counts by its\n"
      "certificate, so that no right to read it is needed. There is no shell unless COMMAND is one. COMMAND\n"
      "finds in its environment, a line each, CERTFS_ENTRY (the entries that changed, STORE/ALIAS) and\n"
      "CERTFS_PATH (their directories), and CERTFS_MOUNT (the mountpoint). What changes while it runs is "
      "one\n"
      "more run. Entries may go and come back, and so may the mount. SIGTERM, SIGINT, SIGHUP and SIGQUIT "
      "end\n"
      "it with 0; a COMMAND that is running gets them, SIGUSR1 and SIGUSR2 as well, and is waited for.\n\n"
      "Examples:\n"
      "  certfs watch MACHINE_SSL_CERT/__MACHINE_CERT -- nginx -s reload\n"
      "  certfs watch machine/web vpxd/vpxd -- sh -c 'logger \"new: $CERTFS_ENTRY\"; systemctl reload "
      "haproxy'\n"
      "  certfs watch --once /mnt/stores/machine/web -- true\n"
      "  certfs watch haproxy");
  command->callback([options, &action] { action = [options] { return RunWatch(*options); }; });
}

}  // namespace certfs
