// certfs password: sets and clears the export password, and for whom exports are made.

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include "store/keystore.h"
#include "tools/commands.h"
#include "tools/export_password.h"
#include "tools/system.h"
#include "tools/unlock.h"

namespace certfs {

namespace {

struct PasswordCommandOptions {
  std::string keystore;
  UnlockOptions unlock;
  std::string password_file;
  bool compatible = false;
  bool modern = false;
};

std::string_view Words(ExportProfile profile) {
  switch (profile) {
    case ExportProfile::kModern:
      return "modern (AES-256)";
    case ExportProfile::kCompatible:
      return "compatible (3DES, for old consumers)";
  }
  return {};
}

Result<std::unique_ptr<Keystore>> OpenKeystore(const PasswordCommandOptions& options) {
  ProtectProcess();
  const UnlockSecret secret = TRY(ReadUnlockSecret(options.keystore, options.unlock));
  return Keystore::Open(TidyPath(options.keystore), secret, std::chrono::system_clock::now);
}

Result<Settings> ReadSettings(Keystore& keystore) {
  auto settings = TRY(keystore.Snapshot())->GetSettings();
  // Damaged settings are replaced whole; nothing else could ever repair them.
  if (!settings.has_value() && settings.error().code() == ErrorCode::kCorrupt) {
    std::cerr << "certfs: warning: " << settings.error().message() << "; they are made anew\n";
    return Settings{};
  }
  return settings;
}

Result<ExitCode> Set(const PasswordCommandOptions& options) {
  const auto keystore = TRY(OpenKeystore(options));
  Settings settings = TRY(ReadSettings(*keystore));
  if (options.compatible) settings.profile = ExportProfile::kCompatible;
  if (options.modern) settings.profile = ExportProfile::kModern;
  // Who names a profile alone keeps the password that is set.
  const bool profile_alone = (options.compatible || options.modern) && options.password_file.empty();
  const bool keeps = profile_alone && !settings.export_password.empty();
  if (!keeps) {
    settings.export_password = TRY(ReadExportPassword(options.password_file, TidyPath(options.keystore)));
  }
  TRY(keystore->SetSettings(settings));
  std::cout << (keeps ? "the export password stays as it is" : "the export password is set")
            << "; exports are " << Words(settings.profile) << "\n";
  return ExitCode::kOk;
}

Result<ExitCode> Clear(const PasswordCommandOptions& options) {
  const auto keystore = TRY(OpenKeystore(options));
  Settings settings = TRY(ReadSettings(*keystore));
  settings.export_password.clear();
  TRY(keystore->SetSettings(settings));
  std::cout << "there is no export password any more: exports with keys fail to open,\n"
            << "and backups where there is no recovery certificate\n";
  return ExitCode::kOk;
}

CLI::App* AddPart(CLI::App& command, const char* name, const char* what, PasswordCommandOptions& options) {
  return AddKeystorePart(command, name, what, options.keystore, options.unlock);
}

}  // namespace

void AddPasswordCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("password", "Set or clear the export password");
  command->require_subcommand(1);
  auto options = std::make_shared<PasswordCommandOptions>();
  CLI::App* set = AddPart(*command, "set", "Set the password of exports and backups", *options);
  set->add_option("--password-file", options->password_file,
                  "The password is in this file; one trailing newline is ignored. Without it, asks twice");
  CLI::Option* compatible =
      set->add_flag("--compat", options->compatible, "Exports for old consumers: 3DES, SHA-1");
  set->add_flag("--modern", options->modern, "Exports by AES-256 and SHA-256, as at first")
      ->excludes(compatible);
  set->callback([options, &action] { action = [options] { return Set(*options); }; });
  CLI::App* clear = AddPart(*command, "clear", "Forget the password: what needs it fails to open", *options);
  clear->callback([options, &action] { action = [options] { return Clear(*options); }; });
}

}  // namespace certfs
