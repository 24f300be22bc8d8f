// Names in a `next/` that outlive the commit which made its files live: cp -a, tar and install -m set mode
// and times by path after close, and must still find them there. Private to fs/.
//
// Thread-safety: may be used from any thread.

#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "fs/volume.h"

namespace certfs {

// How long such a name leads to the live file.
inline constexpr auto kNameKept = std::chrono::seconds(2);

class WentLive {
 public:
  // Says that what was staged in `next` went live in `live`.
  void Add(Number next, Number live, Instant now);
  // Returns the entry whose `member` the name of `member` in `next` still leads to.
  std::optional<Number> Find(Number next, Member member, Instant now);
  // Says that somebody removed the name. Returns whether it was there.
  bool Remove(Number next, Member member, Instant now);

 private:
  struct Item {
    Instant when;
    Number next;
    Number live;
    std::vector<Member> removed;
  };

  // Precondition: mutex_ is held.
  Item* Of(Number next, Member member, Instant now);

  std::mutex mutex_;
  std::deque<Item> items_;  // Oldest first; one a `next/`. Guarded by mutex_.
};

}  // namespace certfs
