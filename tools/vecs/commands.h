// What vecs-cli does, by command: plain file operations on the mount, judged there like anybody's. Each
// command prints what it did, or with --json one object; its failure is printed by Run (vecs_cli.h).
//
// Thread-safety: main thread only. Errors: those of the files; RowOf (errors.h) turns them into the numbers
// of the tool that it is named after.

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "crypto/base/result.h"
#include "tools/control_client.h"

namespace certfs::vecs {

// What the command line says. Empty is what it does not say.
struct Options {
  std::string mount;
  std::string server;
  std::string upn;
  std::string store;
  std::string alias;
  std::string cert;
  std::string key;
  std::string output;
  std::string password;
  std::string password_file;
  std::string user;
  std::string grant;
  std::string revoke;
  std::string expiring;
  bool text = false;
  bool aliases = false;
  bool yes = false;
  bool json = false;
  bool dry_run = false;
  bool if_exists = false;
};

using Work = std::function<Result<void>()>;

// Stores (store_commands.cc), and who may use them (permission_commands.cc).
Result<void> CreateStore(const Options& options);
Result<void> ListStores(const Options& options);
Result<void> DeleteStore(const Options& options);
Result<void> SetPermission(const Options& options);
Result<void> GetPermissions(const Options& options);

// Entries (entry_changes.cc, entry_list.cc, entry_parts.cc).
Result<void> CreateEntry(const Options& options);
Result<void> ReplaceEntry(const Options& options);
Result<void> DeleteEntry(const Options& options);
Result<void> ListEntries(const Options& options);
Result<void> GetCertificate(const Options& options);
Result<void> GetKey(const Options& options);

// refresh_command.cc.
Result<void> ForceRefresh(const Options& options);

// Prints `words` and a newline on stdout; with --json `object` instead.
void Say(const Options& options, std::string_view words, const Json& object);

// Asks "Do you wish to continue?" below `warning`, on standard input as this tool always did; kCancelled
// unless the answer is y or yes. kInvalidArgument with --json, whose output a question would spoil.
Result<void> AskToContinue(const Options& options, const std::string& warning);

}  // namespace certfs::vecs
