// A process that re-reads a pair gets a pair: who is between opening the two halves of an entry that is being
// replaced.
//
// The first half that a thread opens begins a pair, the other half ends it: which is first is told by the
// order alone, so no open may be missed while a thread goes on. A commit pins to what it replaced those who
// are in between; their second open, within a moment of the first, still gets it. While nothing is replaced,
// an open costs one note. A daemon that ends leaves its notes to its successor (fs/pair_notes.h). Private to
// fs/.
//
// Thread-safety: may be used from any thread.

#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "fs/pair_notes.h"
#include "fs/volume.h"
#include "fs/volume/content.h"

namespace certfs {

// How long after its first open a process gets the other half of what it began with; and how long after a
// commit the kernel asks for each name anew.
inline constexpr auto kPinned = std::chrono::seconds(2);

// How long it is remembered which half a thread began with: where the other one comes late, what follows is
// told apart all the same.
inline constexpr auto kRemembered = std::chrono::seconds(10);

class Pins {
 public:
  // What is kept in all, two of the largest pairs; beyond it the oldest that nobody is pinned to goes, then
  // the oldest. Keys among it are locked memory, and whoever may renew could replace a pair without end.
  static constexpr std::size_t kBytesMax = std::size_t{4} << 20;

  // Borrows both; without `notes` what is known ends with this volume.
  Pins(const ProcessTable& processes, PairNotes* notes) : processes_(processes), notes_(notes) {}

  // Takes over those of whom the volume before left a note, and returns the revisions that they are between:
  // of each entry and revision one note. Call it before all else.
  std::vector<PairNote> Inherit(Instant now);

  // Says that `caller` opened `member` of `revision` of `entry`, one half of a pair.
  void Opened(Number entry, Revision revision, Member member, const Caller& caller, Instant now);

  // Says that `committer`'s process is about to replace the pair `contents` of `revision` of `entry`. Should
  // it not come to that, whoever is pinned meanwhile gets what is live all the same.
  void Replacing(Number entry, Revision revision, const std::vector<ContentPointer>& contents,
                 std::int32_t committer, Instant now);

  // Says whether `entry` was replaced a moment ago: its names may not be cached.
  bool IsMoving(Number entry, Instant now);

  // Returns what `caller` is to get as `member` of `entry` instead of the live file; nothing when it is not
  // pinned.
  ContentPointer Find(Number entry, Member member, const Caller& caller, Instant now);

  // Forgets what nobody gets any more.
  void DropExpired(Instant now);

 private:
  // What a commit replaced. Those who are pinned to it share it.
  struct Old {
    Number entry;
    Revision revision;
    std::vector<ContentPointer> contents;  // None once there was too much of all.

    std::size_t bytes() const;
  };
  using OldPointer = std::shared_ptr<Old>;

  // A thread that has opened one half.
  struct Reader {
    std::int32_t thread;
    std::int32_t process;  // 0 until somebody asked.
    Member opened;
    Revision revision;
    Instant first;
    OldPointer pinned;   // What it is pinned to; null while its revision is live.
    bool ended = false;  // It had the other half from the volume before, whose answer may not have come.

    bool Wants(Member member, bool resent, Instant now) const {
      return member != opened && (!ended || resent) && first + kPinned >= now;
    }
  };
  using Readers = std::vector<Reader>;

  struct Moving {
    Instant since;
    std::deque<OldPointer> old;  // Newest last. An open that is under way may still be of them.
  };

  // Precondition, of all: mutex_ is held.
  void DropOld(Instant now);
  void DropTooMuch();
  bool IsPinnedTo(const OldPointer& old) const;
  Readers::iterator OfThread(Readers& readers, std::int32_t thread) const;
  // Who of the thread's process waits for `member`, the newest first; the process may open each half in
  // another thread.
  Readers::iterator OfProcess(Readers& readers, const Caller& caller, Member member, Instant now) const;
  std::int32_t ProcessOf(Reader& reader) const;
  // Notes of `reader` that it began a pair of `entry`, or ended it.
  void Note(Number entry, const Reader& reader, bool ended);
  void Drop(Number entry, const Reader& reader);
  // Pins to `old` those of its revision, save the process of `committer`.
  void Pin(Readers& readers, const OldPointer& old, std::int32_t committer, Instant now);

  const ProcessTable& processes_;
  PairNotes* const notes_;
  std::mutex mutex_;
  std::unordered_map<Number, Readers> readers_;   // By entry. Guarded by mutex_, as all below.
  std::deque<std::pair<Instant, Number>> order_;  // When to look at each of them again, oldest first.
  std::unordered_map<Number, Moving> moving_;
  std::deque<std::weak_ptr<Old>> kept_;  // All that there is, oldest first.
  std::atomic<bool> still_ = true;       // Whether moving_ is empty; read without the mutex.
};

}  // namespace certfs
