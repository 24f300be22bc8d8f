// The first halves of replacements that take two calls: a live file that a process removed, or renamed to a
// scratch name, may be about to be made anew by that process. Private to fs/.
//
// A process whose second half never comes has simply removed the file, or copied it; what is remembered of it
// then expires.
//
// Thread-safety: may be used from any thread. Ownership: borrows the process table.

#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <optional>

#include "fs/volume.h"

namespace certfs {

// How long a process has for its second half.
inline constexpr auto kSecondHalfAwaited = std::chrono::minutes(1);

class FirstHalves {
 public:
  // What is remembered in all; beyond it the oldest goes. Their bytes are locked memory, which others need.
  static constexpr std::size_t kItemsMax = 64;
  static constexpr std::size_t kBytesMax = std::size_t{2} << 20;

  explicit FirstHalves(const ProcessTable& processes) : processes_(processes) {}

  // Says that `thread` removed a file.
  void Removed(std::int32_t thread, RemovedFile file, Instant now);
  // Returns what the process of `thread` removed of that name, and forgets it.
  std::optional<RemovedFile> TakeRemoved(Number entry, Member member, std::int32_t thread, Instant now);

  // Says that `thread` renamed a live file to a scratch name: for its process alone, the name is free.
  void RenamedAway(Number entry, Member member, std::int32_t thread, Instant now);
  bool IsAway(Number entry, Member member, std::int32_t thread, Instant now);
  // Says whether the name is free for anybody: what it leads to depends on who asks.
  bool IsAwayForAny(Number entry, Instant now);

  // Says that the file was replaced.
  void Replaced(Number entry, Member member);

  // Forgets what is too old.
  void DropExpired(Instant now);

 private:
  struct Item {
    Instant when;
    std::int32_t process;
    Number entry;
    Member member;
    std::optional<RemovedFile> removed;  // Empty: it was renamed away.
  };

  // Says whether anybody has such an item: without one nobody is asked about, which costs a file of /proc.
  bool HasAny(Number entry, Member member, bool removed, Instant now);

  // Preconditions, of all: mutex_ is held.
  void DropExpiredLocked(Instant now);
  void Add(Item item, Instant now);
  void Drop(std::list<Item>::iterator item);

  const ProcessTable& processes_;
  std::atomic<std::size_t> count_ = 0;  // Of items_: mostly none, and then nobody waits or asks who calls.
  std::mutex mutex_;
  std::list<Item> items_;  // Oldest first. Guarded by mutex_.
  std::size_t bytes_ = 0;  // Of what was removed. Guarded by mutex_.
};

}  // namespace certfs
