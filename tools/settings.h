// The settings of this machine: /etc/certfs/certfs.toml, or the file that --settings names. What is mounted
// where and how, under a name that services and fstab(5) can say; when to renew; what to run when entries
// change.
//
// Thread-safety: main thread only. Errors: kInvalidArgument, naming the file and the line. A key that nobody
// knows is refused, because a misspelled one would silently not hold.

#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"
#include "tools/unlock.h"

namespace certfs {

inline constexpr auto kSettingsFile = "/etc/certfs/certfs.toml";

// [mount.NAME]
struct MountSettings {
  std::string name;
  std::string keystore;
  std::string mountpoint;
  UnlockOptions unlock;
  bool stores_only = false;
  bool read_only = false;
  std::string log_level;       // Empty: as without settings.
  std::int64_t audit_mib = 0;  // 0: as without settings.
  std::int64_t audit_files = 0;
  std::string high_water;
};

// [renew]
struct RenewSettings {
  std::string within;  // "30d"; empty: as without settings.
  std::string mount;
};

// [watch.NAME]
struct WatchSettings {
  std::string name;
  std::vector<std::string> entries;
  std::vector<std::string> command;
  std::string mount;
};

struct MachineSettings {
  std::filesystem::path file;  // Empty if there is none.
  std::vector<MountSettings> mounts;
  RenewSettings renew;
  std::vector<WatchSettings> watches;

  // Nothing where no table has that name.
  const MountSettings* FindMount(std::string_view name) const;
  const WatchSettings* FindWatch(std::string_view name) const;
};

Result<MachineSettings> ParseMachineSettings(std::string_view text);

// Reads `named`, or where nothing is named kSettingsFile, if it is there.
Result<MachineSettings> ReadMachineSettings(const std::string& named);

// Adds --settings to `command`.
void AddSettingsOption(CLI::App& command, std::string& file);

// Says whether `text`, an argument, can be the name of a table rather than a path: it has no slash in it.
bool IsTableName(std::string_view text);

// What is said where no table [`kind`.`name`] is in the settings: which there are, and which may be meant.
Error NoSuchTable(const MachineSettings& settings, std::string_view kind, const std::string& name);

// A row for each key that there is, in the order in which they are described.
struct SettingRow {
  std::string_view table;  // "mount.NAME"
  std::string_view key;
  std::string_view type;
  std::string_view what;
};
std::span<const SettingRow> SettingRows();

}  // namespace certfs
