// What a verdict is reached against when no keystore is open: files named by the user, or the files of a
// mount.
//
// Thread-safety: free functions over their arguments. Errors: the file and what is wrong with it.

#pragma once

#include <string>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/revocation_list.h"
#include "tools/mounts.h"

namespace certfs {

// Returns all certificates of `path`, PEM (as many as there are) or one in DER; "-" is standard input.
Result<std::vector<Certificate>> ReadCertificates(const std::string& path);

// Returns all CRLs of `path`, likewise.
Result<std::vector<RevocationList>> ReadRevocationLists(const std::string& path);

struct TrustFiles {
  std::vector<Certificate> authorities;
  std::vector<RevocationList> lists;
};

// Returns TRUSTED_ROOTS and TRUSTED_ROOTS_CRLS as `mount` shows them now. An entry without a file is skipped.
Result<TrustFiles> ReadTrustOf(const Mount& mount);

}  // namespace certfs
