// certfs mount: unlocks a keystore and serves it, in the background unless told otherwise.

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/fuse/mount_options.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/log_level.h"
#include "tools/mount_handover.h"
#include "tools/mount_options.h"
#include "tools/mount_processes.h"
#include "tools/mounts.h"
#include "tools/settings.h"
#include "tools/system.h"
#include "tools/unlock.h"

namespace certfs {

namespace {

struct MountCommandOptions {
  std::string keystore;
  std::string mountpoint;
  UnlockOptions unlock;
  std::vector<std::string> mount_options;
  std::string settings;
  std::string high_water;
  std::string log_level;
  bool foreground = false;
};

// Where KEYSTORE is the name of a mount in the settings, these say what the command line does not.
Result<void> AddSettings(MountCommandOptions& options) {
  const bool may_be_name = IsTableName(options.keystore);
  if (!may_be_name && options.mountpoint.empty())
    return UsageError("the MOUNTPOINT is missing: certfs mount KEYSTORE MOUNTPOINT");
  if (!may_be_name) return {};
  const MachineSettings settings = TRY(ReadMachineSettings(options.settings));
  const MountSettings* const named = settings.FindMount(options.keystore);
  if (named == nullptr && options.mountpoint.empty()) return NoSuchTable(settings, "mount", options.keystore);
  if (named == nullptr) return {};  // A directory beside the caller.
  if (options.mountpoint.empty()) options.mountpoint = named->mountpoint;
  if (options.mountpoint.empty())
    return UsageError(settings.file.string() + ": [mount." + named->name + "] has no mountpoint");
  options.keystore = named->keystore;
  if (!options.unlock.given()) options.unlock = named->unlock;
  if (options.log_level.empty()) options.log_level = named->log_level;
  if (options.high_water.empty()) options.high_water = named->high_water;
  if (named->stores_only) options.mount_options.emplace_back("subtree=stores");
  if (named->read_only) options.mount_options.emplace_back("ro");
  // In front, so that what the command line says holds.
  auto& list = options.mount_options;
  if (named->audit_mib != 0) list.insert(list.begin(), "audit-mib=" + std::to_string(named->audit_mib));
  if (named->audit_files != 0) list.insert(list.begin(), "audit-files=" + std::to_string(named->audit_files));
  return {};
}

// The number behind the "=" of `option`.
Result<std::uint32_t> AuditNumber(const std::string& option, std::uint32_t least, std::uint32_t most) {
  const std::string_view text = std::string_view(option).substr(option.find('=') + 1);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most)
    return UsageError("-o " + option + ": is a number from " + std::to_string(least) + " to " +
                      std::to_string(most));
  return number;
}

Result<void> ApplyMountOption(const std::string& option, MountOptions& mount) {
  if (TRY(FindMountOption(option, MountOptionsOf::kCertfsMount))->kind != MountOptionKind::kMount)
    return UsageError("-o " + option + ": is for mount(8) and fstab(5); see certfs mount --help");
  if (option == "subtree=stores") {
    mount.stores_only = true;
  } else if (option == "ro") {
    mount.read_only = true;
  } else if (option.rfind("audit-mib=", 0) == 0) {
    mount.audit.file_bytes = std::uint64_t{TRY(AuditNumber(option, 1, 1024))} << 20;
  } else if (option.rfind("audit-files=", 0) == 0) {
    mount.audit.files = TRY(AuditNumber(option, 2, 200));
  } else if (option.rfind("subtree=", 0) == 0) {
    return UsageError("-o " + option + ": can only be subtree=stores");
  }
  return {};
}

// Checks everything that can be checked without the secret. What is mounted already, and waits for a daemon
// (`resumed`), is not asked.
Result<MountOptions> Prepare(const MountCommandOptions& options, bool resumed) {
  MountOptions mount;
  for (const std::string& option : options.mount_options) TRY(ApplyMountOption(option, mount));
  std::error_code failure;
  const std::filesystem::path source = std::filesystem::canonical(options.keystore, failure);
  if (failure) return SystemError(options.keystore, failure.value());
  mount.source = source.string();
  mount.mountpoint = TRY(MountpointPath(options.mountpoint));
  if (resumed) return mount;
  for (const Mount& other : TRY(FindMounts())) {
    if (other.mountpoint == mount.mountpoint) {
      if (IsDead(other)) return mount;  // The new mount takes its place.
      return Error(ErrorCode::kBusy, mount.mountpoint.string() + ": is already a certfs mount, of " +
                                         other.source + "; run: certfs umount '" + mount.mountpoint.string() +
                                         "'");
    }
  }
  struct stat status {};
  if (stat(mount.mountpoint.c_str(), &status) != 0) return SystemError(options.mountpoint, errno);
  if (!S_ISDIR(status.st_mode)) return SystemError(options.mountpoint, ENOTDIR);
  return mount;
}

// Where the mount goes on, files are looked for from elsewhere.
void MakeAbsolute(UnlockOptions& unlock) {
  for (std::string* each : {&unlock.key_file, &unlock.passphrase_file, &unlock.recovery_key}) {
    if (!each->empty()) *each = std::filesystem::absolute(*each).string();
  }
}

Result<ExitCode> RunMountCommand(MountCommandOptions& options) {
  TRY(AddSettings(options));
  auto handed = TakeHandedOver();
  MountPlan plan;
  plan.mount = TRY(Prepare(options, handed.has_value()));
  TRY(ChooseDefaultKey(plan.mount.source, options.unlock));
  plan.unlock = options.unlock;
  MakeAbsolute(plan.unlock);
  if (!options.high_water.empty()) plan.high_water = TidyPath(options.high_water);
  plan.log_level = options.log_level;
  plan.foreground = options.foreground;
  return RunMountProcesses(std::move(plan), std::move(handed));
}

}  // namespace

void AddMountCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("mount", "Unlock a keystore and mount it");
  auto options = std::make_shared<MountCommandOptions>();
  command
      ->add_option("KEYSTORE", options->keystore,
                   "The keystore's directory, or the NAME of a [mount.NAME] in the settings")
      ->required();
  command->add_option("MOUNTPOINT", options->mountpoint,
                      "Where to mount it; the settings may say it of NAME");
  AddUnlockOptions(*command, options->unlock);
  command->add_option("-o", options->mount_options, "Mount options: subtree=stores (stores at the root), ro")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->type_name("OPTION,...");
  command->add_flag("--foreground", options->foreground, "Stay in the foreground and log to stderr");
  command
      ->add_option("--log-level", options->log_level, "The least that is logged; info unless said otherwise")
      ->check(CLI::IsMember(kLogLevels));
  command
      ->add_option("--high-water", options->high_water,
                   "Remember in FILE, outside of the keystore, how far it has come; refuse one that is older")
      ->type_name("FILE");
  AddSettingsOption(*command, options->settings);
  command->footer(
      std::string(kUnlockFooter) +
      "\nWith a NAME the settings say what the command line does not; write ./NAME for a directory of\n"
      "that name. The daemon logs to the journal: journalctl -t certfs.\n\n"
      "Examples:\n"
      "  certfs mount /srv/keystore /certs\n"
      "  certfs mount /srv/keystore /certs --passphrase -o subtree=stores,ro\n"
      "  certfs mount web");
  command->callback([options, &action] { action = [options] { return RunMountCommand(*options); }; });
}

}  // namespace certfs
