// The kernel's news of entries: what inotify, the mount table and the daemon's end tell a watcher. For
// `certfs watch`.
//
// Thread-safety: main thread only. Holds nothing that keeps the mount from being unmounted.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "tools/mounts.h"
#include "tools/system.h"

namespace certfs {

struct WatchedEntry {
  std::string name;  // STORE/ALIAS.
  std::filesystem::path store;
  std::filesystem::path directory;
};

// Returns the entry that `text` names: STORE/ALIAS of `mount`, or a path (it begins with '/' or '.') to an
// entry or one of its files, whose mount is set in `mount` if that has none yet. kInvalidArgument for what is
// no entry and for entries of two mounts, kNotFound for what is not there; each with `text` and the reason.
Result<WatchedEntry> FindWatchedEntry(const std::string& text, const std::string& mount_option, Mount& mount);

class EntryNews {
 public:
  EntryNews(Mount mount, std::vector<WatchedEntry> entries);

  // Begins to watch, also anew, whatever of the entries, their stores and the directory of stores is there.
  // kIo when the mount does not answer; kNotFound, kIo when an entry cannot be watched, with the reason.
  Result<void> Arm();
  // Forgets everything about a mount that is gone.
  void Disarm();

  // What to poll: each is -1 while there is none.
  int events() const { return inotify_.number(); }           // POLLIN: then Drain().
  int mount_table() const { return mount_table_.number(); }  // POLLPRI: something was mounted or unmounted.
  int daemon() const { return daemon_.number(); }            // POLLIN: it has ended.

  // Takes what inotify has told. Returns whether the filesystem was unmounted.
  bool Drain();

  // Says whether the mount that was armed is there still; while nothing is armed, whether one is there to
  // arm.
  bool IsMounted() const;

 private:
  Result<void> WatchEntry(const WatchedEntry& entry);

  Mount mount_;
  std::vector<WatchedEntry> entries_;
  Descriptor mount_table_;
  Descriptor inotify_;
  Descriptor daemon_;
  dev_t device_ = 0;  // Of what is armed; 0 for nothing.
};

}  // namespace certfs
