#include "tools/certfs_parser.h"

#include "tools/command_examples.h"
#include "tools/value_names.h"

namespace certfs {

std::unique_ptr<CLI::App> MakeCertfsParser(const std::vector<std::string>& behind, Action& action) {
  auto parser = std::make_unique<CLI::App>("Certificate stores as a filesystem.", "certfs");
  CLI::App& app = *parser;
  app.require_subcommand(1);
  AddCaCommand(app, action);
  AddDoctorCommand(app, action);
  AddImportCommand(app, action);
  AddInitCommand(app, action);
  AddKeyCommand(app, action);
  AddMountCommand(app, action);
  AddPackageCommand(app, action);
  AddPasswordCommand(app, action);
  AddRenewCommand(app, action);
  AddRestoreCommand(app, action);
  AddRevertCommand(app, action);
  AddUmountCommand(app, action);
  AddVerifyCommand(app, action);
  AddWatchCommand(app, behind, action);
  AddWhyCommand(app, action);
  app.set_version_flag("--version", "certfs " CERTFS_VERSION, "Print the version, and end");
  for (CLI::App* command : app.get_subcommands({})) {
    command->set_version_flag("--version", "certfs " CERTFS_VERSION, "Print the version, and end");
  }
  app.footer(
      "Each command has a --help of its own. Where several keystores are mounted, --mount or CERTFS_MOUNT in "
      "the\n"
      "environment says which is meant.\n\n"
      "Examples:\n"
      "  certfs init /srv/keystore\n"
      "  certfs mount /srv/keystore /certs\n"
      "  cp web.pem /certs/stores/machine/web/cert.pem\n"
      "  certfs why\n"
      "  certfs umount /certs");
  AddExamples(app);
  NameValues(app);
  return parser;
}

}  // namespace certfs
