// How a mount is mounted again, as it was.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <filesystem>
#include <string>

#include "tools/settings.h"

namespace certfs::doctor {

// The command that mounts `keystore` on `mountpoint`: by the name that `settings` gives it, by its line in
// `fstab`, a file in the form of fstab(5), or else in words that remind of the options.
std::string MountCommand(const std::filesystem::path& keystore, const std::filesystem::path& mountpoint,
                         const MachineSettings& settings, const std::filesystem::path& fstab);

// The same with what this machine has.
std::string MountCommand(const std::filesystem::path& keystore, const std::filesystem::path& mountpoint);

}  // namespace certfs::doctor
