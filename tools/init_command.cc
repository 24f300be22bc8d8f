// certfs init: makes a keystore.

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>

#include "store/keystore.h"
#include "tools/commands.h"
#include "tools/system.h"
#include "tools/unlock.h"

namespace certfs {

namespace {

struct Options {
  std::string keystore;
  UnlockOptions unlock;
};

Result<UnlockSecret> NewSecret(const Options& options) {
  const UnlockOptions& unlock = options.unlock;
  if (!unlock.key_file.empty()) return ReadKeyFileSecret(unlock.key_file);
  if (!unlock.passphrase_file.empty()) return ReadPassphraseFile(unlock.passphrase_file);
  if (unlock.passphrase) return AskSecret(options.keystore, true);
  return MakeKeyFile(DefaultKeyFile(options.keystore));
}

Result<ExitCode> Init(const Options& options) {
  ProtectProcess();
  const UnlockSecret secret = TRY(NewSecret(options));
  const Actor owner{geteuid(), getegid()};
  auto made = Keystore::Create(TidyPath(options.keystore), secret, owner, std::chrono::system_clock::now);
  if (!made.has_value()) {
    if (!options.unlock.given()) unlink(DefaultKeyFile(options.keystore).c_str());
    return std::move(made).error();
  }
  std::cout << "made the keystore " << TidyPath(options.keystore).string() << "\n";
  if (!options.unlock.given()) {
    std::cout << "its key is " << DefaultKeyFile(options.keystore).string()
              << ": whoever has both has every key; without it nothing can be read again\n";
  }
  return ExitCode::kOk;
}

}  // namespace

void AddInitCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("init", "Make a keystore");
  auto options = std::make_shared<Options>();
  command->add_option("KEYSTORE", options->keystore, "The directory to make")->required();
  AddNewSecretOptions(*command, options->unlock);
  command->footer("Without an option a new key file KEYSTORE.key is made.");
  command->callback([options, &action] { action = [options] { return Init(*options); }; });
}

}  // namespace certfs
