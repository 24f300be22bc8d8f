// Bringing a package's content into a directory, all of it or nothing.
//
// It is unpacked into a new directory first: beside DIR where that is not there yet, so that one rename makes
// it; else inside DIR, from where each file and each new directory is renamed to its place. A failure on the
// way, or whoever interrupts it, puts everything back that was moved; only a kill or a power loss in the
// middle of these renames leaves a part of it, and then never a part of a file.
//
// Thread-safety: main thread only. Errors: the path and the reason; kAlreadyExists with what is in the way;
// kCancelled where it was interrupted.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "crypto/base/result.h"
#include "tools/package/contents.h"
#include "tools/package/spool.h"

namespace certfs::package {

// What is to be placed where.
struct Placement {
  const Spool& spool;
  const std::vector<Item>& items;
  std::filesystem::path directory;
  bool replace;  // Files take the place of files that are there.
  // Whether somebody wants it to end; asked while that still leaves everything as it was.
  std::function<bool()> interrupted = [] { return false; };
};

// Says whether `items` can be placed: kAlreadyExists if something is in the way.
Result<void> CheckPlacement(const Placement& placement);

// Places them. Returns how many files took the place of others.
Result<std::size_t> Place(const Placement& placement);

// The directory on whose filesystem `directory` is, or is going to be.
std::filesystem::path NearestDirectory(const std::filesystem::path& directory);

}  // namespace certfs::package
