// What a commit replaced and somebody may still ask for by its node. Private to fs/.
//
// The kernel resolves a name and opens the node in two steps, and a commit may come between them. A bind
// mount of a single file asks for its node for as long as it exists. The bytes of a replaced revision are
// therefore kept for a moment, and beyond it for as long as the kernel holds the node.
//
// Thread-safety: both may be used from any thread.

#pragma once

#include <list>
#include <map>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fs/volume.h"
#include "fs/volume/content.h"

namespace certfs {

// How long an operation that began before a commit may take to ask for what the commit replaced.
inline constexpr auto kSupersededKept = std::chrono::seconds(2);

class SupersededContents {
 public:
  // What is kept in all; beyond it the oldest goes, those that the kernel holds first. It is a share of the
  // locked memory, because keys may be among it, and whoever may write one could replace it without end.
  static constexpr std::size_t kBytesMax = std::size_t{4} << 20;

  // The kernel was given `node` once more; it may ask for it until it forgot it as many times. Files alone
  // count: others are never superseded.
  void Named(NodeId node);
  void Forget(NodeId node, std::uint64_t count);
  bool IsHeld(NodeId node);
  // Says that the kernel was given nodes before, nobody knows which: from now on it may hold any.
  void SupposeNamed() noexcept { any_named_ = true; }
  // Returns those that the kernel holds of the files of `entries`. Looks at all.
  std::vector<NodeId> HeldOf(const std::unordered_set<Number>& entries);

  // Keeps the bytes of a revision that a commit at `now` replaces.
  void Add(Instant now, ContentPointer content);
  // Undoes Add: there was no commit.
  void Remove(NodeId node);
  // Returns them; nothing once they are dropped.
  ContentPointer Find(NodeId node, Instant now);

  // Forgets what is no longer recent, save what the kernel holds.
  void DropExpired(Instant now);

 private:
  // Precondition, of all: mutex_ is held.
  void DropOld(Instant now);
  void DropOldestRecent();
  void Hold(ContentPointer content);
  void DropHeld(NodeId node);
  bool IsNamed(NodeId node) const { return names_.contains(node.value()); }

  struct Recent {
    Instant when;
    ContentPointer content;
  };
  bool any_named_ = false;  // Set before any other thread is here.
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> names_;  // Node to count. Guarded by mutex_, as all below.
  std::list<Recent> recent_;                                // Oldest first.
  std::list<ContentPointer> held_;  // No longer recent, but held by the kernel. Oldest first.
  std::map<NodeId, std::list<ContentPointer>::iterator> held_places_;
  std::size_t bytes_ = 0;  // Of both.
};

// How long a thread may take to look again for what it is told is another by now: one that gets no processor
// waits for it.
inline constexpr auto kLooksAgainWithin = std::chrono::minutes(1);

// Which threads were told to look up again. Two such answers in a row would reach the user: the kernel looks
// up again once.
class StaleAnswers {
 public:
  // What is kept of what they found, in all; beyond it nothing is: whoever looks again then is told twice if
  // it is replaced meanwhile, too. Keys among it are locked memory.
  static constexpr std::size_t kBytesMax = std::size_t{4} << 20;

  // Returns whether `thread` is to be told; false when that was its last answer.
  bool Tell(std::int32_t thread, Instant now);
  // Says that an open of `thread` succeeded, or that it finds nothing to open.
  void Clear(std::int32_t thread);
  // Says whether `thread` was told lately, and looks up again.
  bool IsLookingAgain(std::int32_t thread, Instant now);
  // Forgets those who may not look again any more, and what they found: keys may be among it.
  void DropExpired(Instant now);
  // Keeps what `thread` found where it looked again, both halves where it is one of a pair: that is opened
  // whatever is committed before.
  void Found(std::int32_t thread, std::vector<ContentPointer> contents);
  // Returns what `thread` found, if `node` is among it.
  std::vector<ContentPointer> WhatIsFound(std::int32_t thread, NodeId node);

 private:
  struct Told {
    Instant when;
    std::vector<ContentPointer> found;
  };

  std::mutex mutex_;
  std::unordered_map<std::int32_t, Told> told_;  // Guarded by mutex_.
};

}  // namespace certfs
