// The secret of a keystore that is about to be made.
//
// Thread-safety: main thread only, because it may ask on the terminal.

#pragma once

#include <filesystem>

#include "tools/unlock.h"

namespace certfs {

// Reads the secret that `options` name, asks for it twice, or, if they name none, makes the key file
// KEYSTORE.key. The directory that the keystore is to be in has to be there.
Result<UnlockSecret> NewKeystoreSecret(const std::filesystem::path& keystore, const UnlockOptions& options);

// Takes that key file away again when the keystore could not be made.
void ForgetNewSecret(const std::filesystem::path& keystore, const UnlockOptions& options);

// Says on stdout what was made, and where its key is.
void PrintNewKeystore(const std::filesystem::path& keystore, const UnlockOptions& options);

}  // namespace certfs
