#include "tools/doctor/isolated.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "store/confinement.h"
#include "tools/doctor/listener.h"
#include "tools/mounts.h"
#include "tools/system.h"

namespace certfs::doctor {

namespace {

using Json = nlohmann::json;

// --- In the process that may not come back: everything goes to the other one, a line of JSON each.

class Line {
 public:
  explicit Line(int pipe) : pipe_(pipe) {}
  // Where nobody listens any more there is nothing left to do.
  void Send(const Json& json) const {
    const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    if (!WriteAll(pipe_, AsBytes(text), "pipe").has_value()) _exit(EXIT_FAILURE);
  }

 private:
  const int pipe_;
};

Json ToJson(const Finding& finding) {
  return {{"id", finding.id},
          {"urgency", static_cast<int>(finding.urgency)},
          {"subject", finding.subject},
          {"detail", finding.detail},
          {"action", finding.action}};
}

// Progress ten times a second is enough for a bar.
Examination::ProgressSink ProgressTo(const Line& line) {
  using Clock = std::chrono::steady_clock;
  static constexpr auto kInterval = std::chrono::milliseconds(100);
  return [&line, next = Clock::now()](std::uint64_t done, std::uint64_t total) mutable {
    if (Clock::now() < next) return;
    next = Clock::now() + kInterval;
    line.Send({{"done", done}, {"total", total}});
  };
}

void RunChecks(Needs needs, Examination& at, const Line& line) {
  for (const Check& check : Checks()) {
    if (check.needs != needs) continue;
    line.Send({{"check", check.id}});
    const auto done = check.run(at);
    if (!done.has_value())
      line.Send({{"error", done.error().message()}, {"code", static_cast<int>(done.error().code())}});
  }
}

// What is damaged may lead LMDB astray, and this process has the key: nothing but the keystore is within its
// reach, and that can only be read, save for the table of LMDB's readers. A kernel that has less to give up
// is no reason not to look.
void ConfineExamination(const Patient& patient) {
  ConfinementPlan plan = PlanForKeystore(patient.keystore, Reach::kRead);
  plan.paths.push_back({patient.keystore / "lock.mdb", Reach::kWrite});
  plan.paths.push_back({patient.high_water, Reach::kRead});
  // Of a keystore that is somebody else's.
  plan.capabilities = 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH;
  static_cast<void>(Confine(plan).has_value());
}

Result<void> Examine(const Patient& patient, const UnlockOptions& unlock, const Line& line) {
  auto secret = ReadUnlockSecret(patient.keystore, unlock);
  if (!secret.has_value()) {
    line.Send({{"unreadable", secret.error().message()}});
    return {};
  }
  ConfineExamination(patient);
  const auto opened =
      TRY(KeystoreExamination::Open(patient.keystore, secret.value(), std::chrono::system_clock::now));
  Examination at(patient, [&](const Finding& finding) { line.Send({{"finding", ToJson(finding)}}); });
  at.set_opened(opened.get());
  at.set_has_key(true);
  at.set_progress(ProgressTo(line));
  RunChecks(Needs::kKey, at, line);
  return {};
}

Result<void> ExamineMount(const Patient& patient, const MountTableEntry& mount, bool has_key,
                          const Line& line) {
  Examination at(patient, [&](const Finding& finding) { line.Send({{"finding", ToJson(finding)}}); });
  at.set_mount(&mount);
  at.set_has_key(has_key);
  RunChecks(Needs::kMount, at, line);
  if (IsDead({mount.mountpoint, mount.source})) {
    line.Send({{"dead", true}});
  } else {
    RunChecks(Needs::kAliveMount, at, line);
  }
  return {};
}

// Lets go of what whoever called this program waits for the end of: a process that hangs may outlive it.
void LeaveStandardFiles() {
  const Descriptor nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (!nothing.open() || dup2(nothing.number(), file) < 0) close(file);
  }
}

// Never returns: it is a process of its own, and what its parent would do at its end is not its to do.
[[noreturn]] void DoAndEnd(const std::function<Result<void>(const Line&)>& work, int pipe) {
  const Line line(pipe);
  const auto done = WithinMemory([&] { return work(line); });
  if (!done.has_value())
    line.Send({{"failed", done.error().message()}, {"code", static_cast<int>(done.error().code())}});
  line.Send({{"end", true}});
  _exit(EXIT_SUCCESS);
}

// --- In the process of the command.

// Whether something can be read from `pipe` before the listener loses its patience.
bool Await(int pipe, const Listener& listener) {
  pollfd waited{pipe, POLLIN, 0};
  for (;;) {
    const int ready = poll(&waited, 1, listener.patience());
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

// Takes what comes until the other end is closed. Returns whether that is so: false if nothing came for too
// long.
bool Listen(int pipe, Listener& listener) {
  std::string text;
  std::array<char, 65536> chunk;
  while (Await(pipe, listener)) {
    const ssize_t got = read(pipe, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    text.append(chunk.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
      listener.Take(Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                text.begin() + static_cast<std::ptrdiff_t>(end)));
    text.erase(0, begin);
  }
  return false;
}

// A process of its own, and what it says.
struct Process {
  pid_t id;
  Descriptor says;
};

// Begins `work` in one; `prepare` comes first.
Result<Process> Begin(void (*prepare)(), const std::function<Result<void>(const Line&)>& work) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError("pipe", errno);
  Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  const pid_t id = fork();
  if (id < 0) return SystemError("fork", errno);
  if (id == 0) {
    from.Close();
    prepare();
    DoAndEnd(work, to.number());
  }
  return Process{id, std::move(from)};
}

int WaitFor(pid_t process) {
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

void RunCheck(const Check& check, Examination& at, Report& report) {
  const auto done = check.run(at);
  if (done.has_value()) {
    ++report.checks;
  } else {
    NoteFailure(report, check.id, done.error().code(), done.error().message());
  }
}

Result<bool> RunWithKey(const Patient& patient, const UnlockOptions& unlock, Report& report) {
  // Locked memory is not inherited: it is had anew, before the first secret.
  const auto protect = [] { static_cast<void>(ProtectProcess()); };
  const Process process =
      TRY(Begin(protect, [&](const Line& line) { return Examine(patient, unlock, line); }));
  KeyListener listener(report);
  Listen(process.says.number(), listener);
  TRY(listener.Conclude(WaitFor(process.id), unlock.given()));
  return listener.opened();
}

Result<void> RunOnMount(const Patient& patient, const MountTableEntry& mount, bool has_key, Report& report) {
  const Process process = TRY(Begin(
      LeaveStandardFiles, [&](const Line& line) { return ExamineMount(patient, mount, has_key, line); }));
  MountListener listener(report, patient, mount);
  const bool ended = Listen(process.says.number(), listener);
  if (ended) {
    WaitFor(process.id);
  } else {
    // Nor is its end waited for: what the daemon took on, and leaves unanswered, even SIGKILL does not end.
    kill(process.id, SIGKILL);
    waitpid(process.id, nullptr, WNOHANG);
  }
  listener.Conclude(!ended);
  return {};
}

}  // namespace certfs::doctor
