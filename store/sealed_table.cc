#include "store/sealed_table.h"

#include <atomic>
#include <utility>

#include "store/sealed_transaction.h"
#include "store/sealed_view.h"

namespace certfs {

namespace {

constexpr std::uint64_t kFirstMapBytes = std::uint64_t{1}
                                         << 20;  // Room for five empty tables and a manifest.
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

class SealedTable final : public EntryTable {
 public:
  SealedTable(std::unique_ptr<lmdb::Environment> environment, RootKeys keys, std::uint64_t map_bytes_max)
      : shared_(std::move(environment), std::move(keys)), map_bytes_max_(map_bytes_max) {}

  Result<std::unique_ptr<TableSnapshot>> Snapshot() override {
    auto transaction = TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kRead));
    auto checked = TRY(shared_.StateOf(*transaction));
    return std::unique_ptr<TableSnapshot>(
        std::make_unique<SealedSnapshot>(shared_, std::move(transaction), std::move(checked)));
  }

  Result<std::unique_ptr<TableTransaction>> BeginTransaction() override {
    return BeginSealedTransaction(shared_);
  }

  // A moment at which nothing can be measured shows the figure before it.
  Usage GetUsage() override {
    const auto used = shared_.environment->UsedBytes();
    if (used.has_value()) used_ = used.value();
    return {used_, map_bytes_max_};
  }

  Result<std::uint64_t> ForeignCommits() override { return shared_.environment->ForeignCommits(); }

  Result<bool> Grow() override { return shared_.environment->Grow(map_bytes_max_); }

 private:
  SealedShared shared_;
  const std::uint64_t map_bytes_max_;
  std::atomic<std::uint64_t> used_ = 0;
};

Result<SecretBytes> RandomKey() {
  SecretBytes key(kDataKeyBytes);
  TRY(FillRandom({key.data(), key.size()}));
  return key;
}

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
  manifest.index_key = TRY(RandomKey());
  manifest.data_keys.push_back({kFirstEpoch, TRY(RandomKey())});
  TRY(WriteManifest(*transaction, keys, manifest));
  return transaction->Commit();
}

Result<std::unique_ptr<EntryTable>> OpenSealedTable(const std::filesystem::path& directory, RootKeys keys,
                                                    const SealedTableOptions& options) {
  if (!TRY(HasData(directory)))
    return Error(ErrorCode::kNotFound, "there is no data.mdb in " + directory.string());
  auto environment = TRY(lmdb::Environment::Open(directory, options.map_bytes, false));
  auto table = std::make_unique<SealedTable>(std::move(environment), std::move(keys), options.map_bytes_max);
  TRY(table->Snapshot());  // Opens the manifest.
  return std::unique_ptr<EntryTable>(std::move(table));
}

}  // namespace certfs
