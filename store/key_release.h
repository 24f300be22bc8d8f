// Whether the key of an entry is handed out: in a store that enforces revocation, not once a CRL in
// TRUSTED_ROOTS_CRLS, or the ledger, says that the certificate that goes with it is revoked.
//
// Thread-safety: any thread. Ownership: borrows the keystore. Errors, besides those of reading: kRevoked
// ("revoked"); kCorrupt while a CRL, or a trusted root, is damaged, because what is revoked cannot be told.

#pragma once

#include <cstddef>
#include <functional>
#include <optional>

#include "store/keystore.h"
#include "store/node_cache.h"
#include "store/serial_numbers.h"

namespace certfs {

class KeyRelease {
 public:
  explicit KeyRelease(Keystore& keystore) : keystore_(keystore) {}

  // The store that says whether the key of `entry` is ever withheld: its own, and of what BACKUP_STORE keeps
  // that of the entry whose state it was. Nothing where that has gone.
  static Result<std::optional<Store>> StoreFor(TableSnapshot& snapshot, const Entry& entry);

  // Returns why the key of `entry` is withheld. Costs a look at its store where that enforces nothing, and is
  // judged once for each revision and each state of the trust stores where it does.
  Result<void> Check(TableSnapshot& snapshot, const Entry& entry);
  // The same where the store is at hand.
  Result<void> Check(TableSnapshot& snapshot, const Store& store, const Entry& entry);
  // The same for the key that went with `certificate`, the bytes of a file, in what is an earlier `revision`
  // of an entry by now.
  Result<void> CheckEarlier(TableSnapshot& snapshot, const Store& store, Number entry, Revision revision,
                            BytesView certificate);

 private:
  struct Judged {
    bool revoked = false;                    // By a list.
    std::optional<IndexedCertificate> leaf;  // Which the ledger is asked about.
    std::size_t MemoryBytes() const noexcept {
      return sizeof *this + (leaf ? leaf->serial.issuer.size() + leaf->serial.serial.size() : 0);
    }
  };
  static constexpr std::size_t kBytesMax = std::size_t{1} << 20;

  // `read` is asked for the certificate where it was not judged before.
  Result<void> Judge(TableSnapshot& snapshot, Number entry, Revision revision,
                     const std::function<Result<Bytes>()>& read);

  Keystore& keystore_;
  DigestCache<Judged> judged_{kBytesMax};
};

}  // namespace certfs
