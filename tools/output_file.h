// Files that the tools write outside of the mount: whole or not at all, with their mode from the first byte.
//
// Thread-safety: free functions. Errors: the path and the system's reason.

#pragma once

#include <filesystem>
#include <functional>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs {

enum class Existing {
  kReplace,  // What is there goes in the same moment.
  kRefuse,   // kAlreadyExists; for keys, which nobody can make again.
};

// Makes `path` of `bytes` by way of a new file beside it, which is durable before it gets the name; less
// `mode` the umask. A device, FIFO or the like that is there (/dev/stdout) is written to as it is.
Result<void> WriteOutputFile(const std::filesystem::path& path, BytesView bytes, unsigned mode,
                             Existing existing);

// The same of what `fill` writes to the descriptor that it is given.
Result<void> WriteOutputFileBy(const std::filesystem::path& path,
                               const std::function<Result<void>(int)>& fill, unsigned mode,
                               Existing existing);

// The two that there are: for everybody, and for its owner alone.
inline constexpr unsigned kPublicMode = 0644;
inline constexpr unsigned kPrivateMode = 0600;

}  // namespace certfs
