// The files and directories that go into a package, and the tar that is made of them.
//
// Thread-safety: main thread only. Errors: kInvalidArgument for a path that cannot be read; kRejected, with
// the path, for what a package may not hold.

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "tools/package/contents.h"
#include "tools/system.h"

namespace certfs::package {

struct Source {
  std::filesystem::path path;
  Item item;
  // What is below a directory of the command line is opened beneath that, part by part, so that a link that
  // somebody plants meanwhile leads nowhere. None for what stands on the command line itself.
  std::shared_ptr<const Descriptor> top = {};
  std::string beneath = {};
};

// Finds everything below `paths`, in the order of names: each path goes in under its own last name, what
// stands in a directory beneath that; of "." and of a path that ends in "/." the contents. Symbolic links,
// devices, sockets, FIFOs, files with setuid, setgid or sticky bits, names that CheckName refuses, and one
// name twice are kRejected before anything is read.
Result<std::vector<Source>> FindSources(const std::vector<std::string>& paths);

// Returns the bytes of all the files.
std::uint64_t BytesOf(const std::vector<Source>& sources);

// Gives `sink` the tar of `sources` (pax): permissions, times and names, but owners of number 0. The same
// sources give the same bytes. `progress` hears of each piece of content. kRejected for a file that changes
// while it is read.
Result<void> WriteTar(const std::vector<Source>& sources, const std::function<Result<void>(BytesView)>& sink,
                      const std::function<void(std::uint64_t)>& progress);

}  // namespace certfs::package
