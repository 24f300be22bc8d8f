// certfs doctor --salvage: what is whole of a damaged keystore, in a new one.
//
// Thread-safety: main thread only, because it may ask on the terminal.

#pragma once

#include <filesystem>

#include "crypto/base/result.h"
#include "tools/exit_code.h"
#include "tools/unlock.h"

namespace certfs::doctor {

struct SalvageOptions {
  std::filesystem::path keystore;  // The damaged one.
  std::filesystem::path into;      // The one to make.
  UnlockOptions unlock;
  bool json = false;
};

// Copies, and prints what became of what. Returns kOk where everything is as it was, kWarnings where
// something may be of before, kDamagedKeystore where something is lost. Errors: as SalvageKeystore; whatever
// it is, nothing was made then.
Result<ExitCode> Salvage(const SalvageOptions& options);

}  // namespace certfs::doctor
