// The write-open redirect: how a writer gets an inode of its own.
//
// Opening a live file for writing is answered ESTALE once, with a note of the calling thread. The kernel then
// walks the path again, looking up every name; the lookup of that file by that thread is led to a staging
// inode, and the open succeeds there. Readers never share an inode with a writer, so neither truncation nor a
// write past the end can show in their page cache.
//
// A daemon that ends in between leaves its notes to its successor, which makes a staging inode anew: to the
// same thread ESTALE is never answered twice, because the second one reaches the user.
//
// Thread-safety: may be used from any thread.

#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "fs/volume.h"

namespace certfs {

// That `thread` was told to look up `live` again, when, and to where it is led then.
struct RedirectNote {
  std::int32_t thread = 0;
  NodeId live;
  NodeId staging;
  Instant made;
};

// Where notes are kept for the daemon that comes after this one. It is called by one thread at a time.
class NoteKeeper {
 public:
  virtual ~NoteKeeper() = default;
  virtual void Keep(const RedirectNote& note) = 0;
  // Forgets that of `thread`.
  virtual void Drop(std::int32_t thread) = 0;
  // Those that the daemon before left.
  virtual std::vector<RedirectNote> Kept() = 0;
};

class Redirect {
 public:
  // How long the kernel's second walk may take; a note that is older belongs to a caller that was killed in
  // between.
  static constexpr auto kNoteLife = std::chrono::seconds(2);

  // Borrows both; without a keeper notes end with this process.
  explicit Redirect(Volume& volume, NoteKeeper* keeper = nullptr);

  // Answers the opening of the live file `node` for writing; never with success. Returns kStale when the
  // kernel is to look up again; kNotPermitted when it will not (the thread was told so already, and came back
  // without a lookup: a file opened through /proc/self/fd, or a bind mount of a single file); or what
  // Volume::Stage refuses.
  Error OpenLive(const Caller& caller, NodeId node, Instant now);

  // Returns the staging inode to which the lookup of `name` in the entry directory `parent` is to lead, if
  // `caller` has a note.
  std::optional<NodeId> Find(const Caller& caller, NodeId parent, std::string_view name, Instant now);

  // Says that the kernel asks about `staging` for `caller`, as it does before an open. Where the daemon
  // before led `caller` there, there is such an inode again.
  void Asked(const Caller& caller, NodeId staging);

  // Says that `caller` arrived at `staging` and is about to open it. Does as Asked, and forgets the note, if
  // that is where it led.
  void Arrived(const Caller& caller, NodeId staging);

  // Says that the open of `caller` was answered: a successor need not lead it anywhere.
  void Done(const Caller& caller);

 private:
  struct Note {
    Number entry;
    Member member;
    NodeId staging;
    bool looked_up;
    Instant made;
  };

  // What OpenLive finds out about the note that `caller` left earlier.
  enum class Earlier { kNone, kLedNowhere };

  // Drops that note, and all that expired.
  Earlier DropEarlier(const Caller& caller, NodeId node, Instant now);
  // Precondition, of all: mutex_ is held.
  void DropExpired(Instant now);
  // The note that the daemon before left of `thread`, and forgets it.
  std::optional<RedirectNote> TakeInherited(std::int32_t thread, Instant now);
  void MakeInherited(const Caller& caller, NodeId staging);
  std::optional<NodeId> FindInherited(const Caller& caller, NodeId parent, std::string_view name,
                                      Instant now);

  Volume& volume_;
  NoteKeeper* const keeper_;
  std::mutex mutex_;
  std::map<std::int32_t, Note> notes_;              // By thread. Guarded by mutex_, as all below.
  std::map<std::int32_t, RedirectNote> inherited_;  // By thread.
};

}  // namespace certfs
