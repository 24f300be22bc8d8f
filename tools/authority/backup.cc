// certfs ca backup and restore: the authority in one PKCS#12 file, and back.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "tools/authority/part.h"
#include "tools/authority/report.h"
#include "tools/bundle_file.h"
#include "tools/json_text.h"
#include "tools/output_file.h"
#include "tools/system.h"
#include "tools/unlock.h"

namespace certfs::authority {

namespace {

struct BackupOptions : PartOptions {
  std::string out;
  std::string password_file;
};

struct RestoreOptions : PartOptions {
  std::string file;
  std::string password_file;
  std::string crl;
};

Error NotOpened(const std::filesystem::path& path, int error, const Mount& mount) {
  if (error == ENOKEY) {
    return {ErrorCode::kPasswordRequired, path.string() +
                                              ": no export password is set to encrypt it for: certfs "
                                              "password set '" +
                                              mount.source + "'"};
  }
  if (error == ENOENT)
    return {ErrorCode::kNotFound, path.string() + ": there is no authority yet: certfs ca init makes one"};
  return SystemError(path, error);
}

Result<SecretBytes> ReadBackup(const Mount& mount) {
  TRY(AuthorityOf(mount));
  const std::filesystem::path path = mount.mountpoint / "backup" / "ca.p12";
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return NotOpened(path, errno, mount);
  SecretBytes bytes = TRY(ReadSecret(file.number(), path, kFileBytesMax));
  if (bytes.size() > kFileBytesMax) return Error(ErrorCode::kTooLarge, path.string() + ": over 1 MiB");
  return bytes;
}

// Opens what was read, and what was written, as whoever needs it one day will.
Result<void> CheckBackup(BytesView bytes, const SecretBytes& password, const std::string& name) {
  auto contents = ReadPkcs12(bytes, password);
  if (!contents.has_value()) return std::move(contents).error().Within(name);
  for (const Pkcs12Item& item : contents.value().items) {
    if (item.pkcs8.empty() || item.certificates.empty()) continue;
    if (TRY(PrivateKey::FromDer(item.pkcs8.Reveal())).Matches(item.certificates.front())) return {};
  }
  return Error(ErrorCode::kCorrupt, name + ": holds no key with its certificate");
}

Result<ExitCode> Backup(const BackupOptions& options) {
  ProtectSecrets();
  SecretBytes password;
  if (!options.password_file.empty()) password = TRY(ReadPassphraseFile(options.password_file)).bytes;
  const Mount mount = TRY(ChooseMount(options.mount));
  const SecretBytes backup = TRY(ReadBackup(mount));
  if (!password.empty()) TRY(CheckBackup(backup.Reveal(), password, "backup/ca.p12"));
  TRY(WriteOutputFile(options.out, backup.Reveal(), kPrivateMode, Existing::kReplace));
  if (!password.empty())
    TRY(CheckBackup(TRY(ReadWholeFile(options.out, kFileBytesMax)), password, options.out));
  std::cout << options.out << ": " << backup.size() << " bytes"
            << (password.empty() ? "; not opened again: with --password-file it would have been\n"
                                 : "; opened again, and whole\n")
            << "Keep it elsewhere; who has it and the export password can issue in the name of this "
               "authority.\n";
  return ExitCode::kOk;
}

Result<Bytes> ReadCrl(const std::string& path) {
  auto bytes = ReadWholeFile(path, kFileBytesMax);
  if (!bytes.has_value()) return Error(ErrorCode::kInvalidArgument, bytes.error().message());
  auto file = ReadRevocationListFile(bytes.value());
  if (!file.has_value()) return std::move(file).error().Within(path);
  return std::move(file.value().text);
}

Result<ExitCode> Restore(const RestoreOptions& options) {
  ProtectSecrets();
  const Mount mount = TRY(ChooseMount(options.mount));
  ControlCommand command("restore");
  if (!options.crl.empty()) command.Flag("crl");
  command.Payload(TRY(ReadKeyAndChain({options.file}, options.password_file)).Reveal());
  if (!options.crl.empty()) command.Payload(TRY(ReadCrl(options.crl)));
  const Json answer = TRY(Ask(mount, command));
  if (options.json) {
    PrintJson(answer);
    return ExitCode::kOk;
  }
  WriteAuthority(std::cout, FieldOf(answer, "authority"));
  if (options.crl.empty()) {
    std::cerr << "certfs: warning: without --crl nothing is known of what this authority revoked: its next "
                 "CRL will not name it\n";
  }
  return ExitCode::kOk;
}

}  // namespace

void AddBackup(CLI::App& command, Action& action) {
  auto options = std::make_shared<BackupOptions>();
  CLI::App* part =
      AddPart(command, "backup", "Back the authority up, its key included", *options, Prints::kWords);
  part->add_option("--out", options->out, "The file to make: PKCS#12 under the export password, 0600")
      ->required();
  part->add_option("--password-file", options->password_file,
                   "The export password: the backup is opened with it, before it replaces one that is "
                   "there, and once it is written");
  part->callback([options, &action] { action = [options] { return Backup(*options); }; });
}

void AddRestore(CLI::App& command, Action& action) {
  auto options = std::make_shared<RestoreOptions>();
  CLI::App* part = AddPart(command, "restore", "Make a backup the authority of a keystore that has none",
                           *options, Prints::kData);
  part->add_option("FILE", options->file, "The backup, a copy of backup/ca.p12")->required();
  part->add_option("--password-file", options->password_file,
                   "The password that it was made with; without it, it is asked for");
  part->add_option(
      "--crl", options->crl,
      "The last CRL of the authority: what it revokes stays revoked, and numbers go on behind its");
  part->callback([options, &action] { action = [options] { return Restore(*options); }; });
}

}  // namespace certfs::authority
