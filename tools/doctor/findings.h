// What `certfs doctor` found, for people and for programs: concerns (store/concerns.h), and others of the
// same kind about files, mounts and keys.
//
// Thread-safety: values.

#pragma once

#include <cstddef>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "store/concerns.h"
#include "tools/exit_code.h"

namespace certfs::doctor {

struct Finding {
  std::string id;  // "one-way-in": stable, for scripts.
  Urgency urgency = Urgency::kInfo;
  std::string subject;  // What it is about: a file, an entry, a mount.
  std::string detail;
  std::string action;  // What to do about it; empty where there is nothing to do.
};

// What could not be looked at, and why.
struct NotChecked {
  std::string check;
  std::string reason;
};

// What was found out about one keystore.
struct Report {
  std::filesystem::path keystore;
  std::vector<std::filesystem::path> mounts;
  std::size_t checks = 0;  // How many were done.
  std::vector<Finding> findings;
  std::vector<NotChecked> not_checked;
  // Whether a check was not done, because it failed or there is no key: then nobody knows.
  bool incomplete = false;
  // What the end says that no urgency does: a wrong key, damage, a newer format.
  ExitCode worst = ExitCode::kOk;

  // Keeps the graver of two ends: damage, then a newer format, then a wrong key.
  void Note(ExitCode code);
};

// The exit code of the whole.
ExitCode CodeOf(const std::vector<Report>& reports);

// Grouped by keystore, the worst first.
void WriteText(std::ostream& out, std::vector<Report> reports);
// One object; its fields are documented in tools/README.md.
void WriteJson(std::ostream& out, std::vector<Report> reports);

// `path` as a shell takes it.
inline std::string Word(const std::filesystem::path& path) { return ShellWord(path.native()); }

}  // namespace certfs::doctor
