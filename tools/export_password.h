// The export password: what exports that bear keys, and backups, are encrypted with.
//
// Thread-safety: main thread only, because it may ask on the terminal. Errors: kRejected for a password that
// is none, kInvalidArgument for a file that holds none, and those of reading and asking.

#pragma once

#include <cstddef>
#include <filesystem>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

// Counted in characters, that is Unicode code points: as few as in the systems before us, and as many as are
// not warned about.
inline constexpr std::size_t kExportPasswordCharactersMin = 6;
inline constexpr std::size_t kExportPasswordCharactersGood = 12;

// Returns how many characters it has. kRejected, with the reason, if it is too short or too long, not UTF-8,
// or has control characters in it: a consumer could not be given it.
Result<std::size_t> CheckExportPassword(const SecretBytes& password);

// Reads a new one from `file`, without one trailing newline, or, where `file` is empty, asks for it twice;
// and checks it. Warns on stderr about one that is short.
Result<SecretBytes> ReadExportPassword(const std::filesystem::path& file,
                                       const std::filesystem::path& keystore);

}  // namespace certfs
