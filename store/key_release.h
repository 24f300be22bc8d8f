// Whether the key of an entry is handed out: in a store that enforces revocation, not once a CRL in
// TRUSTED_ROOTS_CRLS, or the ledger, says that the certificate that goes with it is revoked.
//
// Thread-safety: any thread. Ownership: borrows the keystore. Errors, besides those of reading: kRevoked
// ("revoked"); kCorrupt while a CRL is damaged, because what it revoked cannot be told.

#pragma once

#include <cstddef>
#include <optional>

#include "store/keystore.h"
#include "store/node_cache.h"
#include "store/serial_numbers.h"

namespace certfs {

class KeyRelease {
 public:
  explicit KeyRelease(Keystore& keystore) : keystore_(keystore) {}

  // Returns why the key of `entry` is withheld. Costs a look at its store where that enforces nothing, and is
  // judged once for each revision and each state of the trust stores where it does.
  Result<void> Check(TableSnapshot& snapshot, const Entry& entry);
  // The same where the store is at hand.
  Result<void> Check(TableSnapshot& snapshot, const Store& store, const Entry& entry);

 private:
  struct Judged {
    bool revoked = false;                    // By a list.
    std::optional<IndexedCertificate> leaf;  // Which the ledger is asked about.
    std::size_t MemoryBytes() const noexcept {
      return sizeof *this + (leaf ? leaf->serial.issuer.size() + leaf->serial.serial.size() : 0);
    }
  };
  static constexpr std::size_t kBytesMax = std::size_t{1} << 20;

  Keystore& keystore_;
  DigestCache<Judged> judged_{kBytesMax};
};

}  // namespace certfs
