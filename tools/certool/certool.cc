#include "tools/certool/certool.h"

#include <algorithm>
#include <iostream>
#include <string_view>
#include <vector>

#include "tools/certool/commands.h"
#include "tools/certool/errors.h"
#include "tools/json_text.h"
#include "tools/program.h"
#include "tools/system.h"
#include "tools/value_names.h"

namespace certfs::certool {

namespace {

constexpr int kExitCodes = 256;
constexpr auto kFooter =
    "Example: certool --genkey --privkey=machine1.priv --pubkey=machine1.pub\n"
    "         certool --gencert --privkey=machine1.priv --cert machine1.crt --config machine1.cfg\n";

void AddFiles(CLI::App& app, Options& options) {
  app.add_option("--privkey,--priv", options.privkey, "The private key: PEM, made 0600")->group("files");
  app.add_option("--pubkey,--pub", options.pubkey, "Its public half: PEM")->group("files");
  app.add_option("--cert", options.cert, "The certificate, and its chain: PEM")->group("files");
  app.add_option("--csrfile", options.csrfile, "The request to make: PEM")->group("files");
  app.add_option("--crl", options.crl, "The CRL: PEM")->group("files");
  app.add_option("--currcrl", options.currcrl, "The CRL that is there already")->group("files");
  app.add_option("--outprivkey", options.outprivkey, "The private key of --genselfcacert")->group("files");
  app.add_option("--outcert", options.outcert, "The certificate of --genselfcacert")->group("files");
}

void AddConfig(CLI::App& app, Options& options) {
  app.add_option("--config", options.config, "What to certify")->capture_default_str()->group("config");
  for (std::size_t i = 0; i < kRequestKeys.size(); ++i) {
    app.add_option("--" + std::string(kRequestKeys[i]), options.fields[i],
                   "In the place of what the file says of it")
        ->group("config");
  }
  app.add_option("--KeyType", options.key_type,
                 "Of a key that is made: rsa-3072 unless said otherwise, "
                 "rsa-4096, ec-p256 or ec-p384")
      ->group("config");
  app.add_option("--FQDN", options.fqdn, "With --genCIScert: the name of the host")->group("config");
  app.add_option("--predate", options.predate, "With --genselfcacert: valid from so many minutes ago")
      ->capture_default_str()
      ->group("config");
}

void AddGeneral(CLI::App& app, Options& options) {
  app.add_option("--server", options.server, "Of this machine alone")
      ->capture_default_str()
      ->group("general");
  app.add_option("--mount", options.mount, "The mount to use; needed only when there are several")
      ->group("general");
  app.add_option("--srp-upn", options.srp_upn, "Ignored: the kernel says who may ask")->group("general");
  app.add_option("--srp-pwd", options.srp_password, "Ignored")->group("general");
  app.add_option("--port", options.port, "Ignored")->group("general");
  app.add_option("--wait", options.wait, "Minutes, with --WaitVMCA")->capture_default_str()->group("general");
  app.add_option("--filter", options.filter, "With --enumcert: all, active, revoked or expired")
      ->group("general");
  app.add_option("--option", options.option, "An option of the server")->group("general");
  app.add_flag("--force", options.force, "Overwrite a root or a key that is there")->group("general");
  app.add_flag("--json", options.json, "Print one object, also of a failure")->group("general");
}

// The page of help that was asked for; without a topic all of them.
void PrintHelp(const CLI::App& app, const std::string& topic) {
  if (topic.empty() || topic == "config" || topic == "files") {
    std::cout << "Usage: certool --COMMAND [--OPTION=VALUE ...]\n";
    for (const CLI::Option* option : app.get_options()) {
      const std::string& group = option->get_group();
      if (group == "commands" || (!topic.empty() && group != topic)) continue;
      std::cout << "  " << option->get_name() << "\n      " << option->get_description() << "\n";
    }
  }
  for (const char* const group : {"init", "functions"}) {
    if (!topic.empty() && topic != group) continue;
    std::cout << "\n" << group << ":\n";
    for (const Command& command : Commands()) {
      if (std::string_view(command.group) != group) continue;
      std::cout << "  --" << command.name;
      for (const char* const need : command.needs) std::cout << " --" << need << "=...";
      std::cout << "\n      " << command.what << "\n";
    }
  }
  if (topic.empty()) std::cout << "\n" << kFooter;
}

// The command that the command line names.
Result<const Command*> ChosenCommand(const CLI::App& app) {
  const Command* chosen = nullptr;
  for (const Command& command : Commands()) {
    if (app.count("--" + std::string(command.name)) == 0) continue;
    // Both together mean the certificate of a solution user that is put into its store by somebody else.
    const bool subject_alone = chosen != nullptr && std::string_view(chosen->name) == "gencert" &&
                               std::string_view(command.name) == "genCIScert";
    if (subject_alone) continue;
    if (chosen != nullptr) {
      return Error(ErrorCode::kInvalidArgument,
                   "--" + std::string(chosen->name) + " and --" + command.name + ": one command at a time");
    }
    chosen = &command;
  }
  if (chosen == nullptr) return Error(ErrorCode::kInvalidArgument, "no command; see certool --help");
  for (const char* const need : chosen->needs) {
    if (app.count("--" + std::string(need)) == 0) {
      return Error(ErrorCode::kInvalidArgument,
                   "--" + std::string(chosen->name) + " needs --" + need + "; see certool --help");
    }
  }
  return chosen;
}

Result<void> RunCommand(const CLI::App& app, Options& options) {
  const Command* const command = TRY(ChosenCommand(app));
  options.config_given = app.count("--config") > 0;
  options.predate_given = app.count("--predate") > 0;
  if (!options.srp_upn.empty() || !options.srp_password.empty()) {
    std::cerr << "certool: warning: --srp-upn and --srp-pwd are ignored: the authority obeys whom the kernel "
                 "lets write to the mount\n";
  }
  if (std::string_view(command->name) == "initcsr")
    (options.json ? std::cerr : std::cout) << "This is deprecated. Use gencsr instead.\n";
  return command->run(options);
}

// Says how it ended; where `object` is wanted, on stderr, unless it went well.
int Conclude(const Result<void>& end, Json* object) {
  const int code = end.has_value() ? 0 : CodeOf(end.error()).number;
  if (object == nullptr || code != 0) {
    std::ostream& out = object != nullptr ? std::cerr : std::cout;
    out << "Status : " << (code == 0 ? "Success" : "Failed") << "\n";
    if (code != 0) {
      out << "Error Code : " << code << "\nError Message : " << CodeOf(end.error()).text << ": "
          << end.error().message() << "\n";
    }
  }
  if (object == nullptr) return code % kExitCodes;
  (*object)["status"] = code == 0 ? "Success" : "Failed";
  if (code != 0) {
    const CodeRow& row = CodeOf(end.error());
    (*object)["error"] = {{"name", row.name},
                          {"number", code},
                          {"exit_code", code % kExitCodes},
                          {"message", end.error().message()}};
  }
  PrintJson(*object);
  return code % kExitCodes;
}

// Whether --json stands there, where the command line could not be understood.
bool WantsJson(int argc, char** argv) {
  return std::find(argv + 1, argv + argc, std::string_view("--json")) != argv + argc;
}

}  // namespace

std::unique_ptr<CLI::App> MakeParser(Options& options) {
  auto parser = std::make_unique<CLI::App>("Certificates of the authority in a certfs mount.", "certool");
  CLI::App& app = *parser;
  app.set_help_flag();
  app.add_option("--help", options.help_topic,
                 "Print help, or a part of it: init, functions, config or files")
      ->expected(0, 1)
      ->group("general");
  app.add_flag("--version", options.version, "Print the version, and end")->group("general");
  app.add_option("--viewerror", options.error_number, "Say what a number means")->group("general");
  for (const Command& command : Commands())
    app.add_flag("--" + std::string(command.name), command.what)->group("commands");
  AddFiles(app, options);
  AddConfig(app, options);
  AddGeneral(app, options);
  app.footer(kFooter);
  NameValues(app);
  return parser;
}

int Run(int argc, char** argv) {
  Options options;
  const auto app = MakeParser(options);
  const auto parsed = Parse(*app, argc, argv);
  Json object = Json::object();
  if (options.json || (!parsed.has_value() && WantsJson(argc, argv))) options.object = &object;
  if (!parsed.has_value()) return Conclude(parsed, options.object);
  if (argc == 1 || app->count("--help") > 0) {
    PrintHelp(*app, options.help_topic);
    return 0;
  }
  if (options.version) {
    std::cout << "certool " CERTFS_VERSION "\n";
    return 0;
  }
  ProtectSecrets();
  if (app->count("--viewerror") > 0) return Conclude(ViewError(options), options.object);
  return Conclude(RunCommand(*app, options), options.object);
}

}  // namespace certfs::certool
