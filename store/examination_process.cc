#include "store/examination_process.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

#include "crypto/base/descriptor.h"
#include "crypto/base/sanitized.h"
#include "crypto/base/secret.h"
#include "store/files.h"
#include "store/lmdb/page_check.h"

namespace certfs {

namespace {

// Beyond what the program takes anyway: a bit a page, and what is read. Of a page of a large file, some 50
// bytes.
constexpr rlim_t kMemoryBytes = rlim_t{512} << 20;
constexpr rlim_t kStoredBytesAByte = 4;

// However long whoever asks would wait; 0 would be for ever.
constexpr std::uint32_t kSecondsMax = 86'400;

// Fields of /proc/self/statm (proc(5)), from 1 on.
constexpr int kAddressSpace = 1;
constexpr int kOwnMemory = 6;  // That only this process can write to.

// How many bytes this process has of that; RLIM_INFINITY where nobody says.
[[maybe_unused]] rlim_t BytesOf(int wanted) {
  const Descriptor file(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text{};
  const ssize_t size = file.open() ? read(file.number(), text.data(), text.size()) : 0;
  const char* at = text.data();
  const char* const end = at + std::max(size, ssize_t{0});
  rlim_t pages = 0;
  for (int field = 1; field <= wanted; ++field) {
    const auto parsed = std::from_chars(at, end, pages);
    if (parsed.ec != std::errc() || parsed.ptr == end) return RLIM_INFINITY;
    at = parsed.ptr + 1;
  }
  return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

// Where the machine has no memory left, it is this process that ends. What cannot be offered is not.
void OfferToEnd() {
  const Descriptor file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  constexpr std::string_view kFirst = "1000";
  [[maybe_unused]] const ssize_t written = write(file.number(), kFirst.data(), kFirst.size());
}

void Limit(const ExaminationRequest& request, int file) {
  const auto set = [](__rlimit_resource what, rlim_t most) {
    const rlimit limit{most, most};
    setrlimit(what, &limit);
  };
  set(RLIMIT_CPU, request.cpu_seconds);
  set(RLIMIT_CORE, 0);
  set(RLIMIT_FSIZE, 0);
  // Its own memory goes by what the disk holds: the length costs whoever made the file nothing, and only
  // mapping it takes address space for that. A sanitizer sets terabytes aside.
  if constexpr (!kSanitized) {
    const rlim_t space = BytesOf(kAddressSpace);
    const rlim_t own = BytesOf(kOwnMemory);
    struct stat status {};
    if (space != RLIM_INFINITY && own != RLIM_INFINITY && fstat(file, &status) == 0) {
      const rlim_t more = kMemoryBytes + StoredBytes(status) / kStoredBytesAByte;
      set(RLIMIT_DATA, own + more);
      set(RLIMIT_AS, space + more + 2 * static_cast<rlim_t>(status.st_size));
    }
  }
  alarm(std::clamp(request.seconds, 1U, kSecondsMax));
}

}  // namespace

int ShutIn() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  void* const filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (filter == nullptr) return ENOMEM;
  int failed = 0;
  const auto allow = [&](int call) { failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0); };
  for (const int call :
       {SCMP_SYS(pread64), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(sendto), SCMP_SYS(brk),
        SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(restart_syscall),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(exit), SCMP_SYS(exit_group)})
    allow(call);
  // Memory, and the file for reading; nothing that could be run. One rule a protection: libseccomp does not
  // try another rule where a first one has matched in part.
  for (const int protection : {PROT_NONE, PROT_READ | PROT_WRITE}) {
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                               SCMP_A2(SCMP_CMP_EQ, static_cast<scmp_datum_t>(protection), 0),
                               SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
  }
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_EQ, PROT_READ, 0));
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  if (kSanitized) {
    for (const int call :
         {SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(sigaltstack),
          SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(write), SCMP_SYS(clock_gettime)})
      allow(call);
  }
  if (failed == 0) failed = seccomp_load(filter);
  seccomp_release(filter);
  return failed < 0 ? -failed : 0;
}

namespace {

// All but these two, in whatever order they are.
void CloseOthers(int one, int other) {
  const auto low = static_cast<unsigned>(std::min(one, other));
  const auto high = static_cast<unsigned>(std::max(one, other));
  if (low > 0) close_range(0, low - 1, 0);
  if (high > low + 1) close_range(low + 1, high - 1, 0);
  close_range(high + 1, ~0U, 0);
}

void Answer(int to, std::uint8_t code, std::string_view words) {
  std::string message(1, static_cast<char>(code));
  message += words.substr(0, kAnswerWordsMax);
  static_cast<void>(send(to, message.data(), message.size(), MSG_NOSIGNAL));
}

std::uint8_t CodeOf(ErrorCode code) { return static_cast<std::uint8_t>(static_cast<int>(code) + 1); }

volatile sig_atomic_t answer_to = -1;

// A page of the file cannot be had: the disk fails, or somebody has made the file shorter meanwhile.
void AnswerUnreadable(int) {
  constexpr std::string_view kWords = "data.mdb cannot be read: a page of it cannot be had";
  std::array<char, 1 + kWords.size()> message;
  message[0] = static_cast<char>(CodeOf(ErrorCode::kIo));
  std::copy(kWords.begin(), kWords.end(), message.begin() + 1);
  static_cast<void>(send(answer_to, message.data(), message.size(), MSG_NOSIGNAL));
  _exit(EXIT_FAILURE);
}

Result<void> Walk(const ExaminationRequest& request, int file) {
  if (request.extent == Extent::kMetas) return lmdb::CheckMetas(file);
  TRY(lmdb::CheckPages(file, [] { Answer(answer_to, ExaminationAnswer::kReady, {}); }));
  return {};
}

}  // namespace

void ExamineAndEnd(const ExaminationRequest& request, int file, int answer) {
  // It is of no use to anybody without whoever started it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  OfferToEnd();
  Limit(request, file);
  CloseOthers(file, answer);
  answer_to = answer;
  signal(SIGBUS, AnswerUnreadable);
  if (const int failed = ShutIn(); failed != 0) {
    const std::string words = "data.mdb cannot be examined: seccomp: ";
    Answer(answer, CodeOf(ErrorCode::kIo), words + std::strerror(failed));
    _exit(EXIT_FAILURE);
  }
  const auto walked = WithinMemory([&] { return Walk(request, file); });
  if (walked.has_value()) {
    Answer(answer, ExaminationAnswer::kSound, {});
  } else {
    Answer(answer, CodeOf(walked.error().code()), walked.error().message());
  }
  _exit(EXIT_SUCCESS);
}

}  // namespace certfs
