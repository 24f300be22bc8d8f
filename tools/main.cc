// certfs: the command line. Parses, runs one command, and turns its end into an exit code.

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tools/commands.h"
#include "tools/program.h"

namespace {

int Run(int argc, char** argv) {
  CLI::App app("Certificate stores as a filesystem.", "certfs");
  app.set_version_flag("--version", "certfs " CERTFS_VERSION);
  app.require_subcommand(1);
  certfs::Action action;
  certfs::AddCaCommand(app, action);
  certfs::AddImportCommand(app, action);
  certfs::AddInitCommand(app, action);
  certfs::AddKeyCommand(app, action);
  certfs::AddMountCommand(app, action);
  certfs::AddPasswordCommand(app, action);
  certfs::AddRenewCommand(app, action);
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
  if (const auto end = certfs::ParseOrSay(app, argc, argv)) return *end;
  return certfs::Finish("certfs", action());
}

}  // namespace

int main(int argc, char** argv) {
  return certfs::RunProgram("certfs", [&] { return Run(argc, argv); });
}
