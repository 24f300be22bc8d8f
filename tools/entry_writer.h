// Writing entries through the mount as any other client would, with the reason where it refuses.
//
// Thread-safety: main thread only. Errors: the path and the system's reason, and on a second line the mount's
// own words where it has some for this caller.

#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "store/entry.h"
#include "tools/mounts.h"

namespace certfs {

// Why this process's last write below `directory` was refused, in the words of the mount; empty where it does
// not say.
std::string LastRefusal(const Mount& mount, const std::filesystem::path& directory);

// Adds those words to `error`, if there are any.
Error WithRefusal(Error error, const Mount& mount, const std::filesystem::path& directory);

// Writes the file of `member` in `directory`, whole.
Result<void> WriteMember(const Mount& mount, const std::filesystem::path& directory, Member member,
                         BytesView bytes);

// Has `fill` put certificate and key into the entry's next/, where they go live in one commit with the
// second. If it fails, nothing stays staged. kNotEmpty where something is staged already. A next/ that was
// not there before is gone afterwards.
Result<void> ThroughNext(const std::filesystem::path& entry,
                         const std::function<Result<void>(const std::filesystem::path& next)>& fill);

}  // namespace certfs
