#include "tools/authority/part.h"

#include <sys/stat.h>

#include <utility>

#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "tools/bundle_file.h"
#include "tools/request_text.h"
#include "tools/system.h"

namespace certfs::authority {

CLI::App* AddPart(CLI::App& command, const char* name, const char* what, PartOptions& options,
                  Prints prints) {
  CLI::App* part = command.add_subcommand(name, what);
  part->set_version_flag("--version", "certfs " CERTFS_VERSION);
  part->add_option("--mount", options.mount, "The mount to use; needed only when there are several");
  if (prints == Prints::kData) part->add_flag("--json", options.json, "As one JSON object");
  return part;
}

void AddNewAuthorityOptions(CLI::App& part, NewAuthorityOptions& options) {
  CLI::Option* import =
      part.add_option("--import", options.import,
                      "Instead of a new root: the key and certificate of a CA, and its chain, in one file "
                      "or several (PKCS#12, PEM, DER)");
  part.add_option("--password-file", options.password_file, "The password of what --import names")
      ->needs(import);
  const std::pair<const char*, std::string*> names[] = {
      {"--name", &options.name},   {"--organization", &options.organization},
      {"--unit", &options.unit},   {"--country", &options.country},
      {"--state", &options.state}, {"--locality", &options.locality},
  };
  for (const auto& [option, value] : names)
    part.add_option(option, *value, "Of the root's subject")->excludes(import);
  part.add_option("--key", options.key, "Its key; ec-p384 unless said otherwise")
      ->check(CLI::IsMember({"ec-p256", "ec-p384", "rsa-3072", "rsa-4096"}))
      ->excludes(import);
  part.add_option("--days", options.days, "How long it is valid; 3650 unless said otherwise")
      ->check(CLI::Range(1U, 36500U))
      ->excludes(import);
  part.add_option("--path-length", options.path_length, "How many CAs may stand below it")
      ->check(CLI::Range(0, 16))
      ->excludes(import);
  part.add_option("--permit", options.permitted,
                  "Only such names may be certified: DNS:example.com, IP:10.0.0.0/8, email:example.com")
      ->excludes(import);
  part.add_option("--exclude", options.excluded, "No such name may be certified")->excludes(import);
}

Result<void> Describe(const NewAuthorityOptions& options, ControlCommand& command) {
  if (!options.import.empty()) {
    command.Payload(TRY(ReadKeyAndChain(options.import, options.password_file)).Reveal());
    return {};
  }
  if (!options.key.empty()) command.Option("key", options.key);
  if (options.days != 0) command.Option("days", options.days);
  if (options.path_length >= 0)
    command.Option("path-length", static_cast<std::uint64_t>(options.path_length));
  for (const std::string& name : options.permitted) command.Option("permit", name);
  for (const std::string& name : options.excluded) command.Option("exclude", name);

  RequestText subject;
  const std::pair<const char*, const std::string*> fields[] = {
      {"Country", &options.country},           {"State", &options.state},  {"Locality", &options.locality},
      {"Organization", &options.organization}, {"OrgUnit", &options.unit}, {"Name", &options.name},
  };
  for (const auto& [key, value] : fields) {
    if (!value->empty()) subject.Set(key, *value, key);
  }
  if (subject.empty()) return {};
  // An authority is called something, whatever else is said of it.
  if (options.name.empty()) subject.Set("Name", "certfs CA", "Name");
  auto parsed = subject.Parse();
  if (!parsed.has_value()) return Error(ErrorCode::kInvalidArgument, parsed.error().message());
  command.Payload(AsBytes(subject.text()));
  return {};
}

Result<void> NameCertificate(const std::string& target, ControlCommand& command) {
  struct stat status {};
  if (target != "-" && (stat(target.c_str(), &status) != 0 || !S_ISREG(status.st_mode))) {
    command.Word(target);
    return {};
  }
  auto bytes = ReadWholeFile(target, kFileBytesMax);
  if (!bytes.has_value()) return Error(ErrorCode::kInvalidArgument, bytes.error().message());
  auto file = ReadCertificateFile(bytes.value());
  if (!file.has_value()) return std::move(file).error().Within(target);
  command.Payload(WritePem("CERTIFICATE", file.value().certificates.front().der()).Reveal());
  return {};
}

}  // namespace certfs::authority
