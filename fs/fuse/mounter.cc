#include "fs/fuse/mounter.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace certfs {

namespace {

constexpr std::array kSignals{SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD};
// A daemon that ends by itself within this has served nobody: it is what it was given that ends it.
constexpr std::chrono::seconds kSoon{5};
constexpr int kFailuresMax = 5;
// After a failure; twice as long after each that follows.
constexpr std::chrono::milliseconds kPause{100};
// How often it is looked whether a daemon has ended that cannot say so.
constexpr std::chrono::milliseconds kLook{500};
// Between the end of a process's first thread and that of the process.
constexpr std::chrono::milliseconds kLastThreads{100};

sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : kSignals) sigaddset(&signals, each);
  return signals;
}

std::string WordsOf(int status) {
  if (WIFSIGNALED(status)) return std::string("was killed by a signal (") + strsignal(WTERMSIG(status)) + ")";
  return "ended with code " + std::to_string(WEXITSTATUS(status));
}

// What proc(5) calls the state of the first thread of `process`; 0 where it cannot be had.
char StateOf(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string stat;
  std::getline(file, stat);
  const std::size_t name_end = stat.rfind(')');  // The name may hold anything.
  return name_end != std::string::npos && name_end + 2 < stat.size() ? stat[name_end + 2] : '\0';
}

// By whomever, a debugger too.
bool IsStopped(pid_t process) {
  const char state = StateOf(process);
  return state == 'T' || state == 't';
}

// Whether `process` has been sent a SIGKILL that it has not ended of yet.
bool IsBeingKilled(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("SigPnd:") && !line.starts_with("ShdPnd:")) continue;
    const std::uint64_t pending = std::strtoull(line.c_str() + std::strlen("SigPnd:"), nullptr, 16);
    if ((pending & std::uint64_t{1} << (SIGKILL - 1)) != 0) return true;
  }
  return false;
}

// A process that was killed may have a thread left that tells the kernel something, and waits for somebody
// who waits for an answer of the mount: nobody gives one before there is a successor, and nothing ends that
// thread meanwhile, nor its process. Its first thread has gone all the same. Nobody can wait for that: a
// pidfd(2) of a first thread tells of its end only with that of the process (since Linux 6.15). Of a child
// there is something to be seen until it is waited for: to see nothing is no end, but want of a descriptor.
bool HasLostItsFirstThread(pid_t process) {
  const char state = StateOf(process);
  return state == 'Z' || state == 'X';
}

int Milliseconds(std::chrono::steady_clock::duration duration) {
  return static_cast<int>(
      std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(duration).count(), 0));
}

}  // namespace

struct Mounter::Daemon {
  pid_t process = 0;
  Descriptor line;
  bool ready = false;
  Clock::time_point ready_since;
  std::optional<int> status;  // Once it has ended, as waitpid(2) tells it.
  std::optional<Clock::time_point> stopped_since;
  std::optional<Clock::time_point> end_by;  // When it is to have ended.
  bool killed = false;                      // By this process or another one.
};

Mounter::Mounter(std::unique_ptr<MountPoint> point, MounterHooks hooks, MounterPatience patience)
    : point_(std::move(point)), hooks_(std::move(hooks)), patience_(patience), waiting_since_(Clock::now()) {}

Mounter::~Mounter() = default;

Result<int> Mounter::Run() {
  const sigset_t signals = Signals();
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return Error(ErrorCode::kInternal, "no signal mask");
  signals_ = Descriptor(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.open()) return Error(ErrorCode::kIo, std::string("signalfd: ") + std::strerror(errno));
  for (;;) {
    auto started = Start();
    if (!started.has_value()) {
      TRY(JudgeStart(std::move(started).error()));
      continue;
    }
    if (started.value()) return *std::move(started).value();
    TRY(Watch());
    if (TRY(Judge()) == Next::kEnd) return code();
    daemon_.reset();
  }
}

Result<std::optional<Result<int>>> Mounter::Start() {
  std::optional<Clock::time_point> secret_by;
  if (HasCallers()) secret_by = waiting_since_ + patience_.successor;
  Descriptor secret = TRY(hooks_.secret(secret_by));
  // Whoever types a passphrase keeps nobody waiting.
  if (!HasCallers()) waiting_since_ = Clock::now();
  WakerProcess waker = TRY(WakerProcess::Start(point_->mountpoint()));
  auto ends = TRY(MounterLine::Make());
  const pid_t mounter = getpid();
  const pid_t process = fork();
  if (process < 0) return Error(ErrorCode::kIo, std::string("fork: ") + std::strerror(errno));
  if (process == 0) {
    point_->Leave();
    signals_.Close();
    ends.first.Close();
    const sigset_t signals = Signals();
    sigprocmask(SIG_UNBLOCK, &signals, nullptr);
    MounterLine line(std::move(ends.second), mounter);
    return std::optional(hooks_.serve({line, std::move(waker), std::move(secret)}));
  }
  daemon_ = std::make_unique<Daemon>();
  daemon_->process = process;
  daemon_->line = std::move(ends.first);
  return std::optional<Result<int>>();
}

// --- While it serves

std::optional<Mounter::Clock::time_point> Mounter::Deadline() const {
  if (daemon_->end_by) return daemon_->end_by;
  if (!daemon_->ready) return waiting_since_ + patience_.successor;
  return std::nullopt;
}

int Mounter::WaitTime() const {
  Clock::time_point next = Clock::now() + kLook;
  if (const auto deadline = Deadline()) next = std::min(next, *deadline);
  return Milliseconds(next - Clock::now());
}

Result<void> Mounter::CheckDeadlines() {
  if (daemon_->status) return {};
  const auto now = Clock::now();
  const auto deadline = Deadline();
  const bool late = deadline && now >= *deadline;
  bool stopped = daemon_->stopped_since && now >= *daemon_->stopped_since + patience_.stopped;
  // Nobody tells when a debugger lets go.
  if (stopped && !IsStopped(daemon_->process)) {
    daemon_->stopped_since.reset();
    stopped = false;
  }
  if (!late && !stopped) return {};
  if (late && daemon_->killed) {
    // It waits within the kernel, for a disk that does not answer. It may do so for ever, its callers not.
    point_->Abort();
    return Error(ErrorCode::kIo, "the mount is given up: its daemon cannot be ended");
  }
  spdlog::error("the daemon {} and is ended",
                stopped ? "was stopped for too long" : "does not come to its end");
  kill(daemon_->process, SIGKILL);
  NoteKill();
  return {};
}

void Mounter::NoteKill() {
  daemon_->end_by = Clock::now() + patience_.end;
  daemon_->stopped_since.reset();
  daemon_->killed = true;
}

void Mounter::AskToEnd(int signal) {
  if (daemon_->status) return;  // Its number may be another process's by now.
  kill(daemon_->process, signal);
  if (!daemon_->end_by) daemon_->end_by = Clock::now() + patience_.end;
}

void Mounter::OnSignal() {
  signalfd_siginfo info{};
  while (read(signals_.number(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGCHLD) {
      Reap();
    } else if (number == SIGUSR2) {
      handing_over_ = true;
      if (daemon_->ready) AskToEnd(SIGUSR2);
    } else {
      ending_ = true;
      AskToEnd(SIGTERM);
    }
  }
}

void Mounter::NoteEnd(int status) {
  if (!daemon_->status) daemon_->status = status;
}

void Mounter::Reap() {
  int status = 0;
  for (pid_t process; (process = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0;) {
    if (process != daemon_->process) continue;
    if (WIFSTOPPED(status)) {
      daemon_->stopped_since = Clock::now();
    } else if (WIFCONTINUED(status)) {
      daemon_->stopped_since.reset();
    } else {
      NoteEnd(status);
    }
  }
}

Result<void> Mounter::Watch() {
  while (!daemon_->status) {
    // Not for the end of the device: whoever waits for that is woken by every request.
    std::array<pollfd, 2> waited{pollfd{signals_.number(), POLLIN, 0},
                                 pollfd{daemon_->line.number(), POLLIN, 0}};
    const int ready = poll(waited.data(), waited.size(), WaitTime());
    if (ready < 0) {
      // Somebody took this process its descriptors, or there is no memory: it waits until that is over.
      if (errno != EINTR) std::this_thread::sleep_for(kLastThreads);
      for (pollfd& each : waited) each.revents = 0;
      Reap();
    }
    if (waited[0].revents != 0) OnSignal();
    if (waited[1].revents != 0) {
      const LineEvent event = AnswerLine(daemon_->line.number(), *point_);
      if (event == LineEvent::kGone) daemon_->line.Close();
      if (event == LineEvent::kReady) {
        daemon_->ready = served_ = true;
        daemon_->ready_since = Clock::now();
        hooks_.ready(*point_);
        if (handing_over_) AskToEnd(SIGUSR2);
      }
    }
    if (!daemon_->end_by && point_->is_mounted() && point_->HasEnded())
      daemon_->end_by = Clock::now() + patience_.end;
    if (ready == 0 && !daemon_->status && HasLostItsFirstThread(daemon_->process)) {
      std::this_thread::sleep_for(kLastThreads);
      Reap();
      // It was killed: by itself it would have waited for its threads.
      NoteEnd(SIGKILL);
    }
    if (ready == 0 && !daemon_->killed && IsBeingKilled(daemon_->process)) NoteKill();
    TRY(CheckDeadlines());
  }
  return {};
}

// --- When there is none, or it has ended

Result<void> Mounter::JudgeStart(Error error) {
  // What there was too little of for a moment may be there the next time. A key that has gone does not come
  // back by waiting, and where nobody waits whoever mounts is told at once.
  const bool may_pass = error.code() == ErrorCode::kIo || error.code() == ErrorCode::kNoMemory;
  if (HasCallers() && !may_pass) point_->Abort();  // Lest they wait for what no one answers.
  if (!HasCallers() || !may_pass) return error;
  spdlog::error("no daemon can be started: {}", error.message());
  return MayTryAgain(true);
}

int Mounter::code() const {
  const int status = *daemon_->status;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

Result<Mounter::Next> Mounter::Judge() {
  const int status = *daemon_->status;
  const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!served_) {
    // It has said why, if it could.
    if (WIFEXITED(status)) return Next::kEnd;
    return Error(ErrorCode::kInternal, "the daemon " + WordsOf(status) + " before the mount answered");
  }
  if (ending_ || point_->HasEnded() || (clean && !handing_over_)) return Next::kEnd;
  if (daemon_->ready) waiting_since_ = Clock::now();
  if (handing_over_) {
    spdlog::info("the daemon hands over");
    handing_over_ = false;
    hooks_.replace_program(*point_);
    return Next::kSuccessor;
  }
  spdlog::error("the daemon {}; another one takes its mount over", WordsOf(status));
  // Whoever kills it may do so as often as he likes.
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  const bool soon = !daemon_->ready || Clock::now() - daemon_->ready_since < kSoon;
  if (!soon) failures_ = 0;
  TRY(MayTryAgain(soon && !killed));
  return Next::kSuccessor;
}

Result<void> Mounter::MayTryAgain(bool failed) {
  if (failed) ++failures_;
  const bool late = Clock::now() >= waiting_since_ + patience_.successor;
  if (failures_ < kFailuresMax && !late) {
    if (failed) std::this_thread::sleep_for(kPause * (1 << failures_));
    return {};
  }
  point_->Abort();
  return Error(ErrorCode::kIo,
               "the mount is given up: " + (late ? "no daemon could take it over in time"
                                                 : std::to_string(failures_) + " daemons in a row failed"));
}

}  // namespace certfs
