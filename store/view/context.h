// What making a view takes besides the snapshot: trust, the export password, and the keys that salts and
// initialisation vectors are derived from. Private to store/.
//
// The export password is stretched once, under a salt that is the keystore's and that password's own, and all
// files share the result: an attacker has to stretch each guess once whichever file he has, because all of
// them open with one password. What must differ from file to file are the initialisation vectors; they are
// derived from what is encrypted.
//
// Thread-safety: any thread. Errors: kPasswordRequired while no export password is set.

#pragma once

#include <memory>
#include <mutex>

#include "crypto/pkcs12.h"
#include "store/key_release.h"
#include "store/keystore.h"

namespace certfs::view {

class Context {
 public:
  explicit Context(Keystore& keystore) : keystore_(keystore), key_release_(keystore) {}

  // The form of encrypted views in `snapshot`: of those under the export password, and of trust stores.
  Result<Pkcs12Settings> ExportForm(TableSnapshot& snapshot);
  Result<Pkcs12Settings> TrustForm(TableSnapshot& snapshot);
  // Another one whenever the password or the form is another; zeros while there is none.
  Result<Digest> PasswordDigest(TableSnapshot& snapshot);

  // The stretched export password. Takes about 100 ms when it is another than last time.
  Result<std::shared_ptr<const Pkcs12Password>> ExportPassword(TableSnapshot& snapshot);
  // "changeit": what Java expects of a trust store, which holds nothing secret.
  Result<std::shared_ptr<const Pkcs12Password>> TrustPassword(TableSnapshot& snapshot);

  // What the initialisation vectors of views are derived from.
  Result<SecretBytes> Seed(TableSnapshot& snapshot);

  // Whether the key of `entry` may be in a file for others.
  Result<bool> IsReleased(TableSnapshot& snapshot, const Store& store, const Entry& entry);

  Result<std::shared_ptr<const Trust>> TrustOf(TableSnapshot& snapshot) {
    return keystore_.GetTrust(snapshot);
  }

 private:
  struct Stretched {
    Digest of{};
    std::shared_ptr<const Pkcs12Password> password;
  };
  Result<std::shared_ptr<const Pkcs12Password>> Stretch(TableSnapshot& snapshot, Stretched& kept,
                                                        const SecretBytes& password,
                                                        const Pkcs12Settings& form);

  Keystore& keystore_;
  KeyRelease key_release_;
  std::mutex mutex_;
  Stretched export_;  // Guarded by mutex_, as below.
  Stretched trust_;
};

}  // namespace certfs::view
