// What a volume is asked with and what it answers, whom it asks itself and whom it tells (fs/volume.h).
//
// Thread-safety: values, and interfaces as each says.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fs/node_id.h"
#include "store/keystore.h"

namespace certfs {

struct AuditActor;  // store/audit_event.h.
class PairNotes;    // fs/pair_notes.h.

// Who calls: the ids that the kernel checked permissions with, the calling thread (0 when it cannot be
// seen), and its umask, which is ours to apply.
struct Caller {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int32_t thread = 0;
  std::uint32_t umask = 0;  // Known while a directory is made.
  // Whose process it is, where that must not be asked any more; else null.
  std::shared_ptr<const AuditActor> known = nullptr;
  // An earlier daemon was asked this already, and ended without an answer: it may be done.
  bool resent = false;
};

// What the volume asks about its callers. Real: fs/fuse/process.h; tests have one of their own.
class ProcessTable {
 public:
  virtual ~ProcessTable() = default;
  // The process that `thread` belongs to; `thread` itself when that cannot be told.
  virtual std::int32_t ProcessOf(std::int32_t thread) const = 0;
  // Says whether `thread` is being ended by a signal. kNoMemory when there is nothing left to find out with.
  virtual Result<bool> IsDyingOfSignal(std::int32_t thread) const = 0;
  // The name of the program, for the log; may be empty.
  virtual std::string ProgramOf(std::int32_t thread) const = 0;
  // The path of the program's file, where that can be seen.
  virtual std::optional<std::string> ExecutableOf(std::int32_t) const { return std::nullopt; }
};

// What a node is, for stat.
enum class NodeType { kDirectory, kFile, kLink };
struct Node {
  NodeId id;
  NodeType type = NodeType::kFile;
  Attributes attributes;
  std::uint64_t size = 0;
  std::uint32_t links = 1;  // Of a directory always: 2 would say that no directory is in it.
  // Whose inode number stat shows; 0 for its own. A writer of a live file sees the number of that: vim writes
  // no file that seems to be another than it had looked at, and cat finds that it would read what it writes.
  NodeId shown_as;
  bool volatile_name = false;        // The kernel may not cache that the name leads here,
  bool volatile_attributes = false;  // nor what stat shows.
  std::optional<Revision> revision;  // Of an entry's directory: that of its files,
  Members members = 0;               // and which it has.
  bool uncached = false;             // Its bytes stay out of the page cache (direct_io).
};

// What the kernel keeps from all others until the request that is being answered has its answer: it hears
// nothing of a directory that it holds.
enum class KernelHolds { kNoDirectory, kDirectory };

// What the kernel must be told when the tree changed under it. Calls come from any thread; implementations
// return at once (fs/fuse queues them), save Settle.
class VolumeObserver {
 public:
  virtual ~VolumeObserver() = default;
  // The name in `directory` now leads elsewhere.
  virtual void NameChanged(NodeId directory, std::string_view name) = 0;
  // What `node` shows to stat, and who may use it, is something else now; told where it changed by another
  // way than by `node` itself.
  virtual void AttributesChanged(NodeId node) = 0;
  // A commit replaced `replaced` (none for a new file) by the file to which the name in `directory` leads
  // now. Whoever watches either is to hear of it; the kernel says it of no change that was not asked of it.
  virtual void Replaced(NodeId directory, std::string_view name, NodeId replaced) = 0;
  // Another process changed what `directory`, a store or the list of stores, lists, or removed a file of it,
  // an entry. What the kernel keeps of the listing is to go, and whoever watches the directory is to hear of
  // it.
  virtual void ListingChanged(NodeId directory) = 0;
  // The bytes of `node` are to leave the page cache.
  virtual void DropPages(NodeId node) = 0;
  // Waits until the kernel has heard of every change told so far: whoever looks after a write has returned
  // then sees what it wrote. The one call that may wait; for a moment at most where the kernel may have to
  // wait for us.
  virtual void Settle(KernelHolds holds) = 0;
  // A write that nobody waits for was refused, or something worth a line in the log happened.
  virtual void Refused(const std::string& line) = 0;
};

// No name in any directory is longer.
inline constexpr std::size_t kNameBytesMax = 255;

// Opaque number of an open file; 0 is none.
using HandleId = std::uint64_t;

struct OpenMode {
  bool read = true;
  bool write = false;
  bool append = false;
  bool truncate = false;
  bool exclusive = false;  // O_EXCL of a create: nobody else may have made it when it goes live.
};

struct DirectoryItem {
  std::string_view name;
  Node node;
  std::uint64_t offset;  // Pass it to go on behind this one.
  bool complete = true;  // Whether `node` has its size and times; else a lookup finds them out.
};

// A moment of a clock that nobody sets: how long anything is remembered goes by it. The times of files and
// the verdicts go by the keystore's clock, the wall clock, which may be set forward or back.
using Instant = std::chrono::steady_clock::time_point;

struct VolumeOptions {
  std::uint32_t uid = 0;  // Who owns what is fixed: the daemon's user and group.
  std::uint32_t gid = 0;
  std::string version;  // What status/version shows; ends in a newline.
  // Where a backup that is being read lies, encrypted: where there is room for a copy of the keystore.
  std::filesystem::path spool_directory = "/tmp";
  std::function<Instant()> instants = std::chrono::steady_clock::now;
  bool read_only = false;  // Nothing is signed anew, or noted, by itself.
  // Where it is noted that a backup was read: the keystore's directory. Empty: only while the volume lives.
  std::filesystem::path note_directory = {};
  // Which daemon of its mount this is: 1 for the first, and above for its successors, of whose predecessors
  // the kernel has nodes and handles. 0 where there is no mount.
  std::uint32_t incarnation = 0;
  // Where it is noted who is between the halves of a pair, if that is to outlive the volume. Borrowed.
  PairNotes* pairs = nullptr;
};

}  // namespace certfs
