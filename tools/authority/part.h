// The parts of `certfs ca`, and what they share.
//
// Thread-safety: main thread only. Ownership: as in tools/commands.h.

#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

#include "tools/commands.h"
#include "tools/control_client.h"

namespace certfs::authority {

// What each part is told.
struct PartOptions {
  std::string mount;
  bool json = false;
};

// Adds the part `name`, with --mount and --version and, where it prints data, --json.
enum class Prints { kWords, kData };
CLI::App* AddPart(CLI::App& command, const char* name, const char* what, PartOptions& options, Prints prints);

// What a new authority is to be called and to be; of init and replace-root.
struct NewAuthorityOptions {
  std::string key;
  std::string name;
  std::string organization;
  std::string unit;
  std::string country;
  std::string state;
  std::string locality;
  unsigned days = 0;
  int path_length = -1;
  std::vector<std::string> permitted;
  std::vector<std::string> excluded;
  std::vector<std::string> import;
  std::string password_file;
};
void AddNewAuthorityOptions(CLI::App& part, NewAuthorityOptions& options);
// Adds them to `command`: its options, and what follows its line.
Result<void> Describe(const NewAuthorityOptions& options, ControlCommand& command);

// Adds what names a certificate to `command`: the file `target`, if there is one of that name, as PEM; else a
// serial number or STORE/ALIAS, as it is.
Result<void> NameCertificate(const std::string& target, ControlCommand& command);

void AddInit(CLI::App& command, Action& action);
void AddImport(CLI::App& command, Action& action);
void AddShow(CLI::App& command, Action& action);
void AddIssue(CLI::App& command, Action& action);
void AddList(CLI::App& command, Action& action);
void AddStatus(CLI::App& command, Action& action);
void AddRevoke(CLI::App& command, Action& action);
void AddCrl(CLI::App& command, Action& action);
void AddBackup(CLI::App& command, Action& action);
void AddRestore(CLI::App& command, Action& action);
void AddReplaceRoot(CLI::App& command, Action& action);
void AddRetire(CLI::App& command, Action& action);
void AddOcsp(CLI::App& command, Action& action);

}  // namespace certfs::authority
