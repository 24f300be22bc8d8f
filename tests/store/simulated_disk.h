// A disk under one directory, as a record of system calls says: what is on it for sure, and what the machine
// may or may not have written when the power goes.
//
// Nothing is taken for granted that POSIX does not promise: of what was written since a file's last sync any
// page may be there and any other not, in whatever order, and so may names, which only a sync of the
// directory brings to the disk. The last page may be there in part, by sectors of 512 bytes.
//
// Thread-safety: none.

#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/store/call_tap.h"

namespace certfs {

class SimulatedDisk {
 public:
  // With what lies in `directory`, all of it for sure. The tap records there from before.
  explicit SimulatedDisk(const std::filesystem::path& directory);

  // What happened; it may be on the disk from now on.
  void Add(const DiskEvent& event);

  // How many changes are not there for sure, pages of files and names, in the order in which they were made.
  std::size_t pending() const;
  // The call that was added last has returned: a write that is on the disk then (O_DSYNC) is there for sure.
  // What was written to its file before is not.
  void Returned();

  // The files of a disk on which those changes are that `chosen` says; of the last of them, if it is a page,
  // only the first `sectors` of 512 bytes, unless that is 0.
  using Image = std::map<std::string, Bytes>;
  Image After(const std::vector<bool>& chosen, std::size_t sectors = 0) const;

 private:
  struct Change {
    enum class Kind { kBytes, kLength, kName, kNoName } kind = Kind::kBytes;
    std::uint64_t file = 0;
    std::uint64_t offset = 0;  // Or the length.
    Bytes bytes;
    std::string name;
    bool durable = false;  // Once the call returns.
    bool sure = false;     // On the disk, but not done to `files_` yet: what came before it may be missing.
  };
  static void Do(const Change& change, std::map<std::uint64_t, Bytes>& files,
                 std::map<std::string, std::uint64_t>& names);
  void AddWrite(const DiskEvent& event);
  // Makes those pending changes sure that `which` says.
  template <typename Which>
  void Settle(Which&& which);

  std::map<std::uint64_t, Bytes> files_;
  std::map<std::string, std::uint64_t> names_;
  std::vector<Change> pending_;
};

}  // namespace certfs
