// The checks of `certfs doctor`, a table: one row each. A new check is a row in checks.cc and a function.
//
// Thread-safety: main thread only. No check changes anything.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fs/fuse/mount_table.h"
#include "store/examination.h"
#include "tools/doctor/findings.h"

namespace certfs::doctor {

// What is examined: a keystore, and what is said of it on the command line.
struct Patient {
  std::filesystem::path keystore;
  std::vector<MountTableEntry> mounts;           // Of it, those whose daemon died included.
  std::filesystem::path key_file;                // That unlocks it; empty where none does.
  std::vector<std::filesystem::path> backed_up;  // What backup jobs copy.
  std::filesystem::path high_water;              // Of it; empty where nobody names one.
};

// One examination, as checks see it.
class Examination {
 public:
  using Sink = std::function<void(Finding)>;
  using ProgressSink = std::function<void(std::uint64_t done, std::uint64_t total)>;

  Examination(const Patient& patient, Sink sink) : patient_(patient), sink_(std::move(sink)) {}

  const Patient& patient() const noexcept { return patient_; }
  std::string keystore() const { return Word(patient_.keystore); }  // For command lines.

  // The keystore itself. Precondition: the check is one that needs the key.
  KeystoreExamination& opened() const { return *opened_; }
  // The mount. Precondition: the check is one that needs a mount.
  const MountTableEntry& mount() const { return *mount_; }
  // Whether the keystore was opened, so that nobody need be asked about its entries.
  bool has_key() const noexcept { return has_key_; }

  void Add(std::string id, Urgency urgency, std::string subject, std::string detail, std::string action) {
    sink_({std::move(id), urgency, std::move(subject), std::move(detail), std::move(action)});
  }
  void Advance(std::uint64_t done, std::uint64_t total) const {
    if (progress_) progress_(done, total);
  }

  void set_opened(KeystoreExamination* opened) { opened_ = opened; }
  void set_mount(const MountTableEntry* mount) { mount_ = mount; }
  void set_has_key(bool has_key) { has_key_ = has_key; }
  void set_progress(ProgressSink progress) { progress_ = std::move(progress); }

 private:
  const Patient& patient_;
  Sink sink_;
  ProgressSink progress_;
  KeystoreExamination* opened_ = nullptr;
  const MountTableEntry* mount_ = nullptr;
  bool has_key_ = false;
};

// What a check cannot do without.
enum class Needs {
  kDirectory,   // The keystore's directory.
  kMount,       // A mount of it, alive or dead; done for each.
  kAliveMount,  // One that answers.
  kKey,         // What the keystore holds.
};

struct Check {
  std::string_view id;  // "permissions": stable, for scripts.
  Needs needs;
  std::string_view what;  // For people: "who may read and write the keystore's files".
  // Fails where it could not be done: kCorrupt for damage, kUnsupported for a newer format.
  Result<void> (*run)(Examination& at);
};

std::span<const Check> Checks();

// --- The functions of the table, by file.

// directory_checks.cc
Result<void> CheckFiles(Examination& at);
Result<void> CheckHeader(Examination& at);
Result<void> CheckWaysIn(Examination& at);
Result<void> CheckPermissions(Examination& at);
Result<void> CheckKeyFile(Examination& at);
Result<void> CheckLeftovers(Examination& at);
Result<void> CheckDisk(Examination& at);

// mount_checks.cc
Result<void> CheckFuse(Examination& at);
Result<void> CheckAlive(Examination& at);
Result<void> CheckMountOptions(Examination& at);
Result<void> CheckDaemon(Examination& at);
Result<void> CheckConfinement(Examination& at);
Result<void> CheckVersion(Examination& at);
Result<void> CheckHealth(Examination& at);

// keystore_checks.cc
Result<void> CheckRecords(Examination& at);
Result<void> CheckRotation(Examination& at);
Result<void> CheckRecovery(Examination& at);
Result<void> CheckReaders(Examination& at);
Result<void> CheckSpace(Examination& at);
Result<void> CheckAudit(Examination& at);
Result<void> CheckHighWaterFile(Examination& at);

// entry_checks.cc
Result<void> CheckEntries(Examination& at);
Result<void> CheckPairs(Examination& at);

}  // namespace certfs::doctor
