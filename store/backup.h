// The whole keystore as one file, at one snapshot: an archive of what the mount shows, in an envelope for the
// export password and the recovery certificates (store/README.md, "Backup").
//
// Everything is streamed: memory does not grow with the keystore.
//
// Thread-safety: free functions over a snapshot, which belongs to the thread that uses it. Errors, besides
// those of TableSnapshot and of the sink: kPasswordRequired when there is neither an export password nor a
// recovery certificate; kRejected for a certificate that nothing can be encrypted to; kCorrupt, naming it,
// for an entry that is damaged: a backup that leaves something out would be trusted like any other.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/envelope_writer.h"
#include "store/backup_manifest.h"
#include "store/entry_table.h"

namespace certfs {

// Takes what comes next of a backup. Called from a second thread, and by no two at a time.
using BackupSink = std::function<Result<void>(BytesView)>;

// What was written.
struct BackupSummary {
  std::uint64_t size = 0;      // Of the whole.
  std::uint64_t tar_size = 0;  // Of the archive inside,
  Digest tar_sha256{};         // and its digest.
  BackupManifest manifest;
  bool for_password = false;     // Whether the export password opens it.
  std::vector<Digest> recovery;  // Fingerprints of the certificates whose keys open it.
};

// Returns the exact size of what StreamBackup writes for this snapshot, from the records alone: nothing that
// files hold is decrypted, no password stretched.
Result<std::uint64_t> MeasureBackup(TableSnapshot& snapshot, const std::vector<Certificate>& recovery);

// The same, with all else that can be told beforehand of the backup that is made at `now`: what is missing is
// the digest.
Result<BackupSummary> PlanBackup(TableSnapshot& snapshot, const std::vector<Certificate>& recovery, Time now);

// Writes the backup. The archive in it is the same for the same snapshot and `now`, byte for byte; the
// envelope never is. `rounds` of PBKDF2 are for tests.
Result<BackupSummary> StreamBackup(TableSnapshot& snapshot, const std::vector<Certificate>& recovery,
                                   Time now, const BackupSink& sink, std::uint32_t rounds = kEnvelopeRounds);

// What backup/manifest.json of the mount shows of a backup, JSON: format, keystore, commit, time, counts,
// sizes, the archive's SHA-256 and who can open it.
std::string BackupManifestJson(const BackupSummary& summary);

}  // namespace certfs
