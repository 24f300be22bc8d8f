// What is mounted where, as the kernel lists it in mountinfo (proc(5)); read by libmount.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"

namespace certfs {

// The type under which our mounts show.
inline constexpr std::string_view kMountType = "fuse.certfs";

struct MountTableEntry {
  int id = 0;                        // Of the mount: no two that exist have the same.
  std::filesystem::path mountpoint;  // Unescaped.
  std::string type;
  std::string source;
  std::string root;          // "/", or the part of the filesystem that is bound there.
  dev_t device = 0;          // Of the filesystem: what stat(2) calls st_dev.
  std::string options = {};  // Of the mount and of the filesystem, separated by commas.
};

// Returns the entries of `mountinfo`, newest last. Lines that are none are passed over.
std::vector<MountTableEntry> ParseMountTable(std::string_view mountinfo);

// Returns those of this process's mount namespace. kIo when the kernel does not tell.
Result<std::vector<MountTableEntry>> ReadMountTable();

}  // namespace certfs
