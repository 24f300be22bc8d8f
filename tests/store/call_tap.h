// A tap on the system calls by which this process uses the files below one directory: it counts them, fails
// one or cuts it short, ends the process at one, or records what they did to the disk.
//
// Whatever executable call_tap.cc is linked into has all its calls pass there, those of liblmdb too: the
// symbols of an executable come before those of libraries. Calls on other files go through untouched.
//
// Thread-safety: calls may come from any thread, and so may Arm; Watch and Ignore while only one uses the
// directory. A child that is
// forked has a tap of its own, set up like its parent's.

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"

namespace certfs {

// What a call was about to do.
enum class Call : std::uint8_t {
  kOpen,         // For reading,
  kOpenToWrite,  // or writing what is there,
  kMake,         // or making it.
  kRead,
  kWrite,
  kTruncate,
  kReserve,  // fallocate and posix_fallocate.
  kSync,
  kRename,
  kLink,
  kUnlink,
  kMap,
};

// What happens at one call, of those that it can happen to: not every call fails in every way.
struct TapPlan {
  std::size_t at = 0;  // 1 is the next one; 0 is none.
  enum class Act : std::uint8_t {
    kFail,       // With `error`.
    kShorten,    // Half of a write is done, and said to be.
    kDieBefore,  // By SIGKILL, before it is done,
    kDieAfter,   // or after.
  } act = Act::kFail;
  int error = 0;
  // All later ones, too. Of EIO: a disk that takes nothing more; what it has, the page cache has as well.
  bool lasting = false;
};

// What a call did to the disk, or was told to do.
struct DiskEvent {
  enum class Kind : std::uint8_t {
    kMake,       // The file `file` came to be, as `name`.
    kWrite,      // `bytes` at `offset` of `file`.
    kTruncate,   // `file` is `offset` bytes long.
    kSync,       // All of `file` so far is durable,
    kSyncNames,  // or all names.
    kLink,       // `file` is now called `name`, too,
    kUnlink,     // `name` is gone,
    kRename,     // `file` is called `name` and no more `from`.
    kMark,       // The test said so: `offset`.
  } kind = Kind::kMark;
  std::uint64_t file = 0;  // One number for each file that ever was.
  std::string name;
  std::string from;
  std::uint64_t offset = 0;
  Bytes bytes;
  bool durable = false;  // Of a write: when it has returned, it is on the disk (O_DSYNC).
};

class CallTap {
 public:
  // Watches what lies below `directory`, which is there, and counts anew. Records into `record`, if it is
  // given, until Ignore().
  static void Watch(const std::filesystem::path& directory, std::vector<DiskEvent>* record = nullptr);
  static void Ignore();
  // What is to happen, counted from now on.
  static void Arm(const TapPlan& plan);
  // How many calls there were, since the last Arm, to which that could happen; and to how many it did.
  static std::size_t calls();
  static std::size_t met();
  // Syncs are not done, only said to be. What survives a process does not depend on them.
  static void SkipSyncs(bool skip);
  // Puts a mark into the record.
  static void Mark(std::uint64_t mark);
  // The number of a file that was there before recording began; of its inode.
  static std::uint64_t FileNumber(const std::filesystem::path& file);
};

}  // namespace certfs
