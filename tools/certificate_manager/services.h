// Which services use which entries, and how each is told that theirs changed. Read from a TOML file:
//
//   reload = ["service-control", "--restart"]   # What reloads a service that names no command of its own:
//                                               # its name is the last argument.
//   timeout_seconds = 120                       # After which a command has failed. 1 to 3600.
//
//   [[service]]
//   name = "vpxd"
//   entries = ["vpxd", "MACHINE_SSL_CERT/__MACHINE_CERT"]   # Stores, entries, or "*" for all.
//   command = ["systemctl", "reload", "vpxd"]               # Or a string, for /bin/sh.
//
// Thread-safety: values and free functions; Reload from the main thread. Errors: kInvalidArgument names the
// line and what is wrong with it.

#pragma once

#include <chrono>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"

namespace certfs {

struct Service {
  std::string name;
  std::vector<std::string> entries;  // "STORE", "STORE/ALIAS" or "*".
  std::vector<std::string> command;
  std::chrono::seconds timeout{120};
};

// The services of such a file, in its order.
Result<std::vector<Service>> ParseServices(std::string_view toml);

// The same of the file at `path`. kInvalidArgument as well if others than root and this user may write it:
// what stands in it is run.
Result<std::vector<Service>> ReadServices(const std::filesystem::path& path);

// The one service that a command line names by its command, which is for /bin/sh and for every change.
Service ServiceOfCommand(const std::string& command);

// Those that use one of `changed`, each "STORE/ALIAS", in their order. Names count without regard to case.
std::vector<const Service*> ServicesOf(std::span<const Service> services,
                                       std::span<const std::string> changed);

// Runs the command of `service`, with its name in CERTFS_SERVICE, those of `changed` that it uses in
// CERTFS_ENTRY, a line each, and the mountpoint in CERTFS_MOUNT. What it prints goes to stderr. kRejected
// when it fails, with its exit code, or takes longer than it may: then it is ended, with all that it started.
Result<void> Reload(const Service& service, std::span<const std::string> changed,
                    const std::filesystem::path& mountpoint);

}  // namespace certfs
