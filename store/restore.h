// Restoring a backup (store/README.md, "Restoring"): into a new keystore, or merged into one that exists.
//
// What a backup holds comes back exactly; whether a certificate has expired since, nobody asks. Whatever is
// wrong with the file, the target is as it was.
//
// Thread-safety: free functions. Memory does not grow with the backup, save some 200 bytes an entry, and 500
// bytes a line of the ledger; a merge holds besides what it changes, because it is one transaction. Errors:
// kMalformed for what is no backup, kUnsupported for one of a newer format, kCorrupt for one that was changed
// or is not whole, kRejected
// ("serial-reused") where two certificates would have one issuer and serial number; and those of the target.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "store/backup_file.h"
#include "store/backup_manifest.h"
#include "store/keystore.h"

namespace certfs {

// What a backup was found to hold.
struct BackupContents {
  struct StoreCount {
    StoreName name;
    std::uint64_t entries = 0;
    std::uint64_t files = 0;
  };
  BackupManifest manifest;
  std::vector<StoreCount> stores;
  std::vector<Certificate> recovery;
  bool export_password = false;  // Whether one is in it.
  bool authority = false;        // Whether there is a certificate authority; manifest.counts.issued.

  // Of `recovery`, those that got no slot in the keystore that was made, and why.
  struct LeftOut {
    Certificate certificate;
    std::string why;
  };
  std::vector<LeftOut> left_out;
};

// Reads all of it, and changes nothing.
Result<BackupContents> CheckBackup(const BackupFile& file, const ReadingProgress& progress = {});

// Makes a keystore in `directory`, which `secret` opens, with everything that the backup holds; its id and
// its keys are new. A recovery certificate that finds no room in the header, which has a slot for `secret`
// too, or that is refused by now, is left out and named: nobody should lose a keystore by it. Errors:
// besides, as Keystore::Create; then, as on every failure, the directory is left as it was.
Result<BackupContents> RestoreKeystore(const BackupFile& file, const std::filesystem::path& directory,
                                       const UnlockSecret& secret, const Keystore::Clock& clock,
                                       const ReadingProgress& progress = {});

// What merging does with one entry.
enum class MergeAction { kAdd, kReplace, kKeep };
struct MergeStep {
  MergeAction action;
  std::string name;  // "STORE/ALIAS", or "STORE" for one that is added.
  std::string why;   // Of what is kept.
};
struct MergePlan {
  BackupContents contents;
  std::vector<MergeStep> steps;  // In the order of the backup.
  std::uint64_t same = 0;        // Entries that are the same already.

  std::uint64_t Count(MergeAction action) const;
};

// Says what MergeBackup would do.
Result<MergePlan> PlanMerge(const BackupFile& file, Keystore& keystore, const ReadingProgress& progress = {});

// Merges the backup into `keystore`, entry by entry, in one transaction. Entries that are not in the backup
// stay, as do the settings, and attributes of files that are replaced. What is replaced goes to BACKUP_STORE;
// the backup's own kept states are added where there is none of the name. A CRL is never replaced by an older
// one. Returns what it has done.
Result<MergePlan> MergeBackup(const BackupFile& file, Keystore& keystore, Actor actor,
                              const ReadingProgress& progress = {});

}  // namespace certfs
