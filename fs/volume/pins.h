// A process that re-reads a pair gets a pair: who is between opening the two halves of an entry that is being
// replaced.
//
// While nothing is replaced, an open costs one note of the calling thread. A commit looks who opened one half
// of what it replaces and not yet the other, and pins those processes to that revision: their second open,
// within a moment of the first, still gets it. Private to fs/.
//
// Thread-safety: may be used from any thread.

#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "fs/volume.h"
#include "fs/volume/content.h"

namespace certfs {

// How long after its first open a process gets the other half of what it began with; and how long after a
// commit the kernel asks for each name anew.
inline constexpr auto kPinned = std::chrono::seconds(2);

class Pins {
 public:
  explicit Pins(const ProcessTable& processes) : processes_(processes) {}

  // Says that `thread` opened `member` of `revision` of `entry`, one half of a pair.
  void Opened(Number entry, Revision revision, Member member, std::int32_t thread, Time now);

  // Says that the pair `contents` of `revision` of `entry` is being replaced by `committer`'s process.
  void Replaced(Number entry, Revision revision, const std::vector<ContentPointer>& contents,
                std::int32_t committer, Time now);

  // Says whether `entry` was replaced a moment ago: its names may not be cached.
  bool IsMoving(Number entry, Time now);

  // Returns what `thread` is to get as `member` of `entry` instead of the live file; nothing when it is not
  // pinned.
  ContentPointer Find(Number entry, Member member, std::int32_t thread, Time now);

 private:
  using Mask = unsigned;
  static constexpr Mask BitOf(Member member) { return 1U << static_cast<unsigned>(member); }

  // An open of one half, by a thread whose process nobody has asked for yet.
  struct Opening {
    std::int32_t thread;
    Revision revision;
    Mask opened;
    Time first;
  };
  struct Pin {
    Revision revision;
    Mask opened;
    Time first;
    std::vector<ContentPointer> contents;
  };
  // What a commit replaced. An open that is under way may still be of it.
  struct Old {
    Revision revision;
    std::vector<ContentPointer> contents;
  };
  struct Moving {
    Time since;
    std::map<std::int32_t, Pin> pins;  // By process.
    std::deque<Old> old;               // Newest last.
  };

  // Precondition, of all: mutex_ is held.
  void DropOld(Time now);
  bool TakePinned(Moving& moving, Revision revision, Member member, std::int32_t process, Time now);

  const ProcessTable& processes_;
  std::mutex mutex_;
  std::unordered_map<Number, std::vector<Opening>> openings_;  // Guarded by mutex_, as all below.
  std::deque<std::pair<Time, Number>> order_;  // When to look at each of them again, oldest first.
  std::unordered_map<Number, Moving> moving_;
  std::atomic<bool> still_ = true;  // Whether moving_ is empty; read without the mutex.
};

}  // namespace certfs
