// export/TRUSTED_ROOTS/hashed/: the directory in which OpenSSL looks for certificates and CRLs by the hash of
// a name (X509_LOOKUP_hash_dir(3)): <hash>.0, <hash>.1 and so on, CRLs <hash>.r0. Private to store/.
//
// Those that not everybody may read are left out: OpenSSL would stop at a file that it cannot open.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <vector>

#include "store/view.h"

namespace certfs::view {

Result<std::vector<ShownView>> HashedNames(TableSnapshot& snapshot, const Store& roots, const Store& lists);

// The certificate or CRL of `entry`. kStale if it has none.
Result<ViewBytes> HashedBytes(TableSnapshot& snapshot, const Entry& entry);

}  // namespace certfs::view
