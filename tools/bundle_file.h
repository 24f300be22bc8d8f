// A file of keys and certificates that a command line names (PKCS#12, PEM, DER), opened with its password.
//
// Thread-safety: main thread only, because a password may be asked for. Ownership: results own what they
// hold. Errors: kInvalidArgument where the file cannot be read; kAccessDenied for a wrong password; kRejected
// for a file that is understood and not taken.

#pragma once

#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/bundle.h"

namespace certfs {

struct BundleSource {
  std::string file;           // "-" is standard input.
  std::string password_file;  // Empty: none is tried, then the terminal asked.
  std::string again;          // For a Java keystore: the command to run once it is PKCS#12.
};

Result<Bundle> ReadBundleFile(const BundleSource& source);

// Returns, as PEM, the one key in `files` and its chain: its certificate first, the root last, as far as they
// have it. kRejected where there is no key or more than one, or no certificate of it.
Result<SecretBytes> ReadKeyAndChain(const std::vector<std::string>& files, const std::string& password_file);

}  // namespace certfs
