#include "tools/mount_secret.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

namespace certfs {

namespace {

// A pipe takes as much at once, and no secret is as long.
constexpr std::size_t kPipeBytes = std::size_t{64} << 10;

Result<std::pair<Descriptor, Descriptor>> MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError("pipe", errno);
  return std::pair(Descriptor(ends[0]), Descriptor(ends[1]));
}

// How often somebody who waits looks whether he is to go on waiting.
constexpr std::chrono::milliseconds kLook{200};
// For a reader that is told to end: it may have to give a terminal its echo back.
constexpr std::chrono::milliseconds kReaderEndMax{1000};
// What a reader that has read says first; one that has not, an ErrorCode.
constexpr char kHasRead = '\xff';
constexpr char kAgain = '1';
constexpr char kOnce = '0';

// Whether this process was told to end. It holds these signals back while it keeps a mount.
bool IsToldToEnd() {
  sigset_t pending;
  if (sigpending(&pending) != 0) return false;
  return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
         sigismember(&pending, SIGHUP) == 1;
}

Error ToldToEnd() { return {ErrorCode::kCancelled, "told to end before there was a secret"}; }

// Waits a moment for `events` of `pipe`, or its end. Returns whether there is one of these.
bool Await(int pipe, short events, std::chrono::milliseconds most) {
  pollfd waited{pipe, events, 0};
  return poll(&waited, 1, static_cast<int>(most.count())) > 0;
}

// Waits until nobody writes any more, and returns how much there is.
Result<std::size_t> AwaitWhole(int pipe) {
  while (!Await(pipe, 0, kLook)) {
    if (IsToldToEnd()) return ToldToEnd();
  }
  int size = 0;
  return ioctl(pipe, FIONREAD, &size) == 0 && size > 0 ? static_cast<std::size_t>(size) : 0;
}

// What the process that reads says of a failure: the code, and the words.
void SayFailure(int pipe, const Error& error) {
  const auto code = static_cast<std::uint8_t>(error.code());
  const std::string text = static_cast<char>(code) + error.message();
  static_cast<void>(WriteAll(pipe, AsBytes(text), "pipe").has_value());
}

// All that a reader says, to its end. kIo when that does not come in time.
Result<std::string> Hear(int pipe, SecretDeadline by) {
  std::string text;
  std::array<char, 4096> chunk;
  for (;;) {
    if (!Await(pipe, POLLIN, kLook)) {
      if (IsToldToEnd()) return ToldToEnd();
      if (by && std::chrono::steady_clock::now() >= *by)
        return Error(ErrorCode::kIo, "the secret could not be read in time");
      continue;
    }
    const ssize_t got = read(pipe, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

// Ends a reader that says nothing. It is not waited for: one that waits for a disk within the kernel does not
// end. Whoever waits for this process's children hears of it when it does.
void End(pid_t reader, int pipe) {
  kill(reader, SIGTERM);
  if (!Await(pipe, 0, kReaderEndMax)) kill(reader, SIGKILL);
}

}  // namespace

Result<void> SendSecret(const std::filesystem::path& keystore, const UnlockOptions& unlock, Descriptor to) {
  ProtectProcess();
  const UnlockSecret secret = TRY(ReadUnlockSecret(keystore, unlock));
  SecretBytes message;
  message.push_back(static_cast<std::uint8_t>(secret.type));
  Writer(message).Raw(secret.bytes.Reveal());
  const BytesView bytes = message.Reveal();
  // Whoever was to read it and has gone tells so himself.
  if (write(to.number(), bytes.data(), bytes.size()) < 0 && errno != EPIPE) return SystemError("pipe", errno);
  return {};
}

Result<UnlockSecret> ReceiveSecret(int from) {
  std::uint8_t type = 0;
  // Nothing comes when the asking failed: who asked has said why.
  if (read(from, &type, 1) != 1) return Error(ErrorCode::kCancelled, "no passphrase was given");
  SecretBytes secret;
  std::uint8_t byte = 0;
  while (read(from, &byte, 1) == 1) secret.push_back(byte);
  Wipe({&byte, 1});
  return UnlockSecret{static_cast<SlotType>(type), std::move(secret)};
}

bool MountSecret::CanBeReadAgain() const {
  if (!unlock_.credential.empty()) return true;
  const std::string& file = unlock_.key_file.empty() ? unlock_.passphrase_file : unlock_.key_file;
  struct stat status {};
  return !file.empty() && !file.starts_with("/proc/") && !file.starts_with("/dev/") &&
         stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

Result<Descriptor> MountSecret::Get(SecretDeadline by, const std::vector<int>& left) {
  if (!kept_.open()) {
    ReadOnce read = TRY(Read(by, left));
    if (read.again) return std::move(read.pipe);
    again_ = false;
    kept_ = std::move(read.pipe);
  }
  if (TRY(AwaitWhole(kept_.number())) == 0) return Error(ErrorCode::kCancelled, "no passphrase was given");
  // Asked once, while whoever wrote it has just read it: on a disk that hangs later, the question would hang.
  if (!again_) again_ = CanBeReadAgain();
  if (*again_) return std::exchange(kept_, Descriptor());
  auto [out, in] = TRY(MakePipe());
  if (tee(kept_.number(), in.number(), kPipeBytes, 0) <= 0) return SystemError("pipe", errno);
  return std::move(out);
}

void MountSecret::SayWhatIsRead(Descriptor secret, int report) const {
  // Those that the mounter holds back: who types may change his mind.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const auto sent = SendSecret(keystore_, unlock_, std::move(secret));
  if (!sent.has_value()) return SayFailure(report, sent.error());
  const std::string text{kHasRead, CanBeReadAgain() ? kAgain : kOnce};
  static_cast<void>(WriteAll(report, AsBytes(text), "pipe").has_value());
}

Result<MountSecret::ReadOnce> MountSecret::Read(SecretDeadline by, const std::vector<int>& left) {
  auto [out, in] = TRY(MakePipe());
  auto [report, to_report] = TRY(MakePipe());
  const pid_t reader = fork();
  if (reader < 0) return SystemError("fork", errno);
  if (reader == 0) {
    for (const int each : left) close(each);
    SayWhatIsRead(std::move(in), to_report.number());
    _exit(EXIT_SUCCESS);
  }
  in.Close();
  to_report.Close();
  const auto heard = Hear(report.number(), by);
  if (!heard.has_value()) {
    End(reader, report.number());
    return heard.error();
  }
  const std::string& text = heard.value();
  if (text.empty() && IsToldToEnd()) return ToldToEnd();
  if (text.empty()) return Error(ErrorCode::kIo, "the process that reads the secret was ended");
  if (text.front() != kHasRead)
    return Error(static_cast<ErrorCode>(static_cast<std::uint8_t>(text.front())), text.substr(1));
  return ReadOnce{std::move(out), text.back() == kAgain};
}

}  // namespace certfs
