// certfs ca: the certificate authority of a mount. Its parts are in tools/authority/.

#include "tools/authority/part.h"
#include "tools/commands.h"

namespace certfs {

void AddCaCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("ca", "Use the certificate authority of a mount");
  command->require_subcommand(1);
  authority::AddInit(*command, action);
  authority::AddImport(*command, action);
  authority::AddShow(*command, action);
  authority::AddIssue(*command, action);
  authority::AddList(*command, action);
  authority::AddStatus(*command, action);
  authority::AddRevoke(*command, action);
  authority::AddCrl(*command, action);
  authority::AddBackup(*command, action);
  authority::AddRestore(*command, action);
  authority::AddReplaceRoot(*command, action);
  authority::AddRetire(*command, action);
  authority::AddOcsp(*command, action);
}

}  // namespace certfs
