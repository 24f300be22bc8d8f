// certfs init: makes a keystore.

#include <unistd.h>

#include <chrono>
#include <memory>

#include "store/keystore.h"
#include "tools/commands.h"
#include "tools/new_keystore.h"
#include "tools/system.h"

namespace certfs {

namespace {

struct InitCommandOptions {
  std::string keystore;
  UnlockOptions unlock;
};

Result<ExitCode> Init(const InitCommandOptions& options) {
  ProtectProcess();
  const UnlockSecret secret = TRY(NewKeystoreSecret(options.keystore, options.unlock));
  const Actor owner{geteuid(), getegid()};
  auto made = Keystore::Create(TidyPath(options.keystore), secret, owner, std::chrono::system_clock::now);
  if (!made.has_value()) {
    ForgetNewSecret(options.keystore, options.unlock);
    return std::move(made).error();
  }
  PrintNewKeystore(options.keystore, options.unlock);
  return ExitCode::kOk;
}

}  // namespace

void AddInitCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("init", "Make a keystore");
  auto options = std::make_shared<InitCommandOptions>();
  command->add_option("KEYSTORE", options->keystore, "The directory to make")->required();
  AddNewSecretOptions(*command, options->unlock);
  command->footer("Without an option a new key file KEYSTORE.key is made.");
  command->callback([options, &action] { action = [options] { return Init(*options); }; });
}

}  // namespace certfs
