// How far a keystore had come, remembered outside of it: whoever puts an older copy of the whole keystore in
// its place is found out, as long as he cannot put an older copy of this file there as well (store/README.md,
// "The high-water file").
//
// Thread-safety: a HighWater may be told from any thread. Ownership: borrows the keystore, which outlives it.
// Errors: kRejected with the rule "older-than-high-water" where the keystore is older than the file says, and
// with "high-water-file" where the file is none of this keystore (empty, damaged, forged, another's); each
// says what to do. kUnsupported for a file of a newer format. kIo, kNoSpace. kInvalidArgument for a file in
// the keystore's own directory, which would be put back with it.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "store/confinement.h"
#include "store/keystore.h"

namespace certfs {

class HighWaterFile;
class SecondThread;

// How far a keystore is: neither number ever goes back.
struct HighWaterMark {
  std::uint64_t commit = 0;
  std::uint64_t audit_line = 0;  // The newest line of the audit log that the manifest knows.

  friend bool operator==(const HighWaterMark&, const HighWaterMark&) = default;
};

// Compares `keystore` with `file` and changes nothing. A file that is not there is kNotFound.
Result<void> CheckHighWater(Keystore& keystore, const std::filesystem::path& file);

// What a confined process has to reach to keep `file`: where it is still to be made, its directory.
ReachablePath PathOfHighWater(const std::filesystem::path& file);

class HighWater {
 public:
  // Told what keeps the file from being written, once, and with nothing when that is over.
  using Failed = std::function<void(const std::optional<Error>&)>;

  // How long what was committed may be unknown to the file.
  static constexpr std::chrono::milliseconds kWrittenWithin{1000};

  // Compares as CheckHighWater does; makes the file where it is not there; and then keeps it up to date. The
  // file stays open: nothing but that descriptor is needed from now on. It is only ever written over in
  // place.
  static Result<std::unique_ptr<HighWater>> Keep(Keystore& keystore, const std::filesystem::path& file,
                                                 Failed failed = {});
  // Writes what is not written yet.
  ~HighWater();
  HighWater(const HighWater&) = delete;
  HighWater& operator=(const HighWater&) = delete;

  // Somebody may have committed: it is looked at, and written, within half of kWrittenWithin. Costs nothing.
  void Note();

  // Looks and writes at once.
  Result<void> Write();

 private:
  HighWater(Keystore& keystore, std::unique_ptr<HighWaterFile> file, Failed failed);
  void Run();

  Keystore& keystore_;
  const Failed failed_;
  std::mutex writing_;                         // Taken before mutex_.
  const std::unique_ptr<HighWaterFile> file_;  // Guarded by writing_, as what stands below.
  HighWaterMark written_;
  bool failing_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool noted_ = false;  // Guarded by mutex_, as all below.
  bool ending_ = false;
  std::unique_ptr<SecondThread> thread_;
};

}  // namespace certfs
