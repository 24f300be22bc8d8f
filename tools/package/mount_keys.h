// The pairs of a mount that packages are signed and opened with, read through it as whoever calls.
//
// Thread-safety: main thread only. Ownership: results own what they hold. Errors: the path and the reason.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"
#include "tools/mounts.h"

namespace certfs::package {

struct Pair {
  std::string entry;                      // STORE/ALIAS.
  std::vector<Certificate> certificates;  // The key's first.
  PrivateKey key;
};

// Reads certificate and key of `entry`, STORE/ALIAS: of one revision, because the mount sees to that for
// whoever opens both within two seconds. kInvalidArgument if there is no such entry, kNotPermitted if this
// user may not read its key, kRejected if they do not match.
Result<Pair> ReadPair(const Mount& mount, const std::string& entry);

// Returns the certificates of `entry`, without its key. kInvalidArgument as above.
Result<std::vector<Certificate>> ReadCertificatesOf(const Mount& mount, const std::string& entry);

// Returns the entries with a key whose certificate answers `wanted`; keys are not read. Live ones come before
// those of BACKUP_STORE. What this user may not look into is left out.
std::vector<std::string> FindPairs(const Mount& mount, const std::function<bool(const Certificate&)>& wanted);

}  // namespace certfs::package
