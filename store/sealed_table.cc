#include "store/sealed_table.h"

#include <utility>

#include "store/sealed_entry_table.h"

namespace certfs {

namespace {

constexpr std::uint64_t kFirstMapBytes = std::uint64_t{1} << 20;  // Room for six empty tables and a manifest.
constexpr std::uint32_t kFirstEpoch = 1;

class SealedSnapshot final : public SealedReads<TableSnapshot> {
 public:
  SealedSnapshot(SealedShared& shared, std::unique_ptr<lmdb::Transaction> transaction,
                 std::shared_ptr<CheckedState> checked)
      : SealedReads(shared, *transaction, *checked, checked->manifest(), nullptr),
        transaction_(std::move(transaction)),
        checked_(std::move(checked)) {}

 private:
  std::unique_ptr<lmdb::Transaction> transaction_;
  std::shared_ptr<CheckedState> checked_;
};

Result<bool> HasData(const std::filesystem::path& directory) {
  std::error_code error;
  const bool exists = std::filesystem::exists(directory / "data.mdb", error);
  if (error) return Error(ErrorCode::kIo, "data.mdb: " + error.message());
  return exists;
}

}  // namespace

Result<void> CreateSealedTable(const std::filesystem::path& directory, const RootKeys& keys) {
  if (TRY(HasData(directory)))
    return Error(ErrorCode::kAlreadyExists, directory.string() + " holds a data.mdb");
  const auto environment = TRY(lmdb::Environment::Open(directory, kFirstMapBytes, true));
  const auto transaction = TRY(lmdb::Transaction::Begin(*environment, lmdb::Access::kWrite));
  Manifest manifest;
  manifest.commit = 1;
  manifest.index_key = TRY(RandomDataKey());
  manifest.data_keys.push_back({kFirstEpoch, TRY(RandomDataKey())});
  TRY(WriteManifest(*transaction, keys, manifest));
  return transaction->Commit();
}

Result<std::unique_ptr<SealedTable>> SealedTable::Open(const std::filesystem::path& directory, RootKeys keys,
                                                       const SealedTableOptions& options) {
  if (!TRY(HasData(directory)))
    return Error(ErrorCode::kNotFound, "there is no data.mdb in " + directory.string());
  auto environment = TRY(lmdb::Environment::Open(directory, options.map_bytes, false));
  std::unique_ptr<SealedTable> table(
      new SealedTable(std::move(environment), std::move(keys), options.map_bytes_max));
  TRY(table->Snapshot());  // Opens the manifest.
  return table;
}

Result<std::unique_ptr<SealedTable>> SealedTable::OpenReadOnly(const std::filesystem::path& directory,
                                                               RootKeys keys) {
  if (!TRY(HasData(directory)))
    return Error(ErrorCode::kNotFound, "there is no data.mdb in " + directory.string());
  auto environment = TRY(lmdb::Environment::OpenReadOnly(directory));
  std::unique_ptr<SealedTable> table(
      new SealedTable(std::move(environment), std::move(keys), SealedTableOptions().map_bytes_max));
  TRY(table->Snapshot());  // Opens the manifest.
  return table;
}

Result<std::unique_ptr<TableSnapshot>> SealedTable::Snapshot() {
  auto transaction = TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kRead));
  auto checked = TRY(shared_.StateOf(*transaction));
  return std::unique_ptr<TableSnapshot>(
      std::make_unique<SealedSnapshot>(shared_, std::move(transaction), std::move(checked)));
}

Result<std::unique_ptr<TableTransaction>> SealedTable::BeginTransaction(Room room) {
  return std::unique_ptr<TableTransaction>(TRY(BeginSealed(room)));
}

Result<std::unique_ptr<SealedTransaction>> SealedTable::BeginSealed(Room room) {
  return SealedTransaction::Begin(shared_, room == Room::kReserve ? std::nullopt : std::optional(limit_));
}

// A moment at which nothing can be measured shows the figure before it.
Usage SealedTable::GetUsage() {
  const auto used = shared_.environment->UsedBytes();
  if (used.has_value()) used_ = used.value();
  return {used_, limit_};
}

Result<std::uint64_t> SealedTable::LatestCommit() {
  return TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kRead))->base();
}

Result<ManifestFacts> SealedTable::ReadManifestFacts() {
  const auto transaction = TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kRead));
  return FactsOf(TRY(shared_.StateOf(*transaction))->manifest());
}

Result<std::unique_ptr<EntryTable>> OpenSealedTable(const std::filesystem::path& directory, RootKeys keys,
                                                    const SealedTableOptions& options) {
  return std::unique_ptr<EntryTable>(TRY(SealedTable::Open(directory, std::move(keys), options)));
}

}  // namespace certfs
