// Scratch: the temporary files that tools make beside the file which they write. In locked memory, each the
// own of the user who made it, never judged, never stored; what is renamed or linked to a live name is judged
// then. Private to fs/.
//
// Thread-safety: a ScratchTable may be used from any thread; the mutex of a ScratchFile guards it. Ownership:
// the table shares its files with whoever has them open. Errors: kNoMemory when there is too much of it.

#pragma once

#include <compare>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/volume.h"
#include "fs/volume/staged_bytes.h"

namespace certfs {

// Says whether a tool may use `name` for a temporary file: the names are in fs/README.md, "Scratch".
bool IsScratchName(std::string_view name);

// How long scratch outlives its last use. Being open is use.
inline constexpr auto kScratchKept = std::chrono::minutes(10);

struct ScratchFile {
  ScratchFile(ByteQuota& quota, NodeId node_in, std::uint32_t uid_in)
      : node(node_in), uid(uid_in), bytes(quota) {}

  const NodeId node;
  const std::uint32_t uid;  // Who made it, and alone sees it.
  bool directory = false;   // Constant.
  std::optional<Member>
      placeholder;      // Constant. It stands for that file of that entry, which was created empty.
  Number entry = 0;     // Constant.
  bool copied = false;  // Constant. Of a live file, which its maker may not be able to read.

  std::mutex mutex;        // Guards all below.
  Attributes attributes;   // As they were set, bits for others included.
  AttributeChange wanted;  // What was set explicitly, and holds for the live file that it becomes.
  StagedBytes bytes;
  bool went_live = false;  // What is written now would be lost.
};
using ScratchPointer = std::shared_ptr<ScratchFile>;

class ScratchTable {
 public:
  // What there may be of all users and of one, a share of what all writers may stage: they must not starve.
  static constexpr std::size_t kBytesMax = std::size_t{8} << 20;
  static constexpr std::size_t kBytesOfUserMax = std::size_t{4} << 20;
  static constexpr std::size_t kFilesMax = 1024;
  static constexpr std::size_t kFilesOfUserMax = 256;

  // Its files count for `shares` as well, which outlive it.
  explicit ScratchTable(WriterShares& shares) : shares_(shares) {}

  // Where a scratch file stands: in the entry, the staged entry or the scratch directory of that node.
  struct Name {
    NodeId directory;
    std::string name;
    std::uint32_t uid = 0;
    friend auto operator<=>(const Name&, const Name&) = default;
  };

  // Makes a file without a name. Add gives it one; without one it goes with the pointer.
  ScratchPointer Make(NodeId node, std::uint32_t uid);
  // Gives a file a name, its first or another; `replace` takes it from the file that has it. kAlreadyExists.
  // After a failure all is as it was.
  Result<void> Add(const Name& name, ScratchPointer file, Instant now, bool replace = false);

  // Each of these is a use.
  ScratchPointer Find(const Name& name, Instant now);
  ScratchPointer FindNode(NodeId node, Instant now);

  // Takes a name away. Returns whether it was there.
  bool Remove(const Name& name, Instant now);
  // Gives the file of `from` the name `to`, which another may have had.
  void Move(const Name& from, const Name& to, Instant now);
  // Takes `name` in `directory` away from every user.
  void RemoveOfAll(NodeId directory, std::string_view name);
  // Takes everything away that stands in `directory`, or in a scratch directory there.
  void Clear(NodeId directory);

  // What `uid` sees in `directory`, in the order in which the names were given.
  struct Listed {
    std::string name;
    ScratchPointer file;
    std::uint64_t serial;  // Counts the names up, from 1: where a listing goes on.
  };
  std::vector<Listed> In(NodeId directory, std::uint32_t uid, Instant now);
  // Says whether anybody has anything in it.
  bool HasAny(NodeId directory, Instant now);
  // How many names the file has, and which.
  std::uint32_t LinksOf(NodeId node);
  std::vector<Name> NamesOf(NodeId node);

  // A file that is open is in use, and keeps its node even without a name.
  void Opened(const ScratchPointer& file);
  void Closed(NodeId node, Instant now);

  // Says that the file has done what it was written for. It stays as others do, but goes first where there is
  // no room for another name.
  void Spent(NodeId node);

  // How many files there are, directories and placeholders included.
  std::size_t size();

  // Forgets, and wipes, what nobody used for too long.
  void DropExpired(Instant now);

 private:
  struct Item {
    ScratchPointer file;
    Instant used;
    std::uint32_t names = 0;
    std::uint32_t handles = 0;
    bool spent = false;
  };
  struct Place {
    NodeId node;
    std::uint64_t serial;
  };
  using Names = std::map<Name, Place>;

  // Preconditions, of all: mutex_ is held.
  void DropExpiredLocked(Instant now);
  // Returns whether there is room for another name of `uid`, perhaps because what is spent has gone.
  bool HasRoom(std::uint32_t uid);
  // Takes the oldest name of a spent file away: one of `uid`, or of anybody. Returns whether there was one.
  bool DropSpent(std::optional<std::uint32_t> uid);
  Names::iterator RemoveName(Names::iterator name);
  void ClearLocked(NodeId directory);
  void DropUnused(NodeId node);

  WriterShares& shares_;
  ByteQuota quota_{kBytesMax};
  std::mutex mutex_;
  std::map<std::uint32_t, ByteQuota>
      quotas_;  // Of each user that ever had any. Guarded by mutex_, as all below.
  std::map<std::uint32_t, std::size_t> counts_;  // Of files that a user has.
  Names names_;
  std::uint64_t next_serial_ = 1;
  std::map<NodeId, Item> files_;
};

}  // namespace certfs
