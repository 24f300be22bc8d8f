// A keystore on disk of which somebody without the key changes records.

#pragma once

#include "store/keystore.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/raw_lmdb.h"

namespace certfs {

class DamageDoor : public Door {
 protected:
  static Bytes KeyOf(Number number) {
    Bytes key;
    Writer(key).U64(number);
    return key;
  }
  static Bytes KeyOf(Number number, Member member) {
    Bytes key = KeyOf(number);
    key.push_back(static_cast<std::uint8_t>(member));
    return key;
  }
  void Flip(const std::string& table, const Bytes& key) {
    keystore_.reset();
    RawLmdb(directory_.path()).Flip(table, key);
    keystore_ = Must(Keystore::Open(directory_.path(), TestSecret(), clock_.get()));
  }
};

// It takes LMDB.
inline const auto kOnDisk = testing::Values(DoorKind{"Disk", MakeKeystoreOnDisk});

}  // namespace certfs
