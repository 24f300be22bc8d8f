// A volume over a table that fails where a test says so, and all that it shows, in words.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "store/memory_table.h"
#include "tests/fs/shared_table.h"
#include "tests/fs/volume_fixture.h"
#include "tests/store/faulty_table.h"

namespace certfs::test {

class FaultedVolume {
 public:
  FaultedVolume();

  // Runs `what` without faults, and without being counted.
  template <typename What>
  auto Aside(What&& what) {
    Faults armed = std::exchange(faults, Faults{});
    if constexpr (std::is_void_v<decltype(what())>) {
      what();
      faults = std::move(armed);
    } else {
      auto outcome = what();
      faults = std::move(armed);
      return outcome;
    }
  }

  // Everything that is there, for everybody and for root: names, attributes, bytes, and what the authority
  // tells of itself. Two states are the same if and only if these are.
  std::string State();
  // The same without what is made at random: keys, serial numbers and what is signed.
  std::string Shape();

  // --- What programs do. Each gives back what it took, whatever fails.

  // As Tree::OpenToWrite; but what cannot be looked up is not made.
  Result<Tree::Writer> OpenToWrite(const Caller& caller, const std::string& path, OpenMode mode);
  // Opens a file by its path, writes and closes it.
  Result<void> Put(const Caller& caller, const std::string& path, std::string_view bytes,
                   OpenMode mode = kReplace);
  // The same by a file of another name, which then gets this one.
  Result<void> PutScratch(const Caller& caller, const std::string& path, std::string_view bytes);
  Result<void> Rename(const Caller& caller, const std::string& from, const std::string& to,
                      unsigned flags = 0);
  Result<void> Link(const Caller& caller, const std::string& from, const std::string& to);
  Result<void> Unlink(const Caller& caller, const std::string& path);
  Result<void> MakeDirectory(const Caller& caller, const std::string& path);
  Result<void> RemoveDirectory(const Caller& caller, const std::string& path);
  Result<void> SetAttributes(const Caller& caller, const std::string& path, const AttributeChange& change);
  Result<std::string> Names(const Caller& caller, const std::string& path);
  // Writes a command to ca/control; the answer.
  Result<std::string> Command(const Caller& caller, std::string_view text);

  // What another process commits, of which the volume is yet to hear: CatchUp.
  void CommitElsewhere(const std::function<void(Keystore&)>& change);

  Faults faults;
  std::shared_ptr<EntryTable> table = MakeMemoryTable();
  std::uint64_t foreign = 0;  // Commits of others.
  Tree tree;
  // What a failure may leave besides what was there before it: what a process removed to replace it returns.
  std::string or_else;

 private:
  std::string Walk(bool exact);
  void WalkInto(std::string& out, const Caller& caller, const std::string& path, const Node& node,
                bool exact);
};

}  // namespace certfs::test
