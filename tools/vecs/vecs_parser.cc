#include "tools/vecs/vecs_parser.h"

#include <iostream>
#include <string>

#include "tools/vecs/errors.h"

namespace certfs::vecs {

namespace {

using Handler = Result<void> (*)(const Options&);

// "" is what a shell makes of a variable that is not set. It is never as if the option had not been given.
const CLI::Validator& NotEmpty() {
  static const CLI::Validator validator(
      [](const std::string& value) { return std::string(value.empty() ? "is empty" : ""); }, "");
  return validator;
}

// Adds commands, and what several have.
class Grammar {
 public:
  Grammar(Options& options, Work& work) : options_(options), work_(work) {}

  CLI::App* Group(CLI::App& app, const char* name, const char* what, const std::string& example) const {
    CLI::App* group = app.add_subcommand(name, what);
    group->require_subcommand(1);
    group->footer("Example:\n  " + example);
    group->set_version_flag("--version", "vecs-cli " CERTFS_VERSION, "Print the version and exit");
    return group;
  }

  CLI::App* Command(CLI::App& group, const char* name, const char* what, Handler handler,
                    const std::string& example) const {
    CLI::App* command = group.add_subcommand(name, what);
    command->set_version_flag("--version", "vecs-cli " CERTFS_VERSION, "Print the version and exit");
    command->footer("Example:\n  " + example);
    command->callback([&work = work_, &options = options_, handler] {
      work = [&options, handler] { return handler(options); };
    });
    return command;
  }

  // What all have, behind what is their own.
  void AddCommon(CLI::App* command) const {
    command
        ->add_option("--mount", options_.mount,
                     "The mount to use; needed only where there are several, unless $CERTFS_MOUNT says which")
        ->type_name("DIR");
    command->add_flag("--json", options_.json,
                      "Print one JSON object on standard output, of a failure {\"error\": {…}}");
  }

  // For those commands that can be told to go elsewhere in VECS.
  void AddServer(CLI::App* command) const {
    command
        ->add_option("--server", options_.server,
                     "Only localhost or the name of this machine; goes with --upn")
        ->type_name("HOST");
    command
        ->add_option("--upn", options_.upn,
                     "Goes with --server; not looked at, because the kernel says who may do what")
        ->type_name("USER");
  }

  void AddDryRun(CLI::App* command) const {
    command->add_flag("--dry-run", options_.dry_run,
                      "Say what would be done, or why it would be refused, and change nothing");
  }

  void AddYes(CLI::App* command) const {
    command->add_flag("-y", options_.yes, "Do not ask whether to continue; needed with --json");
  }

  Options& options() const { return options_; }

 private:
  Options& options_;
  Work& work_;
};

void AddStores(const Grammar& grammar, CLI::App& app) {
  Options& options = grammar.options();
  CLI::App* stores = grammar.Group(app, "store", "Create, list or delete stores, and say who may use them",
                                   "vecs-cli store list");
  const auto add = [&](const char* name, const char* what, Handler handler, const char* example) {
    CLI::App* command = grammar.Command(*stores, name, what, handler, example);
    if (std::string_view(name) != "list") {
      command->add_option("--name", options.store, "The store; letters are the same in either case")
          ->required()
          ->type_name("STORE");
    }
    return command;
  };
  CLI::App* create =
      add("create", "Create a store, which is then yours", CreateStore, "vecs-cli store create --name nginx");
  CLI::App* list = add("list", "List the stores, one name a line", ListStores, "vecs-cli store list --json");
  CLI::App* remove = add("delete", "Delete a store that is empty and not one of the system's", DeleteStore,
                         "vecs-cli store delete --name nginx -y");
  CLI::App* permission =
      add("permission", "Grant somebody a right on a store, all its entries and those to come, or revoke it",
          SetPermission, "vecs-cli store permission --name nginx --user www-data --grant read");
  permission
      ->add_option("--user", options.user,
                   "A user by name or number, @GROUP, or EVERYONE, who never reads keys")
      ->required()
      ->type_name("USER");
  const auto right = CLI::IsMember({"read", "write"});
  CLI::Option* grant =
      permission
          ->add_option("--grant", options.grant,
                       "Add this right: read lists the store and reads certificates and keys; "
                       "write adds, replaces and removes, and does not imply read")
          ->check(right)
          ->type_name("RIGHT");
  permission->add_option("--revoke", options.revoke, "Take this right away, and no other")
      ->check(right)
      ->excludes(grant)
      ->type_name("RIGHT");
  CLI::App* show = add("get-permissions", "Show the owner of a store and who else has which right",
                       GetPermissions, "vecs-cli store get-permissions --name nginx");
  for (CLI::App* command : {create, list, remove, show}) grammar.AddServer(command);
  for (CLI::App* command : {create, remove, permission}) grammar.AddDryRun(command);
  grammar.AddYes(remove);
}

// What brings a certificate and a key.
void AddContent(const Grammar& grammar, CLI::App* command) {
  Options& options = grammar.options();
  command
      ->add_option("--cert", options.cert,
                   "The certificate, PEM or DER, with its intermediates behind it in the same file")
      ->check(NotEmpty())
      ->type_name("FILE");
  command->add_option("--key", options.key, "The private key, PEM or DER; in a store of secrets any bytes")
      ->check(NotEmpty())
      ->type_name("FILE");
  command
      ->add_option("--password-file", options.password_file,
                   "The password of an encrypted key, less one trailing newline; without it the terminal is "
                   "asked")
      ->check(NotEmpty())
      ->type_name("FILE");
  command->add_option("--password", options.password,
                      "Refused: everybody can read a command line, and the keystore encrypts all keys");
}

CLI::App* AddEntryCommand(const Grammar& grammar, CLI::App& entries, const char* name, const char* what,
                          Handler handler, const std::string& example) {
  CLI::App* command = grammar.Command(entries, name, what, handler, example);
  command->add_option("--store", grammar.options().store, "The store; letters are the same in either case")
      ->required()
      ->type_name("STORE");
  return command;
}

void AddEntryChanges(const Grammar& grammar, CLI::App& entries) {
  Options& options = grammar.options();
  CLI::App* create = AddEntryCommand(
      grammar, entries, "create",
      "Create an entry of a certificate, a key, or both, which then go live in one step", CreateEntry,
      "vecs-cli entry create --store MACHINE_SSL_CERT --alias __MACHINE_CERT --cert new.crt --key ssl.key");
  create->add_option("--alias", options.alias, "Its alias; without it the SHA-1 of the certificate")
      ->check(NotEmpty())
      ->type_name("ALIAS");
  CLI::App* replace = AddEntryCommand(
      grammar, entries, "replace",
      "Replace what an entry holds in one step, in which readers have the old or the new and never neither",
      ReplaceEntry,
      "vecs-cli entry replace --store MACHINE_SSL_CERT --alias __MACHINE_CERT --cert new.crt --key ssl.key");
  CLI::App* remove = AddEntryCommand(
      grammar, entries, "delete", "Delete an entry; BACKUP_STORE keeps its last state", DeleteEntry,
      "vecs-cli entry delete --store MACHINE_SSL_CERT --alias __MACHINE_CERT -y");
  for (CLI::App* command : {replace, remove}) {
    command->add_option("--alias", options.alias, "The entry")->required()->type_name("ALIAS");
  }
  for (CLI::App* command : {create, replace}) AddContent(grammar, command);
  for (CLI::App* command : {create, replace, remove}) grammar.AddDryRun(command);
  grammar.AddYes(remove);
  remove->add_flag("--if-exists", options.if_exists, "Do not fail if there is no such entry");
}

void AddEntryReads(const Grammar& grammar, CLI::App& entries) {
  Options& options = grammar.options();
  CLI::App* list =
      AddEntryCommand(grammar, entries, "list", "List the entries of a store: alias, type, certificate",
                      ListEntries, "vecs-cli entry list --store MACHINE_SSL_CERT --expiring 30d");
  list->add_flag("--text", options.text, "All certificates of a chain, and CRLs, in words instead of PEM");
  list->add_flag("--aliases", options.aliases, "Aliases alone");
  list->add_option("--expiring", options.expiring,
                   "Only entries of which a certificate, or the CRL, ends within so many days or has ended")
      ->check(NotEmpty())
      ->type_name("DAYS");
  CLI::App* certificate = AddEntryCommand(
      grammar, entries, "getcert", "Print the certificate of an entry with its chain, or its CRL",
      GetCertificate, "vecs-cli entry getcert --store machine --alias machine --text");
  CLI::App* key =
      AddEntryCommand(grammar, entries, "getkey", "Print the key of an entry, or its secret", GetKey,
                      "vecs-cli entry getkey --store machine --alias machine --output machine.key");
  for (CLI::App* command : {certificate, key}) {
    command->add_option("--alias", options.alias, "The entry")->required()->type_name("ALIAS");
    command->add_option("--output", options.output, "Write it there instead, 0600, whole or not at all")
        ->check(NotEmpty())
        ->type_name("FILE");
    command->add_option("--password", options.password, "Ignored: no key here has a password of its own");
    command->add_flag("--text", options.text, "In words, as openssl prints it");
  }
}

std::string ExitCodes() {
  std::string text = "Exit codes (Error number in front):\n  0              done\n";
  for (const ErrorRow& row : ErrorRows()) {
    std::string line = "  " + std::to_string(row.exit_code);
    line.resize(6, ' ');
    line += "(" + std::to_string(row.number) + ")";
    line.resize(17, ' ');
    text += line + std::string(row.when) + "\n";
  }
  return text;
}

// Prints the help of `app`, which `name` calls, and of all below it. Its own help() would print that of the
// command that was parsed: "help".
void PrintHelp(const CLI::App& app, const std::string& name) {
  std::cout << app.get_formatter()->make_help(&app, name, CLI::AppFormatMode::Normal);
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == "help") continue;
    std::cout << "\n";
    PrintHelp(*command, name + " " + command->get_name());
  }
}

}  // namespace

std::unique_ptr<CLI::App> MakeVecsParser(Options& options, Work& work) {
  auto app = std::make_unique<CLI::App>(
      "Stores and entries of a certfs mount, with the commands of VECS.\n\nRuns as anybody: the kernel says "
      "who "
      "may do what, as for any other access to the files.",
      "vecs-cli");
  app->set_version_flag("--version", "vecs-cli " CERTFS_VERSION, "Print the version and exit");
  app->require_subcommand(1);
  app->footer(ExitCodes() +
              "\nExamples:\n"
              "  vecs-cli store list\n"
              "  vecs-cli entry list --store TRUSTED_ROOTS --text | grep 'Not After'\n"
              "  vecs-cli entry replace --store MACHINE_SSL_CERT --alias __MACHINE_CERT --cert new.crt --key "
              "new.key\n"
              "  vecs-cli store permission --name nginx --user www-data --grant read\n"
              "\n'vecs-cli help' prints everything; 'vecs-cli COMMAND --help' a part.");
  const Grammar grammar(options, work);
  AddStores(grammar, *app);
  CLI::App* entries = grammar.Group(*app, "entry", "Create, replace, show or delete entries",
                                    "vecs-cli entry list --store TRUSTED_ROOTS --text");
  AddEntryChanges(grammar, *entries);
  AddEntryReads(grammar, *entries);
  for (CLI::App* command : entries->get_subcommands({})) grammar.AddServer(command);
  CLI::App* refresh = grammar.Command(
      *app, "force-refresh", "Have the authority sign its CRL anew if it is due, and say what trust changed",
      ForceRefresh, "vecs-cli force-refresh");
  grammar.AddServer(refresh);
  grammar.AddDryRun(refresh);
  grammar.AddCommon(refresh);
  for (CLI::App* group : {app->get_subcommand("store"), entries}) {
    for (CLI::App* command : group->get_subcommands({})) grammar.AddCommon(command);
  }
  CLI::App* help = app->add_subcommand("help", "Print the help of every command");
  help->footer("");
  help->callback([&work, parser = app.get()] {
    work = [parser]() -> Result<void> {
      PrintHelp(*parser, parser->get_name());
      return {};
    };
  });
  return app;
}

}  // namespace certfs::vecs
