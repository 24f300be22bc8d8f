// Taking a backup apart (store/README.md, "Backup"): what its archive holds, entry by entry, each checked for
// being what it says. Private to store/.
//
// Strict: everything stands where the writer puts it, or the whole is refused. What the pieces mean together
// (a chain, a date) was judged when they were written, and is not judged again.
//
// Thread-safety: free functions. Errors: kMalformed for an archive that is no backup, kUnsupported for one of
// a newer format; those of the envelope (kCorrupt) and of the consumer.

#pragma once

#include <array>
#include <optional>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/envelope_reader.h"
#include "crypto/file_outline.h"
#include "store/authority_archive.h"
#include "store/backup_manifest.h"
#include "store/entry.h"
#include "store/settings.h"

namespace certfs {

struct BackupStore {
  StoreName name;
  Attributes attributes;
  bool enforce_revocation = false;
};

struct ArchivedFile {
  Attributes attributes;
  bool dated = false;
  SecretBytes bytes;
};

struct BackupEntry {
  Alias alias;  // A staged entry's ends in "/next"; it follows its live one.
  Attributes attributes;
  Revision revision = 0;
  std::optional<LastChange> changed;
  std::optional<StoreName> origin;  // In BACKUP_STORE: the store that the state comes from, if that exists.
  std::array<std::optional<ArchivedFile>, kMembers.size()> files;
  std::vector<CertificateOutline> certificates;  // Those that have their serial numbers indexed.

  const std::optional<ArchivedFile>& file(Member member) const {
    return files[static_cast<std::size_t>(member) - 1];
  }
  std::optional<ArchivedFile>& file(Member member) { return files[static_cast<std::size_t>(member) - 1]; }
  std::size_t size() const;  // Of its files.
  bool is_staged() const { return alias.is_next(); }
};

// Takes what is found, in the order of the archive. A failure ends the reading.
class BackupConsumer {
 public:
  virtual ~BackupConsumer() = default;
  virtual Result<void> Take(const BackupManifest& manifest) = 0;
  virtual Result<void> Take(Settings settings) = 0;
  virtual Result<void> Take(const Certificate& recovery) = 0;
  virtual Result<void> Take(const BackupStore& store) = 0;
  virtual Result<void> Take(BackupEntry entry) = 0;            // Of the store before it.
  virtual Result<void> Take(ArchivedAuthority authority) = 0;  // Behind all stores.
  virtual Result<void> Take(ArchivedLine line) = 0;            // Of its ledger.
};

// Reads the message of `envelope` to its end. Nothing that `consumer` got is to be trusted unless this
// returns without failure.
Result<void> ReadBackup(EnvelopeReader& envelope, BackupConsumer& consumer);

}  // namespace certfs
