// certfs package: signed packages, and encrypted ones, made, verified, listed and unpacked.

#include <iostream>
#include <memory>
#include <string>

#include "tools/commands.h"
#include "tools/package/commands.h"

namespace certfs {

namespace {

using package::CreateOptions;
using package::OpenOptions;

void AddMount(CLI::App& command, std::string& target) {
  command.add_option("--mount", target, "The mount to use; needed only when there are several");
}

void AddCreate(CLI::App& group, Action& action) {
  CLI::App* command = group.add_subcommand("create", "Pack files and directories, and sign the package");
  auto options = std::make_shared<CreateOptions>();
  command->add_option("PATH", options->paths, "Files and directories; each goes in under its last name")
      ->required()
      ->expected(1, -1);
  command->add_option("-o,--output", options->output, "The package")->required()->type_name("FILE");
  command->add_option("--sign-with", options->sign_with, "Whose key signs")
      ->type_name("STORE/ALIAS")
      ->capture_default_str();
  command
      ->add_option("--encrypt-to", options->encrypt_to,
                   "Encrypt to this certificate, a file or an entry; may stand more than once")
      ->expected(1)
      ->take_all()
      ->type_name("CERT");
  command->add_flag("--force", options->force, "Replace a package that is there");
  command->add_flag("--json", options->json, "Print one JSON object");
  AddMount(*command, options->mount);
  command->footer(
      "A package is a tar in CMS SignedData, which stock openssl opens as well; encrypted, that is in CMS\n"
      "AuthEnvelopedData. It holds plain files and directories: anything else is refused by its name.\n\n"
      "Examples:\n"
      "  certfs package create site -o site.package\n"
      "  certfs package create site -o site.package --encrypt-to data-encipherment/backup\n"
      "  openssl cms -verify -inform DER -in site.package -CAfile ca-bundle.pem -purpose any | tar -t");
  command->callback([options, &action] { action = [options] { return package::Create(*options); }; });
}

// What is common to those that open a package.
std::shared_ptr<OpenOptions> AddOpening(CLI::App& command) {
  auto options = std::make_shared<OpenOptions>();
  command.add_option("PACKAGE", options->package, "The package")->required();
  command
      .add_option("--decrypt-with", options->decrypt_with,
                  "The key, an entry or a file; default: that of the mount to which it is encrypted")
      ->expected(1)
      ->take_all()
      ->type_name("KEY");
  command
      .add_option("--password-file", options->password_file,
                  "The password of a file of --decrypt-with is in this file")
      ->type_name("FILE");
  command
      .add_option("--roots", options->roots, "Trust the certificates in this file, instead of the mount's")
      ->expected(1)
      ->take_all()
      ->type_name("FILE");
  command.add_option("--crl", options->lists, "Certificate revocation lists, besides")
      ->expected(1)
      ->take_all()
      ->type_name("FILE");
  command
      .add_option("--max-size", options->size_max, "The most that it may unpack to; K, M, G may stand behind")
      ->transform(CLI::Validator(CLI::AsSizeValue(false)).description(""))
      ->type_name("SIZE")
      ->default_str("4G");
  command.add_flag("--json", options->json, "Print one JSON object");
  AddMount(command, options->mount);
  return options;
}

void AddVerify(CLI::App& group, Action& action) {
  CLI::App* command = group.add_subcommand("verify", "Say who signed a package, and whether to believe it");
  auto options = AddOpening(*command);
  command->footer(
      "The signer's chain has to reach TRUSTED_ROOTS, and nothing in it may be expired now, or revoked by "
      "TRUSTED_ROOTS_CRLS.\n"
      "Exits 0 if it does, 6 if it only does not reach, 1 for everything else.\n\n"
      "Example: certfs package verify site.package");
  command->callback([options, &action] { action = [options] { return package::Verify(*options); }; });
}

void AddList(CLI::App& group, Action& action) {
  CLI::App* command = group.add_subcommand("list", "List what is in a package, and who signed it");
  auto options = AddOpening(*command);
  command->footer(
      "Nothing is listed unless the signature holds. Whether the signer is to be believed is only said.\n\n"
      "Example: certfs package list site.package");
  command->callback([options, &action] { action = [options] { return package::List(*options); }; });
}

void AddImport(CLI::App& group, Action& action) {
  CLI::App* command = group.add_subcommand("import", "Unpack a package into a directory");
  auto options = AddOpening(*command);
  command->add_option("DIR", options->directory, "Where to; made if it is not there")->required();
  command->add_flag("--accept-untrusted", options->accept_untrusted,
                    "Take it from a signer whom the trusted roots do not reach");
  command->add_flag("--replace", options->replace, "Files take the place of files that are there");
  command->footer(
      "Nothing is unpacked before the whole signature is verified, and either all of it or nothing gets to "
      "DIR.\n"
      "A signer whom TRUSTED_ROOTS does not reach is shown, and asked about on the terminal; without one "
      "the\n"
      "package is refused (6). One that is expired or revoked is refused whatever the options.\n\n"
      "Examples:\n"
      "  certfs package import site.package /srv/site\n"
      "  certfs package import site.package /srv/site --replace --accept-untrusted");
  command->callback([options, &action] { action = [options] { return package::Import(*options); }; });
}

}  // namespace

void AddPackageCommand(CLI::App& app, Action& action) {
  CLI::App* group = app.add_subcommand("package", "Make, verify and unpack signed packages");
  group->require_subcommand(1);
  AddCreate(*group, action);
  AddImport(*group, action);
  AddList(*group, action);
  AddVerify(*group, action);
  group->footer(
      "Each of them has a --help of its own.\n\nExample: certfs package create site -o site.package");
}

}  // namespace certfs
