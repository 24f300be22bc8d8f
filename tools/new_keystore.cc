#include "tools/new_keystore.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "tools/system.h"

namespace certfs {

Result<UnlockSecret> NewKeystoreSecret(const std::filesystem::path& keystore, const UnlockOptions& options) {
  // Before anybody types a passphrase, and lest the key file, which is made first, be what is missed.
  const std::filesystem::path parent = TidyPath(keystore).parent_path();
  struct stat status {};
  if (stat(parent.c_str(), &status) != 0) return SystemError(parent, errno);
  if (!options.key_file.empty()) return ReadKeyFileSecret(options.key_file);
  if (!options.passphrase_file.empty()) return ReadPassphraseFile(options.passphrase_file);
  if (options.passphrase) return AskSecret(keystore, true);
  return MakeKeyFile(DefaultKeyFile(keystore));
}

void ForgetNewSecret(const std::filesystem::path& keystore, const UnlockOptions& options) {
  if (!options.given()) unlink(DefaultKeyFile(keystore).c_str());
}

void PrintNewKeystore(const std::filesystem::path& keystore, const UnlockOptions& options) {
  std::cout << "made the keystore " << TidyPath(keystore).string() << "\n";
  if (options.given()) return;
  std::cout << "its key is " << DefaultKeyFile(keystore).string()
            << ": whoever has both has every key; without it nothing can be read again\n";
}

}  // namespace certfs
