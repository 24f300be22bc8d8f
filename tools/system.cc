#include "tools/system.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include "store/examiner.h"

namespace certfs {

namespace {

// What the mount means by them, as far as a tool tells them apart (fs/errno.cc).
ErrorCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kAlreadyExists;
    case ENOTEMPTY:
      return ErrorCode::kNotEmpty;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kNotPermitted;
    case EKEYREJECTED:
      return ErrorCode::kRejected;
    case EKEYEXPIRED:
      return ErrorCode::kExpired;
    case EKEYREVOKED:
      return ErrorCode::kRevoked;
    case ENOKEY:
      return ErrorCode::kPasswordRequired;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

Error SystemError(const std::filesystem::path& path, int error) {
  return Error(CodeOf(error), path.string() + ": " + std::generic_category().message(error));
}

Result<Bytes> ReadWholeFile(const std::filesystem::path& path, std::size_t bytes_max) {
  const bool standard_input = path == "-";
  const Descriptor opened(standard_input ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::filesystem::path shown = standard_input ? "standard input" : path;
  if (!opened.open()) return SystemError(shown, errno);
  Bytes bytes;
  std::array<std::uint8_t, 65536> chunk;
  for (;;) {
    const ssize_t got = read(opened.number(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(shown, errno);
    if (got == 0) return bytes;
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + got);
    if (bytes.size() > bytes_max) {
      return Error(ErrorCode::kTooLarge,
                   shown.string() + ": larger than " + std::to_string(bytes_max) + " bytes");
    }
  }
}

Result<SecretBytes> ReadSecret(int file, const std::filesystem::path& path, std::size_t bytes_max) {
  SecretBytes secret(bytes_max + 1);
  std::size_t size = 0;
  while (size < secret.size()) {
    const ssize_t got = read(file, secret.data() + size, secret.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  secret.resize(size);
  return secret;
}

Result<void> WriteAll(int file, BytesView bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t put = write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return SystemError(path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

std::filesystem::path TidyPath(const std::filesystem::path& path) {
  const std::filesystem::path tidy = std::filesystem::absolute(path).lexically_normal();
  return tidy.has_filename() ? tidy : tidy.parent_path();
}

bool ProtectProcess() {
  umask(077);
  // It gets a copy of what is in memory, in which there are no secrets yet. Whoever needs it hears why it is
  // not there.
  static_cast<void>(StartExaminer().has_value());
  return ProtectSecrets();
}

bool ProtectSecrets() {
  HideProcess();
  return LockSecrets();
}

void HideProcess() {
  const rlimit no_cores{0, 0};
  setrlimit(RLIMIT_CORE, &no_cores);
  prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace certfs
