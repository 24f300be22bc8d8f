// mount.certfs: what mount(8) runs for `mount -t certfs` and the lines of fstab(5), in the words of `certfs
// mount`.
//
// Thread-safety: main thread only.

#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

#include "crypto/base/result.h"

namespace certfs {

// The name that the program certfs is run by as this helper.
inline constexpr auto kFstabProgram = "mount.certfs";

// What mount(8) says to a helper (mount(8), "EXTERNAL HELPERS").
struct FstabMount {
  std::string source;
  std::string directory;
  std::vector<std::string> options;
  std::string type;
  std::string name_space;
  bool fake = false;
  bool sloppy = false;
  bool no_mtab = false;
  bool verbose = false;
};

std::unique_ptr<CLI::App> MakeFstabParser(FstabMount& mount);

// The arguments of `certfs` that do what `mount` says. kInvalidArgument for an option that nobody knows,
// unless mount(8) was told to be sloppy.
Result<std::vector<std::string>> CertfsArguments(const FstabMount& mount);

// Runs as mount.certfs. Returns the exit code, as mount(8) numbers them: 1 wrong usage, 32 the mount failed.
int RunFstabMount(int argc, char** argv);

}  // namespace certfs
