// The options of a mount, as `-o` and fstab(5) write them.
//
// Thread-safety: pure functions.

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"

namespace certfs {

// Who an option is for.
enum class MountOptionKind {
  kMount,    // The mount itself: `certfs mount -o` takes it.
  kCommand,  // `certfs mount`, which has an option of its own for it.
  kIgnored,  // mount(8), systemd or fstab(5).
};

struct MountOptionRow {
  std::string_view name;   // "keyfile"; "x-" stands for all that begin so.
  std::string_view value;  // "FILE"; empty where it takes none.
  MountOptionKind kind;
  std::string_view what;
};
std::span<const MountOptionRow> MountOptionRows();

// Whose -o is read.
enum class MountOptionsOf {
  kCertfsMount,  // Takes what is kMount.
  kMount8,       // Takes all.
};

// The row of `option`, "keyfile=/etc/certfs/key". kInvalidArgument, with what was probably meant and what
// `reader` takes, if there is none, or if a value is missing or one too many.
Result<const MountOptionRow*> FindMountOption(std::string_view option, MountOptionsOf reader);

// Takes "ro,keyfile=/k" apart; commas between quotation marks are none (mount(8)).
std::vector<std::string> SplitMountOptions(std::string_view text);

}  // namespace certfs
