// Keys and signing requests (PKCS#10) for certificates that somebody else is to issue.
//
// Thread-safety: free functions. Errors: as WriteOutputFile: kAlreadyExists where a key of that name is
// there, which nobody could make again.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "tools/certificate_manager/inputs.h"
#include "tools/certificate_manager/situation.h"

namespace certfs {

// Writes NAME.key (0600) and NAME.csr into `directory`, which is made if it is not there: for the machine SSL
// certificate, each of the solution users, or the root, as the operation has it. Returns the paths. NAME is
// the store, or "root".
Result<std::vector<std::filesystem::path>> WriteRequests(const Inputs& inputs, const Situation& situation,
                                                         const std::filesystem::path& directory);

}  // namespace certfs
