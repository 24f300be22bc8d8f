// Opening a package: decrypting where it is encrypted, and verifying the whole signature, before anything of
// it is looked at. What was verified lies in a spool, where nothing changes it any more.
//
// Thread-safety: main thread only. Errors: the package and the reason; kInvalidArgument where it cannot be
// read; kMalformed for what is no package; kRejected where its signature does not hold; kTooLarge beyond the
// limit; kAccessDenied where no key opens it.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/signed_data_reader.h"
#include "tools/package/spool.h"

namespace certfs::package {

// A package of more than this needs --max-size.
inline constexpr std::uint64_t kPackageBytesMax = std::uint64_t{4} << 30;

struct Opening {
  std::string file;
  std::vector<std::string> keys;  // STORE/ALIAS or a file; none: those of the mount that it is encrypted to.
  std::string password_file;      // Of files of keys.
  std::string mount;              // As --mount has it.
  std::filesystem::path spool;    // The directory on whose filesystem its content is kept meanwhile.
  std::uint64_t bytes_max = kPackageBytesMax;  // Of the tar inside.
};

struct OpenedPackage {
  Spool tar;
  MessageSigner signer;
  std::string digest;       // SHA-256 of the file, hexadecimal.
  std::uint64_t bytes = 0;  // Of the file.
  std::string opened_with;  // What decrypted it; empty where it is not encrypted.
};

Result<OpenedPackage> OpenPackage(const Opening& opening);

}  // namespace certfs::package
