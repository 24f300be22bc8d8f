// What `certfs package` does, a part each. Options come from its command line (package_command.cc).
//
// Thread-safety: main thread only. Errors: the package or the path, and the reason.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "tools/exit_code.h"
#include "tools/package/opening.h"

namespace certfs::package {

inline constexpr auto kDefaultSigner = "MACHINE_SSL_CERT/__MACHINE_CERT";

struct CreateOptions {
  std::vector<std::string> paths;
  std::string output;
  std::string sign_with = kDefaultSigner;
  std::vector<std::string> encrypt_to;  // STORE/ALIAS, or a file with a certificate.
  std::string mount;
  bool force = false;
  bool json = false;
};
Result<ExitCode> Create(const CreateOptions& options);

struct OpenOptions {
  std::string package;
  std::vector<std::string> decrypt_with;
  std::string password_file;
  std::vector<std::string> roots;
  std::vector<std::string> lists;
  std::string mount;
  std::uint64_t size_max = kPackageBytesMax;
  bool json = false;
  // Of import alone.
  std::string directory;
  bool accept_untrusted = false;
  bool replace = false;
};
// kOk for a signer that is trusted; kUntrustedSigner for one that is not; an Error for one that is refused.
Result<ExitCode> Verify(const OpenOptions& options);
// kOk whoever signed it, if the signature holds.
Result<ExitCode> List(const OpenOptions& options);
// kUntrustedSigner where the signer is not trusted and nobody can be asked.
Result<ExitCode> Import(const OpenOptions& options);

}  // namespace certfs::package
