// Unpacking what was verified into an empty directory, beneath which everything stays.
//
// Each part of each path is opened by itself and never through a symbolic link, so that a path leads nowhere
// else even if somebody plants one meanwhile.
//
// Thread-safety: main thread only. Errors: the item and the system's reason.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "tools/package/contents.h"
#include "tools/package/spool.h"
#include "tools/system.h"

namespace certfs::package {

// Opens the directory `name` beneath `top`, "" being `top` itself; with `make`, makes what is missing of it,
// 0700. kNotFound if it is not there.
Result<Descriptor> OpenBeneath(const Descriptor& top, const std::string& name, bool make);

// The name of the directory that an item's is in, "" for the top, and the last part of an item's name.
std::string ParentOf(const std::string& name);
std::string LastOf(const std::string& name);

// Hears how many more bytes are unpacked, 0 before each item; its failure ends the unpacking.
using ExtractionProgress = std::function<Result<void>(std::uint64_t)>;

// Unpacks `spool`, in which ReadContents found `items`, into `top`. Files get their permissions less the
// umask, and their times; directories the same, but stay open to their owner until CloseDirectories.
Result<void> Extract(const Spool& spool, const std::vector<Item>& items, const Descriptor& top,
                     const ExtractionProgress& progress);

// Gives the directories among `items` that `mine` answers for the permissions of the package, now that
// nothing is moved into them any more.
Result<void> CloseDirectories(const std::vector<Item>& items, const Descriptor& top,
                              const std::function<bool(const std::string&)>& mine);

}  // namespace certfs::package
