#include "tools/vecs/vecs_cli.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <iostream>
#include <string>

#include "tools/program.h"
#include "tools/system.h"
#include "tools/vecs/commands.h"

namespace certfs::vecs {

namespace {

constexpr int kExitCodes = 256;

using Handler = Result<void> (*)(const Options&);
using Work = std::function<Result<void>()>;

// Adds the command `name`; what it is told goes into `options`.
CLI::App* Add(CLI::App& group, const char* name, const char* what, Options& options, Work& work,
              Handler handler) {
  CLI::App* command = group.add_subcommand(name, what);
  command->add_option("--mount", options.mount, "The mount to use; needed only when there are several");
  command->add_option("--server", options.server, "This machine, and no other");
  command->add_option("--upn", options.upn, "Ignored: the kernel says who may do what");
  command->callback([&work, &options, handler] { work = [&options, handler] { return handler(options); }; });
  return command;
}

void AddStores(CLI::App& app, Options& options, Work& work) {
  CLI::App* stores = app.add_subcommand("store", "Create, list or delete stores");
  stores->require_subcommand(1);
  CLI::App* create = Add(*stores, "create", "Create a store", options, work, CreateStore);
  create->add_option("--name", options.store, "Its name")->required();
  Add(*stores, "list", "List the stores", options, work, ListStores);
  CLI::App* remove = Add(*stores, "delete", "Delete a store, which is empty", options, work, DeleteStore);
  remove->add_option("--name", options.store, "Its name")->required();
  remove->add_flag("-y", options.yes, "Do not ask");
}

void AddEntries(CLI::App& app, Options& options, Work& work) {
  CLI::App* entries = app.add_subcommand("entry", "Create, show or delete entries");
  entries->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, Handler handler) {
    CLI::App* command = Add(*entries, name, what, options, work, handler);
    command->add_option("--store", options.store, "The store")->required();
    return command;
  };
  CLI::App* create = add("create", "Create an entry of a certificate, a key, or both", CreateEntry);
  create->add_option("--alias", options.alias, "Its alias; else the certificate's SHA-1");
  create->add_option("--cert", options.cert, "The certificate, and its chain");
  create->add_option("--key", options.key, "The private key");
  create->add_option("--password", options.password, "Refused: the keystore is encrypted as a whole");

  CLI::App* list = add("list", "List the entries of a store", ListEntries);
  list->add_flag("--text", options.text, "Certificates in words");
  list->add_flag("--aliases", options.aliases, "Aliases alone");

  const std::pair<CLI::App*, const char*> shows[] = {
      {add("getcert", "Show the certificate of an entry", GetCertificate), "In words"},
      {add("getkey", "Show the key of an entry", GetKey), "Its kind alone"},
  };
  for (const auto& [command, words] : shows) {
    command->add_option("--alias", options.alias, "The entry")->required();
    command->add_option("--output", options.output, "Write it there, 0600");
    command->add_option("--password", options.password, "Ignored");
    command->add_flag("--text", options.text, words);
  }

  CLI::App* remove = add("delete", "Delete an entry; BACKUP_STORE keeps its state", DeleteEntry);
  remove->add_option("--alias", options.alias, "The entry")->required();
  remove->add_flag("-y", options.yes, "Do not ask");
}

int Fail(const Error& error) {
  std::cerr << "vecs-cli failed. Error " << NumberOf(error) << ": " << error.message() << "\n";
  return NumberOf(error) % kExitCodes;
}

}  // namespace

int NumberOf(const Error& error) {
  if (error.rule() == kKeyMismatch) return 90018;  // VECS_PRIVATE_KEY_MISMATCH.
  if (error.rule() == kNoSuchObject) return 4312;  // ERROR_OBJECT_NOT_FOUND.
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
      return 87;
    case ErrorCode::kMalformed:
    case ErrorCode::kRejected:
    case ErrorCode::kExpired:
    case ErrorCode::kRevoked:
    case ErrorCode::kPasswordRequired:
      return 11;
    case ErrorCode::kAlreadyExists:
      return 183;
    case ErrorCode::kNotFound:
      return 2;  // ERROR_FILE_NOT_FOUND.
    case ErrorCode::kNotPermitted:
    case ErrorCode::kAccessDenied:
    case ErrorCode::kReadOnly:
      return 5;
    case ErrorCode::kNotEmpty:
      return 145;  // ERROR_DIR_NOT_EMPTY.
    case ErrorCode::kCancelled:
      return 1223;
    case ErrorCode::kUnsupported:
      return 50;
    case ErrorCode::kTooLarge:
    case ErrorCode::kNameTooLong:
      return 154;  // ERROR_LABEL_TOO_LONG.
    case ErrorCode::kNotADirectory:
    case ErrorCode::kIsADirectory:
    case ErrorCode::kCrossStore:
    case ErrorCode::kStale:
    case ErrorCode::kNoSpace:
    case ErrorCode::kNoMemory:
    case ErrorCode::kBusy:
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return 31;  // ERROR_GEN_FAILURE.
  }
  return 31;
}

int Run(int argc, char** argv) {
  CLI::App app("Stores and entries of a certfs mount.", "vecs-cli");
  app.set_version_flag("--version", "vecs-cli " CERTFS_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Example: vecs-cli entry create --store MACHINE_SSL_CERT --alias __MACHINE_CERT --cert new.crt --key "
      "ssl.key");
  Options options;
  Work work;
  AddStores(app, options, work);
  AddEntries(app, options, work);
  app.add_subcommand("help", "Print this")->callback([&] {
    work = [&]() -> Result<void> {
      std::cout << app.help();
      return {};
    };
  });
  if (const auto end = ParseOrSay(app, argc, argv)) return *end == 0 ? 0 : 87;
  ProtectSecrets();
  const auto end = work();
  return end.has_value() ? 0 : Fail(end.error());
}

}  // namespace certfs::vecs
