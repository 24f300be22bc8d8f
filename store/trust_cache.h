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
};

class TrustCache {
 public:
  // Returns the trust set of `snapshot`. A damaged or unreadable entry is left out: it is not served, hence
  // not trusted. Returns kCorrupt when the stores themselves cannot be read.
  Result<std::shared_ptr<const Trust>> Get(TableSnapshot& snapshot);

 private:
  std::mutex mutex_;
  Digest roots_{};                       // Guarded by mutex_: what cached_ was made from.
  Digest lists_{};                       // Guarded by mutex_.
  std::shared_ptr<const Trust> cached_;  // Guarded by mutex_.
};

}  // namespace certfs
