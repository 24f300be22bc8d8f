// The commands of `certfs`, one file each: `Add…Command` describes its options to the parser and, when the
// command line names it, leaves in `action` what to do. An action prints its results on stdout; its failure
// is printed by main.
//
// Thread-safety: main thread only. Ownership: the parser owns the options, the action shares them.

#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "tools/exit_code.h"

namespace certfs {

using Action = std::function<Result<ExitCode>()>;

void AddCaCommand(CLI::App& app, Action& action);
void AddDoctorCommand(CLI::App& app, Action& action);
void AddImportCommand(CLI::App& app, Action& action);
void AddInitCommand(CLI::App& app, Action& action);
void AddKeyCommand(CLI::App& app, Action& action);
void AddMountCommand(CLI::App& app, Action& action);
void AddPackageCommand(CLI::App& app, Action& action);
void AddPasswordCommand(CLI::App& app, Action& action);
void AddRenewCommand(CLI::App& app, Action& action);
void AddRestoreCommand(CLI::App& app, Action& action);
void AddRevertCommand(CLI::App& app, Action& action);
void AddUmountCommand(CLI::App& app, Action& action);
void AddVerifyCommand(CLI::App& app, Action& action);
// `behind` is what stood behind "--": the command to run.
void AddWatchCommand(CLI::App& app, const std::vector<std::string>& behind, Action& action);
void AddWhyCommand(CLI::App& app, Action& action);

}  // namespace certfs
