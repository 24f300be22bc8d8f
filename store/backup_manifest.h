// manifest.json of a backup's archive: what is in it, said first.
//
// Thread-safety: values.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/time.h"
#include "crypto/sealing.h"

namespace certfs {

// How much a backup holds.
struct BackupCounts {
  std::uint64_t stores = 0;
  std::uint64_t entries = 0;  // BACKUP_STORE's and staged ones included.
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;   // Of the files.
  std::uint64_t issued = 0;  // Lines of the authority's ledger.

  friend bool operator==(const BackupCounts&, const BackupCounts&) = default;
};

struct BackupManifest {
  std::string version;  // Of the certfs that wrote it.
  StoreId keystore{};
  std::uint64_t commit = 0;  // The state of the keystore that it shows.
  std::string time;          // When it was made, RFC 3339: "2026-03-01T00:00:00Z".
  BackupCounts counts;
  std::uint64_t format = 2;  // Of the archive, as it was read.

  friend bool operator==(const BackupManifest&, const BackupManifest&) = default;
};

std::string EncodeBackupManifest(const BackupManifest& manifest);

// Returns kUnsupported for a newer format, kMalformed for anything else that is none.
Result<BackupManifest> DecodeBackupManifest(std::string_view text);

}  // namespace certfs
