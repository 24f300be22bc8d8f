#include "tools/mount_secret.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
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

// Waits until nobody writes any more, and returns how much there is.
std::size_t AwaitWhole(int pipe) {
  pollfd waited{pipe, 0, 0};
  while (poll(&waited, 1, -1) < 0 && errno == EINTR) {
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

Result<void> HearFailure(int pipe) {
  std::string text;
  std::array<char, 4096> chunk;
  for (;;) {
    const ssize_t got = read(pipe, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  if (text.empty()) return {};
  return Error(static_cast<ErrorCode>(static_cast<std::uint8_t>(text.front())), text.substr(1));
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

Result<Descriptor> MountSecret::Get() {
  if (!kept_.open()) {
    Descriptor read = TRY(Read());
    if (CanBeReadAgain()) return read;
    kept_ = std::move(read);
  }
  if (AwaitWhole(kept_.number()) == 0) return Error(ErrorCode::kCancelled, "no passphrase was given");
  if (CanBeReadAgain()) return std::exchange(kept_, Descriptor());
  auto [out, in] = TRY(MakePipe());
  if (tee(kept_.number(), in.number(), kPipeBytes, 0) <= 0) return SystemError("pipe", errno);
  return std::move(out);
}

Result<Descriptor> MountSecret::Read() {
  auto [out, in] = TRY(MakePipe());
  auto [failures, failure] = TRY(MakePipe());
  const pid_t reader = fork();
  if (reader < 0) return SystemError("fork", errno);
  if (reader == 0) {
    const auto sent = SendSecret(keystore_, unlock_, Descriptor(in.Release()));
    if (!sent.has_value()) SayFailure(failure.number(), sent.error());
    _exit(EXIT_SUCCESS);
  }
  in.Close();
  failure.Close();
  auto heard = HearFailure(failures.number());
  while (waitpid(reader, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!heard.has_value()) return std::move(heard).error();
  return std::move(out);
}

}  // namespace certfs
