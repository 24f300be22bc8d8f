// certfs doctor: looks at everything, changes nothing, and says what to do.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tools/commands.h"
#include "tools/doctor/check.h"
#include "tools/doctor/isolated.h"
#include "tools/doctor/salvage.h"
#include "tools/mounts.h"
#include "tools/settings.h"
#include "tools/system.h"
#include "tools/unlock.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;

struct DoctorCommandOptions {
  std::string what;  // A mountpoint or a keystore; empty for all mounts.
  UnlockOptions unlock;
  std::vector<std::string> backed_up;
  std::string high_water;
  bool json = false;
  std::string salvage;  // The keystore to make of what is whole; empty for none.
};

// Every certfs mount of this process's namespace.
Result<std::vector<MountTableEntry>> CertfsMounts() {
  std::vector<MountTableEntry> mounts = TRY(ReadMountTable());
  mounts.erase(
      std::remove_if(mounts.begin(), mounts.end(),
                     [](const MountTableEntry& each) { return each.type != kMountType || each.root != "/"; }),
      mounts.end());
  return mounts;
}

// The keystores that are meant, each with its mounts.
Result<std::vector<doctor::Patient>> FindPatients(const std::string& what) {
  const std::vector<MountTableEntry> mounts = TRY(CertfsMounts());
  std::vector<doctor::Patient> patients;
  const auto patient_of = [&](const fs::path& keystore) -> doctor::Patient& {
    for (doctor::Patient& each : patients) {
      if (each.keystore == keystore) return each;
    }
    return patients.emplace_back(doctor::Patient{keystore, {}, {}, {}, {}});
  };
  if (what.empty()) {
    for (const MountTableEntry& mount : mounts) patient_of(mount.source).mounts.push_back(mount);
    if (patients.empty())
      return Error(ErrorCode::kNotFound, "no certfs filesystem is mounted; name a KEYSTORE to look at");
    return patients;
  }
  // A mountpoint first: where a daemon died nothing else can be told of the path.
  const auto mountpoint = MountpointPath(what);
  const auto mount = std::find_if(mounts.rbegin(), mounts.rend(), [&](const MountTableEntry& each) {
    return mountpoint.has_value() && each.mountpoint == mountpoint.value();
  });
  if (mount != mounts.rend()) {
    patient_of(mount->source).mounts.push_back(*mount);
    return patients;
  }
  std::error_code failure;
  const fs::path keystore = fs::canonical(what, failure);
  if (failure) return Error(ErrorCode::kInvalidArgument, SystemError(what, failure.value()).message());
  const bool is_keystore =
      fs::exists(keystore / "keystore.hdr", failure) || fs::exists(keystore / "data.mdb", failure);
  if (!is_keystore) {
    if (failure) return SystemError(keystore, failure.value());
    return Error(ErrorCode::kInvalidArgument, what + ": is neither a keystore nor a certfs mount");
  }
  doctor::Patient& found = patient_of(keystore);
  for (const MountTableEntry& each : mounts) {
    if (each.source == keystore) found.mounts.push_back(each);
  }
  return patients;
}

// The high-water file that the settings name for `keystore`; none where there are no settings to be read.
fs::path HighWaterFileOf(const fs::path& keystore) {
  const auto settings = ReadMachineSettings({});
  if (!settings.has_value()) return {};
  for (const MountSettings& mount : settings.value().mounts) {
    std::error_code failure;
    if (!mount.high_water.empty() && fs::equivalent(mount.keystore, keystore, failure))
      return mount.high_water;
  }
  return {};
}

Result<doctor::Report> Examine(doctor::Patient& patient, const DoctorCommandOptions& options) {
  UnlockOptions unlock = options.unlock;
  const auto chosen = ChooseDefaultKey(patient.keystore, unlock);
  if (chosen.has_value()) patient.key_file = unlock.key_file;
  for (const std::string& path : options.backed_up) patient.backed_up.emplace_back(path);
  patient.high_water =
      options.high_water.empty() ? HighWaterFileOf(patient.keystore) : TidyPath(options.high_water);

  doctor::Report report;
  report.keystore = patient.keystore;
  for (const MountTableEntry& mount : patient.mounts) report.mounts.push_back(mount.mountpoint);
  doctor::Examination at(patient,
                         [&](doctor::Finding finding) { report.findings.push_back(std::move(finding)); });
  for (const doctor::Check& check : doctor::Checks()) {
    if (check.needs == doctor::Needs::kDirectory) RunCheck(check, at, report);
    if (check.needs == doctor::Needs::kKey && !chosen.has_value())
      report.not_checked.push_back({std::string(check.id), chosen.error().message()});
  }
  bool opened = false;
  if (chosen.has_value()) opened = TRY(doctor::RunWithKey(patient, options.unlock, report));
  // Nobody knows of what nobody looked at.
  report.incomplete = report.incomplete || !chosen.has_value();
  // What a mount tells of its entries counts where they could not be looked at.
  for (const MountTableEntry& mount : patient.mounts) TRY(doctor::RunOnMount(patient, mount, opened, report));
  return report;
}

Result<ExitCode> Doctor(const DoctorCommandOptions& options) {
  if (!options.salvage.empty()) {
    if (options.what.empty()) return Error(ErrorCode::kInvalidArgument, "name the KEYSTORE to salvage");
    return doctor::Salvage({TidyPath(options.what), options.salvage, options.unlock, options.json});
  }
  std::vector<doctor::Patient> patients = TRY(FindPatients(options.what));
  std::vector<doctor::Report> reports;
  reports.reserve(patients.size());
  for (doctor::Patient& patient : patients) reports.push_back(TRY(Examine(patient, options)));
  const ExitCode code = CodeOf(reports);
  if (options.json) {
    WriteJson(std::cout, std::move(reports));
  } else {
    WriteText(std::cout, std::move(reports));
  }
  return code;
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "doctor", "Look at keystores and mounts, whole, and say what is wrong and what to do about it");
  auto options = std::make_shared<DoctorCommandOptions>();
  command->add_option("MOUNT|KEYSTORE", options->what,
                      "What to look at: a mountpoint, or a keystore's directory; without it all mounts");
  AddUnlockOptions(*command, options->unlock);
  command->add_option(
      "--backed-up", options->backed_up,
      "A directory that a backup job copies: the key file is not to lie in it; may be repeated");
  command
      ->add_option("--high-water", options->high_water,
                   "The high-water file of the keystore; without it the one that the settings name")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "One JSON object instead of text");
  command
      ->add_option("--salvage", options->salvage,
                   "Copy all that is whole of KEYSTORE, however damaged, into a new one")
      ->type_name("NEW-KEYSTORE");
  command->footer(
      "Nothing is changed, and whoever uses the keystore goes on. Without an unlock option KEYSTORE.key is\n"
      "used, if there is one; without any key what takes none is checked, and the rest is named (exit 7).\n\n"
      "Exit codes: 0 all was looked at, and nothing is wrong; 7 something is to be looked at, or could not\n"
      "be; 8 something is broken, or about to be;\n"
      "4 the keystore is damaged; 5 it is of a newer format; 3 the key does not open it.\n\n"
      "--salvage reads KEYSTORE, which nobody may have open, and never writes to it. The new keystore is\n"
      "opened by the same secret: name the key file with --keyfile, or copy it to NEW-KEYSTORE.key. After\n"
      "--recovery-key it gets a key file of its own, NEW-KEYSTORE.key. It has the recovery certificates, "
      "the\n"
      "settings, and the authority with its ledger; the audit log stays with the old one. What is named\n"
      "damaged or lost has to come from a backup. Exit codes: 0 everything is as it was; 7 something may\n"
      "be of before; 4 something is lost, or nothing can be saved.\n\n"
      "Examples:\n"
      "  certfs doctor\n"
      "  certfs doctor /srv/keystore --keyfile /etc/certfs/keystore.key --backed-up /srv\n"
      "  certfs doctor /srv/keystore --salvage /srv/salvaged\n"
      "  certfs doctor --json /certs | jq '.keystores[].findings[] | select(.severity == \"critical\")'");
  command->callback([options, &action] { action = [options] { return Doctor(*options); }; });
}

}  // namespace certfs
