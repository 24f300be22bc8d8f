#include "tools/documentation/outline.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace certfs::documentation {

namespace {

constexpr std::array<std::pair<std::string_view, Proposes>, 15> kProposals{{
    {"FILE", Proposes::kFile},
    {"CERT", Proposes::kFile},
    {"[NAME=]FILE", Proposes::kFile},
    {"PATH", Proposes::kFile},
    {"PACKAGE", Proposes::kFile},
    {"DIR", Proposes::kDirectory},
    {"KEYSTORE", Proposes::kDirectory},
    {"MOUNTPOINT", Proposes::kMount},
    {"MOUNT|KEYSTORE", Proposes::kMount},
    {"STORE", Proposes::kStore},
    {"ALIAS", Proposes::kAlias},
    {"ENTRY", Proposes::kEntry},
    {"TARGET", Proposes::kEntry},
    {"STORE/ALIAS", Proposes::kEntry},
    {"CERTIFICATE", Proposes::kSubject},
}};

// CLI11 writes "TYPE:VALIDATOR": "TEXT:{server,client,any}", "UINT:UINT in [1 - 36500]".
void ReadType(const std::string& type, OptionOutline& outline) {
  const std::size_t colon = type.find(':');
  outline.value = type.substr(0, colon);
  if (colon == std::string::npos) return;
  const std::string validator = type.substr(colon + 1);
  if (validator.size() > 2 && validator.front() == '{' && validator.back() == '}') {
    outline.choices = CLI::detail::split(validator.substr(1, validator.size() - 2), ',');
    return;
  }
  const std::size_t open = validator.find('[');
  const std::size_t close = validator.find(']');
  if (open != std::string::npos && close != std::string::npos)
    outline.range = validator.substr(open + 1, close - open - 1);
}

OptionOutline OutlineOf(const CLI::Option& option) {
  OptionOutline outline;
  for (const std::string& name : option.get_snames()) outline.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) outline.names.push_back("--" + name);
  outline.what = option.get_description();
  outline.group = option.get_group();
  outline.preset = option.get_default_str();
  outline.required = option.get_required();
  outline.value_optional = option.get_items_expected_min() == 0;
  if (option.get_items_expected_max() == 0) return outline;
  ReadType(option.get_type_name(), outline);
  const bool many = option.get_items_expected_max() > 1;
  outline.repeated = many || option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
  if (!option.nonpositional()) outline.value = option.get_name(true);
  return outline;
}

void AddOptions(const CLI::App& app, CommandOutline& outline) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    auto& list = option->nonpositional() ? outline.options : outline.arguments;
    list.push_back(OutlineOf(*option));
  }
  // Groups of options are nameless commands to CLI11.
  for (const CLI::App* group :
       app.get_subcommands([](const CLI::App* each) { return each->get_name().empty(); }))
    AddOptions(*group, outline);
}

CommandOutline OutlineBelow(const CLI::App& app, const std::string& above) {
  CommandOutline outline;
  outline.name = app.get_name();
  outline.path = above.empty() ? outline.name : above + " " + outline.name;
  outline.what = app.get_description();
  outline.footer = app.get_footer();
  AddOptions(app, outline);
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name().empty() || command->get_group().empty()) continue;
    outline.commands.push_back(OutlineBelow(*command, outline.path));
  }
  return outline;
}

}  // namespace

Proposes OptionOutline::proposes() const {
  if (!choices.empty()) return Proposes::kChoices;
  // Whatever a program calls its value.
  if (std::find(names.begin(), names.end(), "--mount") != names.end()) return Proposes::kMount;
  for (const auto& [name, proposal] : kProposals) {
    if (value == name) return proposal;
  }
  return Proposes::kNothing;
}

CommandOutline OutlineOf(const CLI::App& app) { return OutlineBelow(app, ""); }

}  // namespace certfs::documentation
