#include "store/rotation.h"

#include <algorithm>
#include <set>
#include <utility>

namespace certfs {

namespace {

// What one transaction seals: writers of other processes wait no longer than that takes.
constexpr std::size_t kBatchRecords = 64;
constexpr std::size_t kBatchBytes = std::size_t{256} << 10;
constexpr std::size_t kRecordsOfEntryMax = 1 + kMembers.size();

// Where a walk over all old records stands. What is damaged is passed over.
struct Walk {
  RecordPlace at{};
  std::set<RecordPlace> damaged{};
  std::size_t sealed = 0;
  bool ended = false;
};

// Says whether the record is damaged; then it is passed over from now on.
Result<bool> IsDamaged(SealedTransaction& transaction, const RecordPlace& place, Walk& walk) {
  if (walk.damaged.contains(place)) return true;
  const auto checked = transaction.CheckOldRecord(place);
  if (checked.has_value()) return false;
  if (checked.error().code() != ErrorCode::kCorrupt) return checked.error();
  walk.damaged.insert(place);
  return true;
}

// Seals a few records behind `walk.at`, and moves it on. Damage that shows only while something is written
// ends the attempt: what it had half written must not be committed.
Result<void> SealBatch(SealedTransaction& transaction, Walk& walk) {
  std::size_t bytes = 0;
  std::size_t records = 0;
  while (records + kRecordsOfEntryMax <= kBatchRecords && bytes < kBatchBytes) {
    const std::optional<RecordPlace> place = TRY(transaction.FindOldRecord(walk.at));
    walk.ended = !place;
    if (!place) break;
    if (!TRY(IsDamaged(transaction, *place, walk))) {
      auto sealed = transaction.Reseal(*place);
      if (!sealed.has_value()) {
        if (sealed.error().code() == ErrorCode::kCorrupt) walk.damaged.insert(*place);
        return std::move(sealed).error();
      }
      bytes += sealed.value().bytes;
      records += sealed.value().records;
    }
    walk.at = *place;
  }
  walk.sealed += records;
  return {};
}

Result<void> AdvanceWalk(SealedTable& table, Walk& walk) {
  for (;;) {
    Walk attempt;
    const std::size_t damaged = walk.damaged.size();
    const auto advanced = RunSealed(table, [&](SealedTransaction& transaction) {
      transaction.SkipAudit();
      attempt = walk;
      auto sealed = SealBatch(transaction, attempt);
      walk.damaged = attempt.damaged;
      return sealed;
    });
    if (advanced.has_value()) {
      walk = std::move(attempt);
      walk.damaged.clear();  // All of it lies behind.
      return {};
    }
    // Again without what turned out to be damaged.
    if (advanced.error().code() != ErrorCode::kCorrupt || walk.damaged.size() == damaged) return advanced;
  }
}

// Names the records that are left under older data keys.
Result<std::vector<std::string>> NameOldRecords(SealedTransaction& transaction) {
  std::vector<std::string> names;
  RecordPlace at;
  while (auto place = TRY(transaction.FindOldRecord(at))) {
    names.push_back(Describe(*place));
    at = *std::move(place);
  }
  return names;
}

}  // namespace

Result<void> RunSealed(SealedTable& table, const std::function<Result<void>(SealedTransaction&)>& change) {
  for (;;) {
    auto transaction = TRY(table.BeginSealed(Room::kUpToLimit));
    auto outcome = change(*transaction);
    if (outcome.has_value()) outcome = transaction->Commit();
    const bool full = !outcome.has_value() && outcome.error().code() == ErrorCode::kNoSpace;
    if (!full || !transaction->WantsRoom()) return outcome;
    transaction.reset();
    if (!TRY(table.Grow(Room::kUpToLimit))) return outcome;
  }
}

Result<RotationOutcome> FinishRotation(SealedTable& table, const RotationProgress& progress) {
  RotationOutcome outcome;
  const std::size_t total = TRY(table.CountOldRecords());
  Walk walk;
  while (!walk.ended) {
    TRY(AdvanceWalk(table, walk));
    progress(std::min(walk.sealed, total), total);
  }
  outcome.records = walk.sealed;
  progress(total, total);  // Stores are sealed with their entries, and counted once.
  TRY(RunSealed(table, [&](SealedTransaction& transaction) -> Result<void> {
    outcome.damaged = TRY(NameOldRecords(transaction));
    transaction.DropDataKeys(TRY(transaction.CountByEpoch()));
    if (walk.sealed != 0) transaction.NoteOldCiphertext();
    return {};
  }));
  return outcome;
}

Result<RotationOutcome> Rotate(SealedTable& table, const RotationProgress& progress) {
  const std::size_t before = TRY(table.ReadManifestFacts()).old_data_keys;
  if (before != 0) {
    RotationOutcome outcome = TRY(FinishRotation(table, progress));
    outcome.resumed = true;
    // Where damage alone kept it from ending, there is nothing left to resume.
    if (outcome.records != 0 || TRY(table.ReadManifestFacts()).old_data_keys < before) return outcome;
  }
  TRY(RunSealed(table, [](SealedTransaction& transaction) { return transaction.AddDataKey(); }));
  return FinishRotation(table, progress);
}

}  // namespace certfs
