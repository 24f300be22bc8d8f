// A keystore as somebody looks at it who must not change it: opened for reading alone, beside whoever has it
// open, and read whole.
//
// LMDB takes what is in data.mdb at its word: a page that was damaged may end the process. Whoever examines a
// keystore of which nothing is known does so in a process of its own.
//
// Thread-safety: none; it belongs to one thread. Ownership: owns the keystore that it opens; a process has a
// directory open once. Errors: those of Keystore::Open, which this never repairs.

#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "store/keystore.h"
#include "store/keystore_keys.h"
#include "store/verification.h"

namespace certfs {

class SealedTable;

class KeystoreExamination {
 public:
  static Result<std::unique_ptr<KeystoreExamination>> Open(const std::filesystem::path& directory,
                                                           const UnlockSecret& secret, Keystore::Clock clock);
  ~KeystoreExamination();
  KeystoreExamination(const KeystoreExamination&) = delete;
  KeystoreExamination& operator=(const KeystoreExamination&) = delete;

  // To read from: every change of it fails.
  Keystore& keystore() noexcept { return *keystore_; }

  Result<KeyState> Keys();

  // Reads and checks everything, of one state. While others commit, what they free meanwhile is not used
  // again.
  Result<VerificationReport> Verify(const VerificationProgress& progress);

  // The processes that read an older state than `commits` lie behind at this moment, or died while they did.
  struct Reader {
    int process = 0;
    std::uint64_t commits_behind = 0;
  };
  Result<std::vector<Reader>> Readers();

 private:
  KeystoreExamination(std::unique_ptr<Keystore> keystore, SealedTable& table, UnlockedHeader header);

  std::unique_ptr<Keystore> keystore_;
  SealedTable& table_;  // The keystore's.
  UnlockedHeader header_;
};

}  // namespace certfs
