// The entries whose directories the kernel holds, each with the revision and the files of which it was told
// last: a file that is removed moves no revision. Only there can a change by another process meet somebody
// who watches, or a name that is cached. Private to fs/.
//
// Thread-safety: may be used from any thread.

#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "fs/volume.h"

namespace certfs {

struct SeenEntry {
  Number entry;
  Revision told;
  Members members;
  std::uint64_t mark;  // As of the last look; 0 for none.

  friend bool operator==(const SeenEntry&, const SeenEntry&) = default;
};

class SeenEntries {
 public:
  // The kernel was given the directory of `entry` once more, at `revision` and with the files `members`; it
  // forgot it `count` times.
  void Named(Number entry, Revision revision, Members members);
  void Forget(Number entry, std::uint64_t count);
  // Says whether the kernel may know a name in that directory.
  bool IsHeld(Number entry);

  // Says that the kernel hears of the step from `before` to `after`. What lies before `before`, another
  // process's, it has not heard of, and All still shows that.
  void Told(Number entry, Revision before, Revision after);

  // Says that the kernel hears of files that came, and of others that went.
  void Moved(Number entry, Members came, Members went);

  // Says that somebody looked whether the kernel knows the entry as it was at `mark`
  // (TableSnapshot::FindEntryMark).
  void Looked(Number entry, std::uint64_t mark);

  std::vector<SeenEntry> All();
  std::optional<SeenEntry> Find(Number entry);

 private:
  struct Seen {
    std::uint64_t count = 0;
    Revision told = 0;
    Members members = 0;
    std::uint64_t mark = 0;
  };
  std::mutex mutex_;
  std::unordered_map<Number, Seen> entries_;  // Guarded by mutex_.
};

}  // namespace certfs
