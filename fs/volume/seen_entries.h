// The entries whose directories the kernel holds, each with the revision of which it was told last. Only
// there can a change by another process meet somebody who watches, or a name that is cached. Private to fs/.
//
// Thread-safety: may be used from any thread.

#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "fs/volume.h"

namespace certfs {

class SeenEntries {
 public:
  // The kernel was given the directory of `entry` once more, at `revision`; it forgot it `count` times.
  void Named(Number entry, Revision revision);
  void Forget(Number entry, std::uint64_t count);
  // Says whether the kernel may know a name in that directory.
  bool IsHeld(Number entry);

  // Says that the kernel hears of the step from `before` to `after`. What lies before `before`, another
  // process's, it has not heard of, and All still shows that.
  void Told(Number entry, Revision before, Revision after);

  // Says that somebody looked whether the kernel knows the entry as it was at `mark`
  // (TableSnapshot::FindEntryMark).
  void Looked(Number entry, std::uint64_t mark);

  struct Known {
    Number entry;
    Revision told;
    std::uint64_t mark;  // As of the last look; 0 for none.

    friend bool operator==(const Known&, const Known&) = default;
  };
  std::vector<Known> All();

 private:
  struct Seen {
    std::uint64_t count = 0;
    Revision told = 0;
    std::uint64_t mark = 0;
  };
  std::mutex mutex_;
  std::unordered_map<Number, Seen> entries_;  // Guarded by mutex_.
};

}  // namespace certfs
