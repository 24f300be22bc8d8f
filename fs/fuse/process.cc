// What /proc says about the callers of a mount. A caller waits in the kernel until its request is answered,
// so its thread id cannot have gone to another process meanwhile.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "fs/fuse/session.h"

namespace certfs {

namespace {

// Returns the start of /proc/`thread`/`file`; empty when it cannot be read.
std::string ReadProc(std::int32_t thread, const char* file) {
  const std::string path = "/proc/" + std::to_string(thread) + "/" + file;
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::array<char, 2048> buffer;
  const ssize_t size = read(descriptor, buffer.data(), buffer.size());
  close(descriptor);
  return size > 0 ? std::string(buffer.data(), static_cast<std::size_t>(size)) : std::string();
}

std::int32_t Number(std::string_view text) {
  std::int32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Says whether `thread` has no memory any more: what an exiting thread gives up before its files. Unlike
// stat, statm is shown without a wait.
bool HasGivenUpMemory(std::int32_t thread) { return ReadProc(thread, "statm").starts_with("0 "); }

class ProcFilesystem final : public ProcessTable {
 public:
  std::int32_t ProcessOf(std::int32_t thread) const override {
    constexpr std::string_view kLabel = "\nTgid:\t";
    const std::string status = ReadProc(thread, "status");
    const std::size_t at = status.find(kLabel);
    return at == std::string::npos ? thread : Number(std::string_view(status).substr(at + kLabel.size()));
  }

  // proc(5): field 52 of stat is the exit code "in the form reported by waitpid", set before the files are
  // closed. Its low seven bits are the signal. Since Linux 6.18 at the latest, reading stat waits for an
  // execve of that process, which itself waits for our answer when it closes a file that was written: stat is
  // read only of a thread that is exiting, hence in no execve.
  bool IsDyingOfSignal(std::int32_t thread) const override {
    if (!HasGivenUpMemory(thread)) return false;
    constexpr int kFieldsBetween = 49;  // From field 3, the first behind the name, to field 52.
    const std::string stat = ReadProc(thread, "stat");
    std::size_t at = stat.rfind(')');  // The name may hold anything, a ')' too.
    if (at == std::string::npos) return false;
    at += 2;
    for (int i = 0; i < kFieldsBetween; ++i) {
      at = stat.find(' ', at);
      if (at == std::string::npos) return false;
      ++at;
    }
    return (Number(std::string_view(stat).substr(at)) & 0x7F) != 0;
  }

  std::string ProgramOf(std::int32_t thread) const override {
    std::string name = ReadProc(thread, "comm");
    if (!name.empty() && name.back() == '\n') name.pop_back();
    return name;
  }
};

}  // namespace

const ProcessTable& RealProcesses() {
  static const ProcFilesystem processes;
  return processes;
}

}  // namespace certfs
