// Reading the authority and its ledger out of a backup's archive. Private to store/.
//
// Thread-safety: belongs to one thread. Ownership: borrows the archive and the consumer. Errors: as
// ReadBackup.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "store/archive_reader.h"
#include "store/backup_reader.h"

namespace certfs {

class AuthorityReader {
 public:
  AuthorityReader(ArchiveReader& archive, BackupConsumer& consumer)
      : archive_(archive), consumer_(consumer) {}

  // Takes the next item of ca/. What ca/authority.json has announced comes behind it, in one order, and then
  // the ledger.
  Result<void> Read(const ArchivedItem& item);
  // Nothing comes any more.
  Result<void> End();
  std::uint64_t lines() const noexcept { return lines_; }

 private:
  // A file that has to come, and what it is.
  struct Announced {
    std::string path;
    std::function<Result<void>(BytesView)> take;
  };

  Result<void> ReadRecord(const ArchivedItem& item);
  void Announce(std::size_t certificate);
  Result<void> Deliver();
  Result<void> ReadLedger(const ArchivedItem& item);

  ArchiveReader& archive_;
  BackupConsumer& consumer_;
  std::optional<ArchivedAuthority> authority_;
  bool delivered_ = false;
  std::deque<Announced> announced_;
  std::uint64_t files_ = 0;  // Of the ledger.
  std::uint64_t lines_ = 0;
};

}  // namespace certfs
