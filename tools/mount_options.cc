#include "tools/mount_options.h"

#include <array>

#include "tools/suggestion.h"

namespace certfs {

namespace {

using Kind = MountOptionKind;

constexpr std::string_view kAlways = "Understood; always holds.";
constexpr std::string_view kNotOurs = "Ignored: for mount(8), fstab(5) and systemd.";
// As fusermount3(1) has it for whoever is not root: asked for, and not given.
constexpr std::string_view kNever = "Ignored: nosuid, nodev and noexec always hold.";
constexpr std::string_view kAlwaysDurable = "Ignored: a write is durable when it is closed.";
constexpr std::string_view kReadingChangesNothing = "Ignored: reading changes no times.";

constexpr std::array kRows{
    MountOptionRow{"subtree", "stores", Kind::kMount, "The root of the mount is stores/."},
    MountOptionRow{"ro", "", Kind::kMount, "Nothing can be changed."},
    MountOptionRow{"audit-mib", "NUMBER", Kind::kMount,
                   "How large a file of the audit log becomes, in MiB: 1 to 1024; 16 without it."},
    MountOptionRow{"audit-files", "NUMBER", Kind::kMount,
                   "How many files of the audit log are kept: 2 to 200; 8 without it."},
    MountOptionRow{"keyfile", "FILE", Kind::kCommand, "Unlock with this file of 32 bytes."},
    MountOptionRow{"passphrase-file", "FILE", Kind::kCommand,
                   "Unlock with the passphrase in this file; one trailing newline is ignored."},
    MountOptionRow{"recovery-key", "FILE", Kind::kCommand,
                   "Unlock with the private key of a recovery certificate."},
    MountOptionRow{"log-level", "LEVEL", Kind::kCommand,
                   "The least that is logged: error, warning, info or debug."},
    MountOptionRow{"high-water", "FILE", Kind::kCommand,
                   "Remember there how far the keystore has come, and refuse one that is older."},
    MountOptionRow{"settings", "FILE", Kind::kCommand,
                   "The settings to use, instead of /etc/certfs/certfs.toml."},
    MountOptionRow{"rw", "", Kind::kMount, kAlways},
    MountOptionRow{"allow_other", "", Kind::kMount, kAlways},
    MountOptionRow{"default_permissions", "", Kind::kMount, kAlways},
    MountOptionRow{"nosuid", "", Kind::kMount, kAlways},
    MountOptionRow{"nodev", "", Kind::kMount, kAlways},
    MountOptionRow{"noexec", "", Kind::kMount, kAlways},
    MountOptionRow{"sync", "", Kind::kMount, kAlways},
    MountOptionRow{"dirsync", "", Kind::kMount, kAlways},
    MountOptionRow{"async", "", Kind::kIgnored, kAlwaysDurable},
    MountOptionRow{"suid", "", Kind::kIgnored, kNever},
    MountOptionRow{"dev", "", Kind::kIgnored, kNever},
    MountOptionRow{"exec", "", Kind::kIgnored, kNever},
    MountOptionRow{"defaults", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"auto", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"noauto", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"nofail", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"_netdev", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"user", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"users", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"nouser", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"owner", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"group", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"atime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"noatime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"diratime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"nodiratime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"relatime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"norelatime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"strictatime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"nostrictatime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"lazytime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"nolazytime", "", Kind::kIgnored, kReadingChangesNothing},
    MountOptionRow{"silent", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"loud", "", Kind::kIgnored, kNotOurs},
    MountOptionRow{"x-", "ANYTHING", Kind::kIgnored, kNotOurs},
    MountOptionRow{"X-", "ANYTHING", Kind::kIgnored, kNotOurs},
    MountOptionRow{"comment", "TEXT", Kind::kIgnored, kNotOurs},
};

Error Wrong(std::string_view option, const std::string& words) {
  return {ErrorCode::kInvalidArgument, "-o " + std::string(option) + ": " + words};
}

bool IsPrefix(const MountOptionRow& row) { return row.name.back() == '-'; }

// What `reader` does something about.
bool Heeds(MountOptionsOf reader, const MountOptionRow& row) {
  return row.kind == Kind::kMount || (row.kind == Kind::kCommand && reader == MountOptionsOf::kMount8);
}

}  // namespace

std::span<const MountOptionRow> MountOptionRows() { return kRows; }

Result<const MountOptionRow*> FindMountOption(std::string_view option, MountOptionsOf reader) {
  const std::size_t equals = option.find('=');
  const std::string_view name = option.substr(0, equals);
  std::vector<std::string> known;
  for (const MountOptionRow& row : kRows) {
    if (IsPrefix(row) && name.substr(0, row.name.size()) == row.name) return &row;
    if (row.kind == Kind::kMount || reader == MountOptionsOf::kMount8) known.emplace_back(row.name);
    if (row.name != name) continue;
    if (row.value.empty() && equals != std::string_view::npos) return Wrong(option, "takes no value");
    const bool valued = equals != std::string_view::npos && equals + 1 < option.size();
    if (!row.value.empty() && !valued)
      return Wrong(option, "needs a value: " + std::string(name) + "=" + std::string(row.value));
    return &row;
  }
  if (name == "remount")
    return Wrong(option, "what is mounted keeps its options; unmount it, and mount it anew");
  const auto meant = Nearest(name, known);
  std::string ours;
  for (const MountOptionRow& row : kRows) {
    if (!Heeds(reader, row)) continue;
    ours += (ours.empty() ? "" : ", ") + std::string(row.name);
    if (!row.value.empty()) ours += "=" + std::string(row.value);
  }
  return Wrong(option, "there is no such option" +
                           (meant ? "; did you mean '" + *meant + "'?" : std::string()) + "; known are " +
                           ours);
}

std::vector<std::string> SplitMountOptions(std::string_view text) {
  std::vector<std::string> options;
  std::string option;
  bool quoted = false;
  for (const char each : text) {
    if (each == '"') {
      quoted = !quoted;
    } else if (each == ',' && !quoted) {
      if (!option.empty()) options.push_back(option);
      option.clear();
    } else {
      option += each;
    }
  }
  if (!option.empty()) options.push_back(option);
  return options;
}

}  // namespace certfs
