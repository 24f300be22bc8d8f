// certfs: the command line. Parses, runs one command, and turns its end into an exit code.

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "tools/commands.h"

namespace {

using certfs::ExitCode;

int Number(ExitCode code) { return static_cast<int>(code); }

int Run(int argc, char** argv) {
  CLI::App app("Certificate stores as a filesystem.", "certfs");
  app.set_version_flag("--version", "certfs " CERTFS_VERSION);
  app.require_subcommand(1);
  certfs::Action action;
  certfs::AddImportCommand(app, action);
  certfs::AddInitCommand(app, action);
  certfs::AddKeyCommand(app, action);
  certfs::AddMountCommand(app, action);
  certfs::AddPasswordCommand(app, action);
  certfs::AddRestoreCommand(app, action);
  certfs::AddRevertCommand(app, action);
  certfs::AddUmountCommand(app, action);
  certfs::AddVerifyCommand(app, action);
  // What stands behind "--" is another program's command line, not ours to parse.
  std::vector<std::string> behind;
  if (argc > 1 && std::string_view(argv[1]) == "watch") {
    char** const end = argv + argc;
    char** const mark = std::find(argv, end, std::string_view("--"));
    if (mark != end) behind.assign(mark + 1, end);
    argc = static_cast<int>(mark - argv);
  }
  certfs::AddWatchCommand(app, behind, action);
  certfs::AddWhyCommand(app, action);
  for (CLI::App* command : app.get_subcommands({})) {
    command->set_version_flag("--version", "certfs " CERTFS_VERSION);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? Number(ExitCode::kOk) : Number(ExitCode::kUsage);
  }
  const certfs::Result<ExitCode> end = action();
  if (!end.has_value()) {
    std::cerr << "certfs: " << end.error().message() << "\n";
    return Number(certfs::ExitCodeOf(end.error().code()));
  }
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "certfs: standard output: cannot be written\n";
    return Number(ExitCode::kFailed);
  }
  return Number(end.value());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("certfs: out of memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "certfs: internal error: %s\n", error.what());
  }
  return Number(ExitCode::kFailed);
}
