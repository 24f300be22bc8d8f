// What a consumer of an entry would load from it, told without the right to read a key: for `certfs watch`.
//
// Public files count by the SHA-256 of their bytes, so that an identical certificate is no news, wherever it
// comes from. A key beside its certificate counts by that certificate: a live pair always matches. A lone key
// and a secret count by their inode, which every change of content makes anew, as do public files that may
// not be read.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "crypto/base/result.h"
#include "store/entry.h"

namespace certfs {

struct EntryState {
  struct Seen {
    std::uint64_t inode;
    std::string content;  // Equal for equal content; opaque.
  };
  std::map<Member, Seen> files;  // Empty when the entry is not there.
};

// Looks at the entry in `directory`. What `before` knows of an inode is not read again: a revision never
// changes. kIo when the mount does not answer (its daemon has died, or the path leads elsewhere).
Result<EntryState> ReadEntryState(const std::filesystem::path& directory, const EntryState& before);

// Says whether `now` has content that `before` had not. A removal is no news: nothing is there to be loaded,
// and what returns unchanged changed nothing.
bool IsNews(const EntryState& before, const EntryState& now);

}  // namespace certfs
