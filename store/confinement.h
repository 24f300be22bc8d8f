// What a process gives up for good once it has what it needs: privileges, paths, system calls. Whoever takes
// it over by a defect then has what it still holds, and nothing of the machine besides.
//
// Thread-safety: Confine is called once in a process, before it has a second thread: privileges and paths are
// a thread's, and only threads that are made later inherit them. (Filters of system calls reach those that
// are there.) Ownership: nothing. Errors: kInvalidArgument, kNotFound and kIo, as Confine says.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"

namespace certfs {

// What may be done at a path and everywhere beneath it.
enum class Reach {
  kRead,   // Files are read, directories listed.
  kWrite,  // Files that are there are written as well. A symbolic link is none of them.
  kKeep,   // Files are made, renamed and removed as well. No directories, devices, sockets and links.
};

struct ReachablePath {
  std::filesystem::path path;
  Reach reach = Reach::kRead;
};

struct ConfinementPlan {
  // What can be opened from now on; what is open stays so. One that is not there is left out, save where
  // files are to be kept.
  std::vector<ReachablePath> paths;
  // Names of system calls that the filter would refuse, and that this process cannot do without: "umount2".
  std::vector<std::string> calls;
  // The capabilities that it cannot do without, a bit each (linux/capability.h).
  std::uint64_t capabilities = 0;
  // Whether system calls are refused: not to who goes on to start processes that shut themselves in.
  bool filters = true;
};

// What holds now. What the kernel has not is missing, which is no error: the process is as it would be
// without this library.
struct ConfinementReport {
  bool no_new_privileges = false;
  bool without_capabilities = false;  // But those that the plan keeps.
  int landlock = 0;                   // The version of it that the kernel has; 0 for none.
  bool filtered = false;              // System calls are.
  std::vector<std::string> missing;   // In words, for the log: "landlock: the kernel has none".

  bool complete() const { return missing.empty(); }
  // "no-new-privileges no-capabilities landlock=7 filter".
  std::string Text() const;
};

// Confines this process, and all that it will ever start. It sends no signal to another process any more, and
// connects to no abstract socket; that there is a process kill(2) tells it still, by EPERM, and paths of
// sockets are reached. kInvalidArgument for a system call that nobody knows; kNotFound and kIo for a path to
// keep that cannot be opened: then nothing has been given up yet.
Result<ConfinementReport> Confine(const ConfinementPlan& plan);

// Has nothing that this thread executes ever get capabilities, but those of `kept`. Confine does it as well;
// who is about to become a user who may not do it calls it before. What the caller is not allowed to give up
// it keeps.
void DropBoundingSet(std::uint64_t kept) noexcept;

// The report of this process; empty (Text() too) before Confine.
const ConfinementReport& OwnConfinement();

// The plan of a process that serves, or examines, the keystore in `directory` once its secret is read: that
// directory with `reach`, and what libraries read by themselves (shared objects, OpenSSL's configuration, the
// time zone, /proc).
ConfinementPlan PlanForKeystore(const std::filesystem::path& directory, Reach reach);

// The names of the system calls that are refused with EPERM, for tests and documentation.
const std::vector<std::string_view>& RefusedCalls();

}  // namespace certfs
