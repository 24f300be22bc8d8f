#include "store/examiner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "store/confinement.h"
#include "store/examination_process.h"
#include "store/files.h"

namespace certfs {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kProcessName = "certfs-examiner";
constexpr milliseconds kPatience{30'000};
constexpr std::uint64_t kBytesASecond = std::uint64_t{4} << 20;
constexpr std::uint32_t kCpuSeconds = 10;
constexpr std::uint64_t kBytesACpuSecond = std::uint64_t{64} << 20;
constexpr std::size_t kDescriptors = 2;  // That a request carries: the file, and where the answer goes.

std::mutex starting;
std::atomic<int> control{-1};
std::atomic<pid_t> process{-1};
bool ever_started = false;  // Guarded by `starting`.

// --- Messages with descriptors

// A request, and room for the descriptors that go with it. Borrows the request.
class Carriage {
 public:
  explicit Carriage(ExaminationRequest& request) : part_{&request, sizeof(request)} {
    message_.msg_iov = &part_;
    message_.msg_iovlen = 1;
    message_.msg_control = room_.data();
    message_.msg_controllen = room_.size();
  }
  Carriage(const Carriage&) = delete;
  Carriage& operator=(const Carriage&) = delete;

  // What stands before the descriptors; null where there are none.
  cmsghdr* header() { return CMSG_FIRSTHDR(&message_); }

  // Whether more was received than there is room for.
  bool cut() const noexcept { return (message_.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0; }

  // Hands it to sendmsg(2) or recvmsg(2). Returns what that does.
  template <typename Call>
  ssize_t Pass(Call call, int socket, int flags) {
    for (;;) {
      const ssize_t passed = call(socket, &message_, flags);
      if (passed >= 0 || errno != EINTR) return passed;
    }
  }

 private:
  iovec part_;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kDescriptors)> room_{};
  msghdr message_{};
};

bool Send(int to, const ExaminationRequest& request, std::array<int, kDescriptors> descriptors) {
  ExaminationRequest copy = request;
  Carriage carriage(copy);
  cmsghdr* const header = carriage.header();
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(descriptors));
  std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(descriptors));
  return carriage.Pass(sendmsg, to, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof(copy));
}

void Close(std::array<int, kDescriptors>& descriptors) {
  for (int& each : descriptors) {
    if (each >= 0) close(each);
    each = -1;
  }
}

// Returns whether there was anything. Of what is no request nothing is kept: the descriptors are -1 then.
bool Receive(int from, ExaminationRequest& request, std::array<int, kDescriptors>& descriptors) {
  descriptors.fill(-1);
  Carriage carriage(request);
  const ssize_t got = carriage.Pass(recvmsg, from, MSG_CMSG_CLOEXEC);
  if (got <= 0) return false;
  const cmsghdr* const header = carriage.header();
  // There is room for no more than these: the kernel lets go of the rest.
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
    std::memcpy(descriptors.data(), CMSG_DATA(header),
                std::min(header->cmsg_len - CMSG_LEN(0), sizeof(descriptors)));
  const bool whole = got == static_cast<ssize_t>(sizeof(request)) && !carriage.cut() &&
                     std::find(descriptors.begin(), descriptors.end(), -1) == descriptors.end();
  if (!whole) Close(descriptors);
  return true;
}

// --- In the examiner

// It must keep nobody waiting: no pipe, directory or terminal of whoever started it stays with it.
void LeaveEverything(int socket) {
  setsid();
  if (chdir("/") != 0) _exit(EXIT_FAILURE);
  for (int each = 1; each < NSIG; ++each) signal(each, SIG_DFL);
  const auto number = static_cast<unsigned>(socket);
  if (number > 0) close_range(0, number - 1, 0);
  close_range(number + 1, ~0U, 0);
  prctl(PR_SET_NAME, kProcessName);
}

// What it has forked and has not ended. More wait: whoever asks may have been taken over.
constexpr int kAtOnce = 16;
volatile sig_atomic_t running = 0;

void CountEnded(int) {
  const int before = errno;
  while (waitpid(-1, nullptr, WNOHANG) > 0) running = running - 1;
  errno = before;
}

// The one place where those that have ended are counted: nothing else is done meanwhile.
void AwaitRequest(int socket) {
  sigset_t none;
  sigemptyset(&none);
  for (;;) {
    const bool full = running >= kAtOnce;
    pollfd watch{socket, static_cast<short>(full ? 0 : POLLIN), 0};
    if (ppoll(&watch, 1, nullptr, &none) < 0 && errno == EINTR) continue;
    // While it is full it hears of nothing but that nobody is left.
    if (full) _exit(EXIT_SUCCESS);
    return;
  }
}

[[noreturn]] void Serve(int socket) {
  LeaveEverything(socket);
  // It needs none of what whoever started it may do: what it forks says in /proc that it is the first to end,
  // and looks there how much memory it has. A kernel that has not this has the rest.
  ConfinementPlan plan;
  plan.paths = {{"/proc", Reach::kWrite}};
  plan.filters = false;
  static_cast<void>(Confine(plan));
  sigset_t ended;
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  sigprocmask(SIG_SETMASK, &ended, nullptr);
  signal(SIGCHLD, CountEnded);
  ExaminationRequest request;
  std::array<int, kDescriptors> descriptors;
  for (;;) {
    AwaitRequest(socket);
    if (!Receive(socket, request, descriptors)) break;
    const bool whole = std::find(descriptors.begin(), descriptors.end(), -1) == descriptors.end();
    const pid_t child = whole ? fork() : -1;
    if (child == 0) {
      signal(SIGCHLD, SIG_DFL);
      ExamineAndEnd(request, descriptors[0], descriptors[1]);
    }
    if (child > 0) running = running + 1;
    Close(descriptors);
  }
  _exit(EXIT_SUCCESS);
}

// --- In whoever asks

Error Failed(const std::string& how) { return {ErrorCode::kIo, "data.mdb cannot be examined: " + how}; }

// To the examiner, or to what it forks.
struct Line {
  Descriptor ours;
  Descriptor theirs;
};

Result<Line> NewLine() {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
    return Failed(std::string("socketpair: ") + std::strerror(errno));
  return Line{Descriptor(pair[0]), Descriptor(pair[1])};
}

Result<void> StartLocked() {
  ever_started = true;
  Line line = TRY(NewLine());
  const pid_t child = fork();
  if (child == 0) Serve(line.theirs.number());
  if (child < 0) return Failed(std::string("fork: ") + std::strerror(errno));
  line.theirs.Close();
  const Descriptor before(control.exchange(line.ours.Release()));
  process = child;
  return {};
}

// Whether it has ended, for whoever was going to ask it.
bool HasDied() {
  pollfd watch{control, 0, 0};
  return poll(&watch, 1, 0) == 1 && (watch.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

Result<ExaminationRequest> RequestFor(int file, Extent extent, milliseconds& patience, bool given) {
  struct stat status {};
  if (fstat(file, &status) != 0) return Failed(std::strerror(errno));
  const std::uint64_t bytes = StoredBytes(status);  // Holes take no time.
  if (!given) patience = kPatience + milliseconds(1000 * (bytes / kBytesASecond));
  ExaminationRequest request;
  request.extent = extent;
  // A moment more than anybody waits.
  request.seconds = static_cast<std::uint32_t>(patience.count() / 1000 + 2);
  request.cpu_seconds = static_cast<std::uint32_t>(kCpuSeconds + bytes / kBytesACpuSecond);
  return request;
}

// Words of a process that read what anybody may have written: nothing but printable characters.
std::string WordsOf(std::string_view text) {
  std::string words(text.substr(0, kAnswerWordsMax));
  std::replace_if(
      words.begin(), words.end(), [](char each) { return each < ' ' || each > '~'; }, '?');
  return words;
}

// Waits for the next answer until `end`. Returns whether it was the last one.
Result<bool> Await(int answer, Clock::time_point end, milliseconds patience) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    pollfd watch{answer, POLLIN, 0};
    const int ready = poll(&watch, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return Failed(std::strerror(errno));
    if (ready == 0)
      return Failed("the examiner has not answered in " + std::to_string(patience.count()) + " ms");
    break;
  }
  std::array<char, kAnswerWordsMax + 1> message;
  const ssize_t got = recv(answer, message.data(), message.size(), 0);
  if (got <= 0) return Failed("the examiner ended before it had said anything");
  const auto code = static_cast<std::uint8_t>(message[0]);
  if (code == ExaminationAnswer::kSound) return true;
  if (code == ExaminationAnswer::kReady) return false;
  const std::string words = WordsOf({message.data() + 1, static_cast<std::size_t>(got) - 1});
  for (const ErrorCode each : {ErrorCode::kCorrupt, ErrorCode::kBusy, ErrorCode::kIo, ErrorCode::kNoMemory}) {
    if (code == static_cast<int>(each) + 1) return Error(each, words);
  }
  return Failed("the examiner's answer is none");
}

}  // namespace

Result<void> StartExaminer() {
  const std::lock_guard lock(starting);
  if (control >= 0 && !HasDied()) return {};
  return StartLocked();
}

int ExaminerDescriptor() noexcept { return control; }
pid_t ExaminerProcess() noexcept { return process; }

Examination::Examination(int answer, milliseconds patience)
    : answer_(answer), patience_(patience), end_(Clock::now() + patience) {}

Examination::~Examination() { close(answer_); }

Result<bool> Examination::AwaitFirst() { return !TRY(Await(answer_, end_, patience_)); }

Result<void> Examination::AwaitEnd() {
  while (!TRY(Await(answer_, end_, patience_))) {
  }
  return {};
}

Result<std::unique_ptr<Examination>> BeginExamination(int file, Extent extent,
                                                      std::optional<milliseconds> patience) {
  {
    const std::lock_guard lock(starting);
    // One that has died is not started again by itself: by now there may be keys.
    if (!ever_started) TRY(StartLocked());
  }
  milliseconds limit = patience.value_or(milliseconds(0));
  const ExaminationRequest request = TRY(RequestFor(file, extent, limit, patience.has_value()));
  // Theirs is closed here as soon as the examiner has its own: then its end is seen.
  Line line = TRY(NewLine());
  auto examination = std::make_unique<Examination>(line.ours.Release(), limit);
  if (!Send(control, request, {file, line.theirs.number()})) return Failed("the examiner has ended");
  return examination;
}

Result<void> Examine(int file, Extent extent, std::optional<milliseconds> patience) {
  return TRY(BeginExamination(file, extent, patience))->AwaitEnd();
}

}  // namespace certfs
