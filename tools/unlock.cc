#include "tools/unlock.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <utility>

#include "tools/system.h"
#include "tools/terminal.h"

namespace certfs {

namespace {

constexpr std::size_t kPassphraseBytesMax = 4096;

void WarnIfReadable(const std::filesystem::path& path, const struct stat& status) {
  if ((status.st_mode & 0077) == 0) return;
  std::cerr << "certfs: warning: " << path.string() << ": others than its owner have access; run: chmod 600 '"
            << path.string() << "'\n";
}

Result<void> WriteDurably(int file, BytesView bytes, const std::filesystem::path& path) {
  TRY(WriteAll(file, bytes, path));
  if (fsync(file) != 0) return SystemError(path, errno);
  const Descriptor directory(open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.open() || fsync(directory.number()) != 0) return SystemError(path.parent_path(), errno);
  return {};
}

Result<UnlockSecret> AskOnce(const std::string& prompt) {
  SecretBytes given = TRY(AskPassphrase(prompt + ": "));
  if (given.empty()) return Error(ErrorCode::kInvalidArgument, "an empty passphrase is no passphrase");
  return UnlockSecret{SlotType::kPassphrase, std::move(given)};
}

}  // namespace

void AddUnlockOptions(CLI::App& command, UnlockOptions& options) {
  CLI::Option* key =
      command.add_option("--keyfile", options.key_file, "Unlock with this file of 32 random bytes");
  CLI::Option* file =
      command.add_option("--passphrase-file", options.passphrase_file,
                         "Unlock with the passphrase in this file; one trailing newline is ignored");
  CLI::Option* ask =
      command.add_flag("--passphrase", options.passphrase, "Ask for a passphrase on the terminal");
  key->excludes(file)->excludes(ask);
  file->excludes(ask);
}

Result<void> ChooseDefaultKey(const std::filesystem::path& keystore, UnlockOptions& options) {
  if (options.given()) return {};
  const std::filesystem::path key = DefaultKeyFile(keystore);
  struct stat status {};
  if (stat(key.c_str(), &status) != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 keystore.string() + ": there is no " + key.string() +
                     "; say how to unlock it: --keyfile FILE, --passphrase-file FILE or --passphrase");
  }
  options.key_file = key.string();
  return {};
}

Result<UnlockSecret> ReadUnlockSecret(const std::filesystem::path& keystore, UnlockOptions options) {
  TRY(ChooseDefaultKey(keystore, options));
  if (!options.key_file.empty()) return ReadKeyFileSecret(options.key_file);
  if (!options.passphrase_file.empty()) return ReadPassphraseFile(options.passphrase_file);
  return AskSecret(keystore, false);
}

std::filesystem::path DefaultKeyFile(const std::filesystem::path& keystore) {
  return TidyPath(keystore).string() + ".key";
}

Result<UnlockSecret> ReadKeyFileSecret(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // A FIFO must not hang us.
  struct stat status {};
  if (!file.open() || fstat(file.number(), &status) != 0) return SystemError(path, errno);
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, path.string() + ": a key file must be a regular file");
  }
  if (status.st_size != static_cast<off_t>(kKeyFileBytes)) {
    return Error(
        ErrorCode::kInvalidArgument,
        path.string() + ": a key file has exactly 32 bytes, this one has " + std::to_string(status.st_size));
  }
  WarnIfReadable(path, status);
  SecretBytes secret = TRY(ReadSecret(file.number(), path, kKeyFileBytes));
  if (secret.size() != kKeyFileBytes) {
    return Error(ErrorCode::kInvalidArgument, path.string() + ": changed while it was read");
  }
  return UnlockSecret{SlotType::kKeyFile, std::move(secret)};
}

Result<UnlockSecret> ReadPassphraseFile(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.open() || fstat(file.number(), &status) != 0) return SystemError(path, errno);
  if (S_ISREG(status.st_mode)) WarnIfReadable(path, status);
  SecretBytes secret = TRY(ReadSecret(file.number(), path, kPassphraseBytesMax));
  if (secret.size() > kPassphraseBytesMax) {
    return Error(ErrorCode::kInvalidArgument, path.string() + ": a passphrase file has at most 4096 bytes");
  }
  if (!secret.empty() && secret.Reveal().back() == '\n') secret.resize(secret.size() - 1);
  if (secret.empty()) return Error(ErrorCode::kInvalidArgument, path.string() + ": holds no passphrase");
  return UnlockSecret{SlotType::kPassphrase, std::move(secret)};
}

Result<UnlockSecret> AskSecret(const std::filesystem::path& keystore, bool twice) {
  if (twice) return AskTwice("New passphrase for " + keystore.string());
  return AskOnce("Passphrase for " + keystore.string());
}

Result<UnlockSecret> AskTwice(const std::string& prompt) {
  UnlockSecret first = TRY(AskOnce(prompt));
  const SecretBytes second = TRY(AskPassphrase("The same again: "));
  if (!EqualSecrets(first.bytes.Reveal(), second.Reveal()))
    return Error(ErrorCode::kInvalidArgument, "the two differ");
  return first;
}

Result<UnlockSecret> MakeKeyFile(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.open() && errno == EEXIST) {
    return Error(ErrorCode::kAlreadyExists,
                 path.string() +
                     ": is there already and may open another keystore; name it with "
                     "--keyfile to use it, or move it away");
  }
  if (!file.open()) return SystemError(path, errno);
  SecretBytes secret(kKeyFileBytes);
  Result<void> made;
  // Up to 256 bytes come whole or not at all (getrandom(2)).
  if (getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size())) {
    made = SystemError("getrandom", errno);
  } else {
    made = WriteDurably(file.number(), secret.Reveal(), path);
  }
  if (!made.has_value()) {
    unlink(path.c_str());
    return std::move(made).error();
  }
  return UnlockSecret{SlotType::kKeyFile, std::move(secret)};
}

}  // namespace certfs
