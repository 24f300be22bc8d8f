// The TrustSet of a keystore, remade only when TRUSTED_ROOTS or TRUSTED_ROOTS_CRLS changed.
//
// Thread-safety: may be used from any thread.

#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "crypto/trust_set.h"
#include "store/entry_table.h"

namespace certfs {

// A trust set, and which entry each of its CRLs comes from.
struct Trust {
  TrustSet set;
  std::vector<Number> list_entries;  // Parallel to set.lists().
  // A CRL is damaged and left out: what it revoked cannot be told, so that no chain can be judged.
  bool lists_damaged = false;
  bool roots_damaged = false;  // So is it which lists speak for whom.
};

class TrustCache {
 public:
  // Returns the trust set of `snapshot`. A damaged entry is left out: it is not served, hence not trusted. A
  // set that lacks something is made anew each time. Returns kCorrupt when the stores themselves cannot be
  // read, and every other failure of reading as it is: a root or a CRL that cannot be read at the moment is
  // no reason to judge without it.
  Result<std::shared_ptr<const Trust>> Get(TableSnapshot& snapshot);

 private:
  std::mutex mutex_;
  Digest roots_{};                       // Guarded by mutex_: what cached_ was made from.
  Digest lists_{};                       // Guarded by mutex_.
  std::shared_ptr<const Trust> cached_;  // Guarded by mutex_.
};

}  // namespace certfs
