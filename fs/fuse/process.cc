// What /proc says about the callers of a mount. A caller waits in the kernel until its request is answered,
// so its thread id cannot have gone to another process meanwhile.

#include "fs/fuse/process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace certfs {

namespace {

// Returns the start of /proc/`thread`/`file`; empty when there is no such thread, or it is not shown to us.
// kNoMemory when nothing was asked, because no descriptor is left to ask with.
Result<std::string> ReadProc(std::int32_t thread, const char* file) {
  const std::string path = "/proc/" + std::to_string(thread) + "/" + file;
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM) return std::string();
    return Error(ErrorCode::kNoMemory, "no file descriptor is left to see by whether the writer was killed");
  }
  std::array<char, 2048> buffer;
  const ssize_t size = read(descriptor, buffer.data(), buffer.size());
  close(descriptor);
  return size > 0 ? std::string(buffer.data(), static_cast<std::size_t>(size)) : std::string();
}

std::int64_t Number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Returns a field of /proc/TID/stat by its number in proc(5), from 4 on; 0 when it is not there.
std::int64_t StatField(std::string_view stat, int field) {
  std::size_t at = stat.rfind(')');  // The name may hold anything, a ')' too.
  for (int i = 2; i < field; ++i) {
    if (at == std::string_view::npos) return 0;
    at = stat.find(' ', at + 1);
  }
  return at == std::string_view::npos ? 0 : Number(stat.substr(at + 1));
}

// Says whether the kernel shows us of `thread` what it shows to that one's own user (PTRACE_MODE_READ).
bool MayInspect(std::int32_t thread) {
  char target;
  const std::string path = "/proc/" + std::to_string(thread) + "/cwd";
  return readlink(path.c_str(), &target, 1) >= 0 || errno != EACCES;
}

// Says whether `thread` has no memory any more: what an exiting thread gives up before its files. Unlike
// stat, statm is shown without a wait.
Result<bool> HasGivenUpMemory(std::int32_t thread) {
  const auto statm = ReadProc(thread, "statm");
  if (statm.has_value()) return statm.value().starts_with("0 ");
  // Following a link takes no descriptor, and only memory has a program. It is shown to fewer than statm is.
  char target;
  const std::string path = "/proc/" + std::to_string(thread) + "/exe";
  if (readlink(path.c_str(), &target, 1) >= 0) return false;
  if (errno == ENOENT) return true;
  return statm.error();
}

class ProcFilesystem final : public ProcessTable {
 public:
  std::int32_t ProcessOf(std::int32_t thread) const override {
    // Most callers are their process's first thread, which tgkill(2) tells in a fraction of the time that the
    // kernel takes to write out status: no signal is sent, and there is no such thread of that process unless
    // it is. EPERM says as much, to a daemon that is not root or is confined.
    if (tgkill(thread, thread, 0) == 0 || errno == EPERM) return thread;
    constexpr std::string_view kLabel = "\nTgid:\t";
    const auto status = ReadProc(thread, "status");
    if (!status.has_value()) return thread;
    const std::size_t at = status.value().find(kLabel);
    return at == std::string::npos ? thread
                                   : static_cast<std::int32_t>(
                                         Number(std::string_view(status.value()).substr(at + kLabel.size())));
  }

  // proc(5): field 52 of stat is the exit code "in the form reported by waitpid", set before the files are
  // closed. Its low seven bits are the signal. Since Linux 6.18 at the latest, reading stat waits for an
  // execve of that process, which itself waits for our answer when it closes a file that was written: stat is
  // read only of a thread that is exiting, hence in no execve.
  Result<bool> IsDyingOfSignal(std::int32_t thread) const override {
    if (!TRY(HasGivenUpMemory(thread))) return false;
    const std::string stat = TRY(ReadProc(thread, "stat"));
    if ((StatField(stat, 52) & 0x7F) != 0) return true;
    if (MayInspect(thread)) return false;
    // The exit code shows as 0 to a daemon that is neither root nor the caller's user. The flags show to
    // everybody, and PF_SIGNALED tells, save that the other threads of a process that ends itself have it,
    // too: if one of them is the last to close a file, what was written to it is lost. A half-written file
    // made live would be worse.
    constexpr std::int64_t kSignaled = 0x400;
    return (StatField(stat, 9) & kSignaled) != 0;
  }

  std::string ProgramOf(std::int32_t thread) const override {
    auto comm = ReadProc(thread, "comm");
    if (!comm.has_value()) return {};
    std::string name = std::move(comm).value();
    if (!name.empty() && name.back() == '\n') name.pop_back();
    return name;
  }

  // Shown to root and, of his own processes, to a user. No file is opened.
  std::optional<std::string> ExecutableOf(std::int32_t thread) const override {
    std::array<char, 4096> target;
    const std::string path = "/proc/" + std::to_string(thread) + "/exe";
    const ssize_t length = readlink(path.c_str(), target.data(), target.size());
    if (length <= 0) return std::nullopt;
    return std::string(target.data(), static_cast<std::size_t>(length));
  }
};

}  // namespace

const ProcessTable& RealProcesses() {
  static const ProcFilesystem processes;
  return processes;
}

}  // namespace certfs
