#include "tools/unlock.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "crypto/encrypted_key.h"
#include "crypto/store_file.h"
#include "tools/system.h"
#include "tools/terminal.h"

namespace certfs {

namespace {

constexpr std::size_t kPassphraseBytesMax = 4096;
constexpr std::size_t kRecoveryKeyBytesMax = 16384;

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

void AddNewSecretOptions(CLI::App& command, UnlockOptions& options) {
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

CLI::App* AddKeystorePart(CLI::App& command, const char* name, const char* what, std::string& keystore,
                          UnlockOptions& unlock) {
  CLI::App* part = command.add_subcommand(name, what);
  part->set_version_flag("--version", "certfs " CERTFS_VERSION);
  part->add_option("KEYSTORE", keystore, "The keystore's directory")->required();
  AddUnlockOptions(*part, unlock);
  part->footer(kUnlockFooter);
  return part;
}

void AddUnlockOptions(CLI::App& command, UnlockOptions& options) {
  AddNewSecretOptions(command, options);
  CLI::Option* recovery =
      command.add_option("--recovery-key", options.recovery_key,
                         "Unlock with the private key of a recovery certificate; asks for its "
                         "passphrase if it has one");
  CLI::Option* credential =
      command.add_option("--credential", options.credential,
                         "Unlock with this credential of systemd: a key of 32 bytes, or else "
                         "a passphrase");
  for (const char* const other : {"--keyfile", "--passphrase-file", "--passphrase"}) {
    recovery->excludes(command.get_option(other));
    credential->excludes(command.get_option(other));
  }
  recovery->excludes(credential);
}

Result<void> ChooseDefaultKey(const std::filesystem::path& keystore, UnlockOptions& options) {
  if (options.given()) return {};
  const std::filesystem::path key = DefaultKeyFile(keystore);
  struct stat status {};
  if (stat(key.c_str(), &status) != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 keystore.string() + ": there is no " + key.string() +
                     "; say how to unlock it: --keyfile FILE, --passphrase-file FILE, --passphrase or "
                     "--recovery-key FILE");
  }
  options.key_file = key.string();
  return {};
}

Result<UnlockSecret> ReadUnlockSecret(const std::filesystem::path& keystore, UnlockOptions options) {
  TRY(ChooseDefaultKey(keystore, options));
  if (!options.key_file.empty()) return ReadKeyFileSecret(options.key_file);
  if (!options.passphrase_file.empty()) return ReadPassphraseFile(options.passphrase_file);
  if (!options.recovery_key.empty()) return ReadRecoveryKey(options.recovery_key);
  if (!options.credential.empty()) return ReadCredential(options.credential);
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

Result<UnlockSecret> ReadRecoveryKey(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.open() || fstat(file.number(), &status) != 0) return SystemError(path, errno);
  if (S_ISREG(status.st_mode)) WarnIfReadable(path, status);
  SecretBytes bytes = TRY(ReadSecret(file.number(), path, kRecoveryKeyBytesMax));
  if (bytes.size() > kRecoveryKeyBytesMax)
    return Error(ErrorCode::kInvalidArgument, path.string() + ": a private key has at most 16 KiB");
  const auto plain = ReadKeyFile(bytes.Reveal());
  if (plain.has_value()) return UnlockSecret{SlotType::kRecovery, std::move(bytes)};
  if (plain.error().code() != ErrorCode::kPasswordRequired)
    return Error(ErrorCode::kInvalidArgument, path.string() + ": " + plain.error().message());
  const UnlockSecret passphrase = TRY(AskOnce("Passphrase of " + path.string()));
  auto key = DecryptKeyFile(bytes.Reveal(), passphrase.bytes);
  if (!key.has_value()) return std::move(key).error().Within(path.string());
  return UnlockSecret{SlotType::kRecovery, TRY(key.value().ToPkcs8())};
}

Result<UnlockSecret> ReadCredential(const std::string& name) {
  const char* const directory = getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr) {
    return Error(ErrorCode::kInvalidArgument,
                 "there are no credentials: CREDENTIALS_DIRECTORY is not set; see systemd-creds(1)");
  }
  if (name.find('/') != std::string::npos)
    return Error(ErrorCode::kInvalidArgument, "the name of a credential has no '/'");
  const std::filesystem::path path = std::filesystem::path(directory) / name;
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return SystemError(path, errno);
  return status.st_size == static_cast<off_t>(kKeyFileBytes) ? ReadKeyFileSecret(path)
                                                             : ReadPassphraseFile(path);
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
