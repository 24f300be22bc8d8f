#include "tools/settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "tools/log_level.h"
#include "tools/suggestion.h"
#include "tools/toml_reading.h"

namespace certfs {

namespace {

constexpr std::string_view kMountTable = "mount.NAME";
constexpr std::string_view kRenewTable = "renew";
constexpr std::string_view kWatchTable = "watch.NAME";

// All keys; what reads them stands in the same order below.
constexpr std::array kRows{
    SettingRow{kMountTable, "keystore", "path", "The keystore's directory. Needed."},
    SettingRow{kMountTable, "mountpoint", "path",
               "Where it is mounted. Needed, but mount(8) says it itself, as fstab(5) does."},
    SettingRow{kMountTable, "keyfile", "path",
               "Unlock with this file of 32 bytes. Without this and the next three it is KEYSTORE.key."},
    SettingRow{kMountTable, "passphrase_file", "path",
               "Unlock with the passphrase in this file; one trailing newline is ignored."},
    SettingRow{kMountTable, "credential", "name",
               "Unlock with this credential of systemd; certfs@.service hands over \"certfs.key\"."},
    SettingRow{kMountTable, "recovery_key", "path",
               "Unlock with the private key of a recovery certificate, which has no passphrase."},
    SettingRow{kMountTable, "subtree", "text", "\"stores\": the root of the mount is stores/."},
    SettingRow{kMountTable, "read_only", "true or false", "Nothing can be changed. Without it: false."},
    SettingRow{kMountTable, "log_level", "text",
               "The least that is logged: \"error\", \"warning\", \"info\" or \"debug\". Without it: info."},
    SettingRow{kMountTable, "audit_mib", "1 to 1024", "How large a file of the audit log grows, in MiB."},
    SettingRow{kMountTable, "audit_files", "2 to 200", "How many files of the audit log are kept."},
    SettingRow{kMountTable, "high_water", "path",
               "Remember in this file, outside of the keystore, how far that has come; refuse one that is "
               "older."},
    SettingRow{kRenewTable, "within", "text",
               "certfs renew --all renews what expires within so many days. Without it: \"30d\"."},
    SettingRow{kRenewTable, "mount", "path",
               "The mountpoint to renew in; needed only when there are several."},
    SettingRow{kWatchTable, "entries", "list of texts",
               "What is watched: STORE/ALIAS, or paths to entries or files of them. Needed."},
    SettingRow{kWatchTable, "command", "text, or list of texts",
               "What is run for each change: a text by /bin/sh, a list as it is. Needed."},
    SettingRow{kWatchTable, "mount", "path",
               "The mountpoint that STORE/ALIAS is of; needed only when there are several."},
};

std::vector<std::string> KeysOf(std::string_view table) {
  std::vector<std::string> keys;
  for (const SettingRow& row : kRows) {
    if (row.table == table) keys.emplace_back(row.key);
  }
  return keys;
}

// The keys of one table, by name. Each of these leaves `value` alone where there is no such key.
class Section {
 public:
  static Result<Section> Open(const toml::node& node, std::string_view table, const std::string& name) {
    if (!node.is_table()) return WrongAt(node.source(), name + " is a table: [" + name + "]");
    TRY(CheckKeys(*node.as_table(), KeysOf(table)));
    return Section(*node.as_table(), name);
  }

  Result<void> Text(std::string_view key, std::string& value) const {
    const toml::node* const node = table_->get(key);
    if (node == nullptr) return {};
    const auto text = node->value_exact<std::string>();
    if (!text || text->empty()) return WrongAt(node->source(), std::string(key) + " is a text");
    value = *text;
    return {};
  }
  // Services run in a directory of their own.
  Result<void> Path(std::string_view key, std::string& value) const {
    TRY(Text(key, value));
    if (value.empty() || value.front() == '/') return {};
    return WrongAt(table_->get(key)->source(), std::string(key) + " is an absolute path");
  }
  Result<void> Flag(std::string_view key, bool& value) const {
    const toml::node* const node = table_->get(key);
    if (node == nullptr) return {};
    const auto flag = node->value_exact<bool>();
    if (!flag) return WrongAt(node->source(), std::string(key) + " is true or false");
    value = *flag;
    return {};
  }
  Result<void> Number(std::string_view key, std::int64_t least, std::int64_t most,
                      std::int64_t& value) const {
    const toml::node* const node = table_->get(key);
    if (node == nullptr) return {};
    const auto number = node->value_exact<std::int64_t>();
    if (!number || *number < least || *number > most) {
      return WrongAt(node->source(), std::string(key) + " is a number from " + std::to_string(least) +
                                         " to " + std::to_string(most));
    }
    value = *number;
    return {};
  }
  const toml::node* Find(std::string_view key) const { return table_->get(key); }
  Error Wrong(std::string_view key, const std::string& words) const {
    return WrongAt(table_->get(key)->source(), std::string(key) + " " + words);
  }
  Error Missing(std::string_view key) const {
    return WrongAt(table_->source(), "[" + name_ + "] has no " + std::string(key));
  }

 private:
  Section(const toml::table& table, std::string name) : table_(&table), name_(std::move(name)) {}
  const toml::table* table_;
  std::string name_;
};

Result<void> ReadUnlock(const Section& section, UnlockOptions& unlock) {
  TRY(section.Path("keyfile", unlock.key_file));
  TRY(section.Path("passphrase_file", unlock.passphrase_file));
  TRY(section.Text("credential", unlock.credential));
  TRY(section.Path("recovery_key", unlock.recovery_key));
  std::string_view first;
  for (const std::string_view key : {"keyfile", "passphrase_file", "credential", "recovery_key"}) {
    if (section.Find(key) == nullptr) continue;
    if (!first.empty())
      return section.Wrong(key, "stands beside " + std::string(first) + ": one of them is enough");
    first = key;
  }
  return {};
}

Result<MountSettings> ReadMount(const std::string& name, const toml::node& node) {
  const Section section = TRY(Section::Open(node, kMountTable, "mount." + name));
  MountSettings mount;
  mount.name = name;
  TRY(section.Path("keystore", mount.keystore));
  if (mount.keystore.empty()) return section.Missing("keystore");
  TRY(section.Path("mountpoint", mount.mountpoint));
  TRY(ReadUnlock(section, mount.unlock));
  std::string subtree;
  TRY(section.Text("subtree", subtree));
  if (!subtree.empty() && subtree != "stores") return section.Wrong("subtree", "can only be \"stores\"");
  mount.stores_only = !subtree.empty();
  TRY(section.Flag("read_only", mount.read_only));
  TRY(section.Text("log_level", mount.log_level));
  if (!mount.log_level.empty() && !IsLogLevel(mount.log_level))
    return section.Wrong("log_level", "is error, warning, info or debug");
  TRY(section.Number("audit_mib", 1, 1024, mount.audit_mib));
  TRY(section.Number("audit_files", 2, 200, mount.audit_files));
  TRY(section.Path("high_water", mount.high_water));
  return mount;
}

// "30d", as ca/control reads it.
bool IsDays(std::string_view text) {
  unsigned days = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), days);
  return fault == std::errc() && std::string_view(end, text.data() + text.size() - end) == "d";
}

Result<RenewSettings> ReadRenew(const toml::node& node) {
  const Section section = TRY(Section::Open(node, kRenewTable, "renew"));
  RenewSettings renew;
  TRY(section.Text("within", renew.within));
  if (!renew.within.empty() && !IsDays(renew.within))
    return section.Wrong("within", "is a number of days, as \"30d\"");
  TRY(section.Path("mount", renew.mount));
  return renew;
}

Result<WatchSettings> ReadWatch(const std::string& name, const toml::node& node) {
  const Section section = TRY(Section::Open(node, kWatchTable, "watch." + name));
  WatchSettings watch;
  watch.name = name;
  if (section.Find("entries") == nullptr) return section.Missing("entries");
  watch.entries = TRY(WordsOf(*section.Find("entries"), "entries"));
  if (section.Find("command") == nullptr) return section.Missing("command");
  watch.command = TRY(CommandOf(*section.Find("command"), "command"));
  TRY(section.Path("mount", watch.mount));
  return watch;
}

// Reads [KIND.NAME] for each NAME into `list`.
template <typename Table>
Result<void> ReadTables(const toml::table& table, const std::string& kind, std::vector<Table>& list,
                        Result<Table> (*read)(const std::string&, const toml::node&)) {
  const toml::node* const node = table.get(kind);
  if (node == nullptr) return {};
  if (!node->is_table()) return WrongAt(node->source(), kind + " has tables: [" + kind + ".NAME]");
  for (const auto& [key, value] : *node->as_table()) {
    const std::string name(key.str());
    if (name.empty() || !IsTableName(name)) return WrongAt(key.source(), "'" + name + "': a name has no '/'");
    list.push_back(TRY(read(name, value)));
  }
  return {};
}

template <typename Table>
const Table* FindTable(const std::vector<Table>& list, std::string_view name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const Table& each) { return each.name == name; });
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

const MountSettings* MachineSettings::FindMount(std::string_view name) const {
  return FindTable(mounts, name);
}
const WatchSettings* MachineSettings::FindWatch(std::string_view name) const {
  return FindTable(watches, name);
}

Result<MachineSettings> ParseMachineSettings(std::string_view text) {
  const toml::table table = TRY(ParseToml(text));
  TRY(CheckKeys(table, {"mount", "renew", "watch"}));
  MachineSettings settings;
  TRY(ReadTables(table, "mount", settings.mounts, ReadMount));
  if (const toml::node* const renew = table.get("renew")) settings.renew = TRY(ReadRenew(*renew));
  TRY(ReadTables(table, "watch", settings.watches, ReadWatch));
  return settings;
}

Result<MachineSettings> ReadMachineSettings(const std::string& named) {
  if (named.empty() && access(kSettingsFile, F_OK) != 0) return MachineSettings();
  const std::filesystem::path file = named.empty() ? kSettingsFile : named;
  auto settings = ParseMachineSettings(TRY(ReadTomlText(file)));
  if (!settings.has_value()) return std::move(settings).error().Within(file.string());
  settings.value().file = file;
  return settings;
}

void AddSettingsOption(CLI::App& command, std::string& file) {
  command.add_option("--settings", file, std::string("The settings to use, instead of ") + kSettingsFile);
}

bool IsTableName(std::string_view text) { return text.find('/') == std::string_view::npos; }

Error NoSuchTable(const MachineSettings& settings, std::string_view kind, const std::string& name) {
  if (settings.file.empty()) {
    return {ErrorCode::kInvalidArgument, name + ": is no path, and " + kSettingsFile + ", where [" +
                                             std::string(kind) + "." + name + "] would stand, is not there"};
  }
  std::vector<std::string> known;
  if (kind == "mount") {
    for (const MountSettings& each : settings.mounts) known.push_back(each.name);
  } else {
    for (const WatchSettings& each : settings.watches) known.push_back(each.name);
  }
  const auto meant = Nearest(name, known);
  return {ErrorCode::kInvalidArgument, settings.file.string() + ": has no [" + std::string(kind) + "." +
                                           name + "]" + (meant ? "; did you mean '" + *meant + "'?" : "") +
                                           "; a path would have a '/' in it"};
}

std::span<const SettingRow> SettingRows() { return kRows; }

}  // namespace certfs
