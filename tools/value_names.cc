#include "tools/value_names.h"

#include <string>
#include <string_view>

namespace certfs {

namespace {

struct Row {
  std::string_view value;
  std::string_view options;  // Each between spaces.
};

// Of an option that is in none of the rows the value is a NAME.
constexpr Row kRows[] = {
    {"FILE",
     " password-file out config cert key cert-file key-file output root crl csrfile currcrl outprivkey "
     "outcert privkey "
     "pubkey recovery recovery-key passphrase-file new-passphrase-file new-keyfile keyfile key-out "
     "keep-keyfile "
     "keep-passphrase-file import services settings encrypt-to decrypt-with "},
    {"DIR", " requests backed-up "},
    {"MOUNTPOINT", " mount "},
    {"STORE", " store "},
    {"ALIAS", " alias "},
    {"DAYS", " within expiring days "},
    {"TIME", " at "},
    {"N", " path-length port wait predate viewerror "},
    {"COMMAND", " reload-command "},
    {"HOST", " server listen host FQDN "},
    {"TOPIC", " help "},
};

std::string NameOf(const CLI::Option& option) {
  for (const std::string& name : option.get_lnames()) {
    for (const Row& row : kRows) {
      if (row.options.find(" " + name + " ") != std::string_view::npos) return std::string(row.value);
    }
  }
  return "NAME";
}

// What CLI11 called it; what a validator says of it follows behind a colon.
std::string TypeOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

void NameValue(CLI::Option& option) {
  const std::string type = TypeOf(option);
  const bool nameless = type == "TEXT" || type == "INT" || type == "UINT";
  if (!nameless || option.get_items_expected_max() == 0) return;
  if (!option.nonpositional()) {
    option.type_name("");  // An argument is called by its own name.
  } else if (option.get_type_name().find(":{") != std::string::npos) {
    option.type_name("WORD");
  } else {
    option.type_name(NameOf(option));
  }
}

}  // namespace

void NameValues(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) NameValue(*option);
  for (CLI::App* command : app.get_subcommands({})) NameValues(*command);
}

}  // namespace certfs
