// What store asks of files beside reading and writing them: that they are files at all, names that are
// durable, owners that are kept, and errors with words. Private to store/.
//
// Thread-safety: all from any thread.

#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "crypto/base/descriptor.h"
#include "crypto/base/result.h"

namespace certfs {

// The failure of `what`, as errno's value `error` has it: kNoSpace for a full disk, kReadOnly
// for one that is mounted like that, else kIo.
Error SystemFailure(std::string_view what, int error);

// Opens the file `path` with `flags` (open(2)); nothing is made. Whoever may write to its directory may have
// put anything in its place: no symbolic link is followed, and a FIFO keeps nobody waiting. kNotFound where
// there is none; kCorrupt, "lock.mdb is a symbolic link" or "… is no regular file", for what else stands
// there; and as SystemFailure.
Result<Descriptor> OpenRegularFile(const std::filesystem::path& path, int flags);

// How many bytes of a file its disk holds: of one with holes fewer than its length says, which costs whoever
// made it nothing.
std::uint64_t StoredBytes(const struct stat& status) noexcept;

// For what is about to be written to where it stands: kCorrupt, in the same words or "… has another name",
// unless `path` is a regular file that nothing else leads to, or is not there. Only the name is looked at: to
// close the file would drop this process's locks on it (fcntl(2)).
Result<void> CheckOnlyName(const std::filesystem::path& path);

// Gives `file`, which is about to replace `replaced`, to that one's owner and group: whoever runs a tool on a
// keystore of somebody else leaves it to him. Where nothing is replaced, root gives it to the owner of the
// directory. kNotPermitted where it cannot be given to that owner; the group, to whom no file is open, is
// left where it cannot.
Result<void> KeepOwner(int file, const std::filesystem::path& replaced);

// Makes what was created, renamed or removed in `directory` survive a power cut.
Result<void> SyncDirectory(const std::filesystem::path& directory);

}  // namespace certfs
