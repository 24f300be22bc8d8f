// certfs restore: checks a backup, makes a keystore of it, or merges it into one.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "crypto/store_file.h"
#include "store/restore.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/new_keystore.h"
#include "tools/progress.h"
#include "tools/restore_report.h"
#include "tools/system.h"
#include "tools/terminal.h"
#include "tools/unlock.h"

namespace certfs {

namespace {

constexpr std::size_t kPasswordBytesMax = 4096;

struct RestoreCommandOptions {
  std::string file;
  std::string keystore;
  UnlockOptions unlock;
  std::string password_file;
  std::string recovery_key;
  bool check = false;
  bool into_existing = false;
  bool dry_run = false;
  bool yes = false;
  bool json = false;
};

Result<void> CheckUsage(const RestoreCommandOptions& options) {
  if (options.check && !options.keystore.empty()) return UsageError("--check takes no KEYSTORE");
  if (options.check && options.unlock.given()) return UsageError("--check unlocks no keystore");
  if (!options.check && options.keystore.empty())
    return UsageError("name the KEYSTORE to make, or to merge into; or --check");
  if (!options.into_existing && (options.dry_run || options.yes))
    return UsageError("--dry-run and --yes go with --into-existing");
  if (options.json && !options.check && !options.into_existing)
    return UsageError("--json goes with --check or --into-existing");
  if (options.into_existing && !options.dry_run && !options.yes) {
    if (options.json) return UsageError("--into-existing with --json asks nothing: add --yes or --dry-run");
    if (!HasTerminal())
      return UsageError("there is no terminal to ask on whether to merge: add --yes or --dry-run");
  }
  return {};
}

// The export password that the file holds.
Result<SecretBytes> ReadPassword(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return SystemError(path, errno);
  SecretBytes password = TRY(ReadSecret(file.number(), path, kPasswordBytesMax));
  if (!password.empty() && password.Reveal().back() == '\n') password.resize(password.size() - 1);
  if (password.empty() || password.size() > kPasswordBytesMax)
    return UsageError(path + ": holds no password");
  return password;
}

Result<EnvelopeKey> ReadBackupKey(const RestoreCommandOptions& options) {
  if (!options.recovery_key.empty()) {
    const UnlockSecret key = TRY(ReadRecoveryKey(options.recovery_key));
    return EnvelopeKey(TRY(ReadKeyFile(key.bytes.Reveal())).key);
  }
  if (!options.password_file.empty()) return EnvelopeKey(TRY(ReadPassword(options.password_file)));
  return EnvelopeKey(TRY(AskPassphrase("Export password of " + options.file + ": ")));
}

Result<BackupFile> OpenBackup(const RestoreCommandOptions& options) {
  auto file = BackupFile::Open(options.file, TRY(ReadBackupKey(options)));
  if (!file.has_value()) return std::move(file).error().Within(options.file);
  return file;
}

// Runs `work`, which reads the backup once, with a progress bar; says the file's name where it fails.
template <typename Work>
auto WithProgress(const char* title, const BackupFile& file, const RestoreCommandOptions& options,
                  Work&& work) -> decltype(work(ReadingProgress())) {
  Progress progress(title, file.size());
  auto outcome = work([&](std::uint64_t bytes) { progress.Advance(bytes); });
  if (!outcome.has_value()) return std::move(outcome).error().Within(options.file);
  return outcome;
}

Result<ExitCode> Check(const RestoreCommandOptions& options) {
  const BackupFile file = TRY(OpenBackup(options));
  const BackupContents contents =
      TRY(WithProgress("checking", file, options,
                       [&](const ReadingProgress& progress) { return CheckBackup(file, progress); }));
  if (options.json) {
    std::cout << ContentsJson(options.file, contents);
  } else {
    PrintContents(options.file, contents, std::cout);
  }
  return ExitCode::kOk;
}

Result<ExitCode> IntoNew(const RestoreCommandOptions& options) {
  const BackupFile file = TRY(OpenBackup(options));
  const UnlockSecret secret = TRY(NewKeystoreSecret(options.keystore, options.unlock));
  auto restored = WithinMemory([&] {
    return WithProgress("restoring", file, options, [&](const ReadingProgress& progress) {
      return RestoreKeystore(file, TidyPath(options.keystore), secret, std::chrono::system_clock::now,
                             progress);
    });
  });
  if (!restored.has_value()) {
    ForgetNewSecret(options.keystore, options.unlock);
    return std::move(restored).error();
  }
  for (const auto& [certificate, why] : restored.value().left_out) {
    std::cerr << "certfs: warning: no recovery slot for " << certificate.subject() << ", SHA-256 "
              << ToHex(certificate.fingerprint()) << ": " << why << "\n";
  }
  const BackupCounts& counts = restored.value().manifest.counts;
  PrintNewKeystore(options.keystore, options.unlock);
  std::cout << "restored " << counts.stores << " stores with " << counts.entries << " entries, as of "
            << restored.value().manifest.time << "\n";
  return ExitCode::kOk;
}

Result<ExitCode> IntoExisting(const RestoreCommandOptions& options) {
  const BackupFile file = TRY(OpenBackup(options));
  UnlockOptions unlock = options.unlock;
  // Whoever has nothing but the recovery key has no key file either.
  std::error_code ignored;
  if (!unlock.given() && !std::filesystem::exists(DefaultKeyFile(options.keystore), ignored))
    unlock.recovery_key = options.recovery_key;
  const UnlockSecret secret = TRY(ReadUnlockSecret(options.keystore, std::move(unlock)));
  const auto keystore =
      TRY(Keystore::Open(TidyPath(options.keystore), secret, std::chrono::system_clock::now));
  MergePlan plan = TRY(WithProgress("checking", file, options, [&](const ReadingProgress& progress) {
    return PlanMerge(file, *keystore, progress);
  }));
  if (!options.json) PrintPlan(plan, std::cout);
  const bool merges =
      !options.dry_run && (options.yes || Confirm("merge this into " + options.keystore + "?"));
  if (merges) {
    plan = TRY(WithProgress("merging", file, options, [&](const ReadingProgress& progress) {
      return MergeBackup(file, *keystore, {geteuid(), getegid()}, progress);
    }));
  }
  if (options.json) {
    std::cout << PlanJson(options.file, plan, merges);
  } else {
    std::cout << (merges ? "done\n" : "nothing was changed\n");
  }
  return merges || options.dry_run ? ExitCode::kOk : ExitCode::kFailed;
}

Result<ExitCode> Restore(const RestoreCommandOptions& options) {
  TRY(CheckUsage(options));
  ProtectProcess();
  if (options.check) return Check(options);
  return options.into_existing ? IntoExisting(options) : IntoNew(options);
}

}  // namespace

void AddRestoreCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("restore", "Restore a backup, or check one");
  auto options = std::make_shared<RestoreCommandOptions>();
  command->add_option("FILE", options->file, "The backup, a copy of backup/keystore.cms")->required();
  command->add_option("KEYSTORE", options->keystore, "The directory to make, or the keystore to merge into");
  AddNewSecretOptions(*command, options->unlock);
  auto* password = command->add_option("--password-file", options->password_file,
                                       "The export password; one trailing newline is ignored");
  command
      ->add_option("--recovery-key", options->recovery_key,
                   "Instead: the private key of a recovery certificate")
      ->excludes(password);
  auto* check = command->add_flag("--check", options->check, "Verify the backup and say what is in it");
  command
      ->add_flag("--into-existing", options->into_existing,
                 "Merge it into KEYSTORE, entry by entry; the unlock option is that keystore's")
      ->excludes(check);
  command->add_flag("--dry-run", options->dry_run, "Print what would be merged, and stop");
  command->add_flag("--yes", options->yes, "Do not ask before merging");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer("Without an unlock option KEYSTORE.key is made, or used with --into-existing.");
  command->callback([options, &action] { action = [options] { return Restore(*options); }; });
}

}  // namespace certfs
