// certfs ca init, import and show: an authority comes to be, and says what it is.

#include <iostream>

#include "tools/authority/part.h"
#include "tools/authority/report.h"
#include "tools/json_text.h"
#include "tools/system.h"

namespace certfs::authority {

namespace {

struct InitOptions : PartOptions {
  NewAuthorityOptions authority;
};

struct ImportOptions : PartOptions {
  NewAuthorityOptions authority;
  bool replace = false;
};

Result<ExitCode> Tell(const Json& answer, const PartOptions& options, const Mount& mount) {
  if (options.json) {
    PrintJson(answer);
    return ExitCode::kOk;
  }
  WriteAuthority(std::cout, FieldOf(answer, "authority"));
  std::cout << "Its root is trusted (TRUSTED_ROOTS) and shown as "
            << (mount.mountpoint / "ca/root.pem").string()
            << ".\nIts key lies in the keystore and nowhere else: once an export password is set, back it up "
               "with certfs ca backup.\n";
  return ExitCode::kOk;
}

Result<ExitCode> Init(const InitOptions& options) {
  ProtectSecrets();
  const Mount mount = TRY(ChooseMount(options.mount));
  ControlCommand command(options.authority.import.empty() ? "init" : "import");
  TRY(Describe(options.authority, command));
  return Tell(TRY(Ask(mount, command)), options, mount);
}

Result<ExitCode> Import(const ImportOptions& options) {
  ProtectSecrets();
  const Mount mount = TRY(ChooseMount(options.mount));
  ControlCommand command("import");
  if (options.replace) command.Flag("replace");
  TRY(Describe(options.authority, command));
  return Tell(TRY(Ask(mount, command)), options, mount);
}

void WriteShown(const Json& shown) {
  const Json& authority = FieldOf(shown, "authority");
  const Json& certificates = FieldOf(shown, "certificates");
  for (const Json& each : certificates.is_array() ? certificates : Json::array({authority})) {
    WriteAuthority(std::cout, each);
    std::cout << "\n";
  }
  std::cout << "profiles:";
  for (const Json& profile : FieldOf(shown, "profiles"))
    std::cout << " " << (profile.is_string() ? profile.get<std::string>() : std::string());
  std::cout << "\nissued: " << NumberOf(shown, "issued") << "\n";
  if (FieldOf(shown, "replacement").is_object()) WriteReplacement(std::cout, FieldOf(shown, "replacement"));
}

Result<ExitCode> Show(const PartOptions& options) {
  const Mount mount = TRY(ChooseMount(options.mount));
  const Json shown = TRY(Ask(mount, ControlCommand("show")));
  if (options.json) {
    PrintJson(shown);
  } else if (!FieldOf(shown, "authority").is_object()) {
    return Error(ErrorCode::kNotFound, "there is no authority yet: certfs ca init makes one");
  } else {
    WriteShown(shown);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddInit(CLI::App& command, Action& action) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* part = AddPart(command, "init", "Make an authority", *options, Prints::kData);
  AddNewAuthorityOptions(*part, options->authority);
  part->footer(
      "Without --name and the like it is called \"certfs CA\", of the organization named like this host.\n\n"
      "Example: certfs ca init --name \"Acme CA\" --organization Acme --permit DNS:acme.com");
  part->callback([options, &action] { action = [options] { return Init(*options); }; });
}

void AddImport(CLI::App& command, Action& action) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* part = AddPart(command, "import", "Take the key and certificate of a CA from elsewhere", *options,
                           Prints::kData);
  part->add_option("FILE", options->authority.import,
                   "Key, certificate and chain, in one file or several (PKCS#12, PEM, DER)")
      ->required();
  part->add_option("--password-file", options->authority.password_file,
                   "The password of FILE; one trailing newline is ignored");
  part->add_flag("--replace", options->replace,
                 "While there is an authority: issue with this one from now on, and retire the other");
  part->callback([options, &action] { action = [options] { return Import(*options); }; });
}

void AddShow(CLI::App& command, Action& action) {
  auto options = std::make_shared<PartOptions>();
  CLI::App* part =
      AddPart(command, "show", "Show the authority, its certificates and profiles", *options, Prints::kData);
  part->callback([options, &action] { action = [options] { return Show(*options); }; });
}

}  // namespace certfs::authority
