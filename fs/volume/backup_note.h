// When backup/keystore.cms was last read to its end. Private to fs/.
//
// One line in a file beside the keystore, not a record in it: noting it must not make the keystore another
// one than the backup that was just read. It is not sealed. Whoever could forge it could as well delete the
// keystore, and all that it does is to silence a reminder.
//
// Thread-safety: any thread. Errors: none; what cannot be written is noted for as long as this lives.

#pragma once

#include <filesystem>
#include <mutex>

#include "crypto/base/time.h"

namespace certfs {

class BackupNote {
 public:
  static constexpr const char* kFileName = "backup-read";

  // `directory` may be empty: nothing outlives this then.
  explicit BackupNote(std::filesystem::path directory);

  Time Get() const;  // Zero: never.
  void Set(Time now);

 private:
  const std::filesystem::path directory_;
  mutable std::mutex mutex_;
  Time read_{};  // Guarded by mutex_.
};

}  // namespace certfs
