// What the programs of certfs answer to the shell. Scripts depend on the numbers: never change or reuse one.
//
// Thread-safety: a pure function.

#pragma once

#include <string>
#include <utility>

#include "crypto/base/error.h"

namespace certfs {

enum class ExitCode : int {
  kOk = 0,               // Done; for `verify`: accepted.
  kFailed = 1,           // Refused or failed; the reason is on stderr.
  kUsage = 2,            // Wrong options or arguments, or a file named on the command line cannot be read.
  kWrongKey = 3,         // The key file, passphrase or password does not open what it should.
  kDamagedKeystore = 4,  // The keystore fails its integrity check.
  kNewerFormat = 5,      // The keystore was written by a newer certfs.
  kUntrustedSigner = 6,  // A package's signer is not trusted, and nobody said to take it all the same.
  kWarnings = 7,         // `doctor`: something is to be looked at, though everything works.
  kCritical = 8,         // `doctor`: something is broken, or about to be.
};

// What a command says of how it was called; it ends with kUsage.
inline Error UsageError(std::string words) { return {ErrorCode::kInvalidArgument, std::move(words)}; }

// Returns the exit code of a command that ended in `error`.
constexpr ExitCode ExitCodeOf(ErrorCode error) {
  if (error == ErrorCode::kInvalidArgument) return ExitCode::kUsage;
  if (error == ErrorCode::kAccessDenied) return ExitCode::kWrongKey;
  if (error == ErrorCode::kCorrupt) return ExitCode::kDamagedKeystore;
  if (error == ErrorCode::kUnsupported) return ExitCode::kNewerFormat;
  return ExitCode::kFailed;
}

}  // namespace certfs
