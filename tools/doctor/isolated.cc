#include "tools/doctor/isolated.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "store/confinement.h"
#include "tools/doctor/remount.h"
#include "tools/mounts.h"
#include "tools/progress.h"
#include "tools/system.h"

namespace certfs::doctor {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kAliveCheck = "alive";
// How long a mount may take to say that it lives, which is nothing to compute; and to show all of status/.
constexpr int kAliveSeconds = 5;
constexpr int kStatusSeconds = 60;

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
  plan.reaches_processes = true;  // To see whether a reader lives.
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

// Damage and a newer format are findings; whatever else keeps a check from being done is said.
void NoteFailure(Report& report, std::string_view check, ErrorCode code, const std::string& words) {
  if (code == ErrorCode::kCorrupt) {
    report.Note(ExitCode::kDamagedKeystore);
    report.findings.push_back(
        {"damaged", Urgency::kCritical, report.keystore.string(), words,
         "restore it from a backup: certfs restore BACKUP NEW-KEYSTORE; or save what is whole: "
         "certfs doctor KEYSTORE --salvage NEW-KEYSTORE; and check the disk"});
  } else if (code == ErrorCode::kUnsupported) {
    report.Note(ExitCode::kNewerFormat);
    report.findings.push_back({"newer-format", Urgency::kCritical, report.keystore.string(), words,
                               "use the certfs that wrote it, or a newer one"});
  } else {
    report.incomplete = true;
    report.not_checked.push_back({std::string(check), words});
  }
}

// Says of the checks that take what `needs` says, from `first` on, that they were not done.
void SkipChecks(Report& report, Needs needs, std::string_view first, const std::string& reason) {
  bool begun = first.empty();
  for (const Check& check : Checks()) {
    begun = begun || check.id == first;
    if (begun && check.needs == needs) report.not_checked.push_back({std::string(check.id), reason});
  }
}

// What the process says, as it comes.
class Listener {
 public:
  explicit Listener(Report& report) : report_(report) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener() = default;

  virtual void Take(const Json& json);
  // For how long nothing may come, in milliseconds; less than 0 for any time.
  virtual int patience() const { return -1; }

 protected:
  Report& report_;
  std::string check_;  // Under way; empty before the first.
  bool ended_ = false;
};

void Listener::Take(const Json& json) {
  if (json.contains("check")) {
    check_ = json["check"].get<std::string>();
    ++report_.checks;
  } else if (json.contains("finding")) {
    const Json& each = json["finding"];
    report_.findings.push_back({each["id"], static_cast<Urgency>(each["urgency"].get<int>()), each["subject"],
                                each["detail"], each["action"]});
    if (report_.findings.back().id == "damaged") report_.Note(ExitCode::kDamagedKeystore);
  } else if (json.contains("error")) {
    --report_.checks;
    NoteFailure(report_, check_, static_cast<ErrorCode>(json["code"].get<int>()), json["error"]);
  } else if (json.contains("end")) {
    ended_ = true;
  }
}

class KeyListener : public Listener {
 public:
  using Listener::Listener;

  void Take(const Json& json) override;
  // `status` is how the process ended; `named` whether somebody said by what to unlock.
  Result<void> Conclude(int status, bool named);
  bool opened() const { return !check_.empty(); }

 private:
  void Draw(std::uint64_t done, std::uint64_t total);

  std::optional<std::string> unreadable_;  // Why there is no secret.
  std::unique_ptr<Progress> progress_;
  std::uint64_t drawn_ = 0;
};

void KeyListener::Take(const Json& json) {
  if (json.contains("failed")) {
    const auto code = static_cast<ErrorCode>(json["code"].get<int>());
    const std::string words = json["failed"];
    const bool found = code == ErrorCode::kCorrupt || code == ErrorCode::kUnsupported;
    if (found) NoteFailure(report_, {}, code, words);
    if (code == ErrorCode::kAccessDenied) report_.Note(ExitCode::kWrongKey);
    report_.incomplete = true;
    SkipChecks(report_, Needs::kKey, {}, found ? "the keystore cannot be opened" : words);
  } else if (json.contains("unreadable")) {
    unreadable_ = json["unreadable"].get<std::string>();
  } else if (json.contains("total")) {
    Draw(json["done"], json["total"]);
  } else {
    if (json.contains("check")) progress_.reset();
    Listener::Take(json);
  }
}

void KeyListener::Draw(std::uint64_t done, std::uint64_t total) {
  if (!progress_) {
    progress_ = std::make_unique<Progress>("verifying", total);
    drawn_ = 0;
  }
  if (done > drawn_) progress_->Advance(done - drawn_);
  drawn_ = std::max(drawn_, done);
}

Result<void> KeyListener::Conclude(int status, bool named) {
  progress_.reset();
  if (unreadable_ && named) return Error(ErrorCode::kInvalidArgument, *unreadable_);
  if (unreadable_) SkipChecks(report_, Needs::kKey, {}, *unreadable_);
  report_.incomplete = report_.incomplete || unreadable_ || !ended_;
  if (ended_) return {};
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  const bool crashed = signal == SIGSEGV || signal == SIGBUS || signal == SIGABRT || signal == SIGFPE;
  const std::string words =
      "reading it ended in a crash (" + std::string(strsignal(signal)) + "): pages of data.mdb lead nowhere";
  if (!check_.empty()) --report_.checks;
  if (crashed) NoteFailure(report_, check_, ErrorCode::kCorrupt, words);
  SkipChecks(report_, Needs::kKey, check_,
             crashed ? "reading the keystore ended in a crash" : "it was ended by somebody");
  return {};
}

class MountListener : public Listener {
 public:
  MountListener(Report& report, const Patient& patient, const MountTableEntry& mount)
      : Listener(report), patient_(patient), mount_(mount) {}

  void Take(const Json& json) override;
  int patience() const override { return 1000 * (lives() ? kStatusSeconds : kAliveSeconds); }
  // It ended, or with `silent` said nothing for too long.
  void Conclude(bool silent);

 private:
  // Whether it has answered once.
  bool lives() const { return !check_.empty() && check_ != kAliveCheck; }
  // What was not done, from the check on that is under way.
  void Skip(const std::string& reason);

  const Patient& patient_;
  const MountTableEntry& mount_;
};

void MountListener::Take(const Json& json) {
  const std::string mountpoint = mount_.mountpoint.string();
  if (json.contains("dead")) {
    SkipChecks(report_, Needs::kAliveMount, {}, mountpoint + " is dead");
  } else if (json.contains("failed")) {
    Skip(json["failed"]);
  } else {
    Listener::Take(json);
  }
}

void MountListener::Skip(const std::string& reason) {
  if (!check_.empty()) --report_.checks;
  report_.incomplete = true;
  SkipChecks(report_, Needs::kMount, check_, reason);
  SkipChecks(report_, Needs::kAliveMount, check_, reason);
}

void MountListener::Conclude(bool silent) {
  if (ended_) return;
  if (!silent) return Skip("it was ended by somebody");
  const std::string mountpoint = mount_.mountpoint.string();
  if (lives()) {
    return Skip(mountpoint + " did not answer within " + std::to_string(kStatusSeconds) + " seconds");
  }
  report_.findings.push_back({"dead-mount", Urgency::kCritical, mountpoint,
                              "its daemon does not answer: every access waits for it",
                              "why: journalctl -t certfs; if it stays so: umount -f " +
                                  Word(mount_.mountpoint) + ", end its process if that is still there, and " +
                                  MountCommand(patient_.keystore, mount_.mountpoint)});
  SkipChecks(report_, Needs::kAliveMount, {}, mountpoint + " does not answer");
}

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
