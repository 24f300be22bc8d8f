// Writing a table anew, row by row: nothing of what was ever removed comes along.

#include <algorithm>
#include <optional>

#include "store/sealed_entry_table.h"

namespace certfs {

namespace {

// What one transaction of the new file holds in memory.
constexpr std::size_t kBatchBytes = std::size_t{4} << 20;
constexpr std::uint64_t kMapBytesMin = std::uint64_t{64} << 20;

// Copies the rows behind `after`, as many as make a batch. Returns the last one's key; nothing when none is
// left.
Result<std::optional<Bytes>> CopyBatch(lmdb::Transaction& from, lmdb::Environment& to, lmdb::Table table,
                                       const Bytes& after) {
  const auto batch = TRY(lmdb::Transaction::Begin(to, lmdb::Access::kWrite));
  std::optional<Bytes> last;
  std::size_t bytes = 0;
  Result<void> copied;
  TRY(from.Scan(table, after, [&](BytesView key, BytesView value) {
    copied = batch->Append(table, key, value);
    if (!copied.has_value()) return false;
    last = Bytes(key.begin(), key.end());
    bytes += key.size() + value.size();
    return bytes < kBatchBytes;
  }));
  if (!copied.has_value()) return std::move(copied).error();
  TRY(batch->Commit());
  return last;
}

Result<void> CopyTable(lmdb::Transaction& from, lmdb::Environment& to, lmdb::Table table) {
  Bytes after;
  while (auto last = TRY(CopyBatch(from, to, table, after))) after = *std::move(last);
  return {};
}

}  // namespace

Result<void> SealedTable::WriteAnew(const std::filesystem::path& file) {
  const auto from = TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kRead));
  Manifest manifest = TRY(shared_.StateOf(*from))->manifest().Clone();
  const std::uint64_t used = TRY(shared_.environment->UsedBytes());
  const auto to = TRY(lmdb::Environment::CreateFile(file, std::max(kMapBytesMin, 2 * used)));
  for (const lmdb::Table table : {lmdb::Table::kStores, lmdb::Table::kEntries, lmdb::Table::kContents,
                                  lmdb::Table::kNodes, lmdb::Table::kIssued}) {
    // Where nothing was ever issued there may be no table of it.
    if (table == lmdb::Table::kIssued && manifest.issued == Digest{}) continue;
    TRY(CopyTable(*from, *to, table));
  }
  const auto last = TRY(lmdb::Transaction::Begin(*to, lmdb::Access::kWrite));
  for (const Bytes& key : {kSettingsKey, kAuthorityKey}) {
    const std::optional<BytesView> row = TRY(from->Get(lmdb::Table::kManifest, key));
    if (row) TRY(last->Put(lmdb::Table::kManifest, key, *row));
  }
  ++manifest.commit;
  manifest.rewrite_pending = false;
  TRY(WriteManifest(*last, shared_.keys, manifest));
  TRY(last->Commit());
  return to->Sync();
}

}  // namespace certfs
