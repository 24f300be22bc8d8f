// The table on LMDB as the rest of store/ knows it: more than an EntryTable, for the keeping of its keys.
// Private to store/.
//
// Thread-safety: as EntryTable.

#pragma once

#include <atomic>
#include <filesystem>
#include <memory>

#include "store/sealed_table.h"
#include "store/sealed_transaction.h"
#include "store/verification.h"

namespace certfs {

class SealedTable final : public EntryTable {
 public:
  // As OpenSealedTable.
  static Result<std::unique_ptr<SealedTable>> Open(const std::filesystem::path& directory, RootKeys keys,
                                                   const SealedTableOptions& options = {});

  // The same for reading alone (Environment::OpenReadOnly): every change fails.
  static Result<std::unique_ptr<SealedTable>> OpenReadOnly(const std::filesystem::path& directory,
                                                           RootKeys keys);

  Result<std::unique_ptr<TableSnapshot>> Snapshot() override;
  Result<std::unique_ptr<TableTransaction>> BeginTransaction(Room room) override;
  Usage GetUsage() override;
  Result<std::uint64_t> ForeignCommits() override { return shared_.environment->ForeignCommits(); }
  Result<bool> Grow(Room room) override { return shared_.environment->Grow(limit_, room); }

  Result<std::unique_ptr<SealedTransaction>> BeginSealed(Room room);

  // The manifest as it is at this moment, without its keys.
  Result<ManifestFacts> ReadManifestFacts();

  // How many records are not sealed under the newest data key, as they say themselves, at this moment. Keeps
  // no writer waiting, however long it takes.
  Result<std::size_t> CountOldRecords();

  // Reads and checks every record and every node of every tree, of one state. (sealed_verification.cc)
  Result<VerificationReport> Verify(const VerificationProgress& progress);

  // As LMDB counts commits: what ReaderSlot::commit is compared with.
  Result<std::uint64_t> LatestCommit();
  Result<std::vector<lmdb::Environment::ReaderSlot>> Readers() { return shared_.environment->Readers(); }

  // --- The audit log (sealed_audit.cc)

  // From now on every commit is noted in `log` first, and anchors what of that is on disk. Null: no longer.
  void SetAudit(AuditLog* log) { shared_.audit = log; }
  const StoreId& store_id() const noexcept { return shared_.keys.store_id; }
  // 32 bytes, the same for ever.
  Result<SecretBytes> DeriveAuditKey();
  Result<AuditAnchor> ReadAuditAnchor();
  // Puts what is newer in `anchor` into the manifest. The content stays the same commit.
  Result<void> WriteAuditAnchor(const AuditAnchor& anchor);

  // Writes all that is live, and nothing else, into the new file `file`, durably: pages that were freed, and
  // what pages hold beside their rows, stay behind. Precondition: nobody commits meanwhile.
  Result<void> WriteAnew(const std::filesystem::path& file);

 private:
  SealedTable(std::unique_ptr<lmdb::Environment> environment, RootKeys keys, std::uint64_t limit)
      : shared_(std::move(environment), std::move(keys)), limit_(limit) {}

  SealedShared shared_;
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_ = 0;
};

}  // namespace certfs
