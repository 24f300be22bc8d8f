#include "store/restore.h"

#include <utility>

#include "store/backup_reader.h"
#include "store/bulk_load.h"
#include "store/contents_counter.h"
#include "store/relay.h"

namespace certfs {

namespace {

// As much of what was read waits at most, in locked memory, for the thread that seals it.
constexpr std::size_t kBatchBytes = std::size_t{256} << 10;

// What one thread has read and the other is to load, in order.
struct Batch {
  std::optional<BackupStore> store;  // Begins before the entries.
  std::vector<BackupEntry> entries;
  std::optional<ArchivedAuthority> authority;  // Behind all entries.
  std::vector<ArchivedLine> lines;             // Behind the authority.
  std::optional<Settings> finish;              // Everything was read, and is true.
};

// Fills a table with what comes, on a thread of its own.
class Loader final : public ContentsCounter {
 public:
  Loader(const std::filesystem::path& directory, RootKeys keys, std::uint64_t bytes)
      : directory_(directory),
        keys_(std::move(keys)),
        message_bytes_(bytes),
        relay_([this](Batch& batch) { return Load(batch); }, [this] { load_.reset(); }) {}

  using ContentsCounter::Take;
  Result<void> Take(Settings settings) override {
    settings_ = settings.Clone();
    return ContentsCounter::Take(std::move(settings));
  }
  Result<void> Take(const BackupStore& store) override {
    TRY(ContentsCounter::Take(store));
    TRY(Flush());
    filling_.store = store;
    return {};
  }
  Result<void> Take(BackupEntry entry) override {
    bytes_ += entry.size();
    Count(entry);
    filling_.entries.push_back(std::move(entry));
    return bytes_ < kBatchBytes ? Result<void>() : Flush();
  }

  Result<void> Take(ArchivedAuthority authority) override {
    TRY(Flush());
    filling_.authority.emplace();
    filling_.authority->record = authority.record.Clone();
    filling_.authority->places = authority.places;
    filling_.authority->changed = authority.changed;
    return ContentsCounter::Take(std::move(authority));
  }
  Result<void> Take(ArchivedLine line) override {
    constexpr std::size_t kLineBytes = 512;  // Of what is neither.
    bytes_ += line.issued.certificate.size() + line.issued.key.size() + kLineBytes;
    filling_.lines.push_back(std::move(line));
    return bytes_ < kBatchBytes ? Result<void>() : Flush();
  }

  // Once the backup was read to its end.
  Result<void> Finish() {
    TRY(Flush());
    filling_.finish = std::move(settings_);
    TRY(relay_.Give(filling_));
    return relay_.Finish();
  }

 private:
  Result<void> Flush() {
    bytes_ = 0;
    return relay_.Give(filling_);
  }

  // On the second thread, to which LMDB's transaction belongs from its beginning to its end.
  Result<void> Load(Batch& batch) {
    if (!load_) load_ = TRY(BulkLoad::Begin(directory_, std::move(keys_), message_bytes_));
    if (batch.store) TRY(load_->Add(*batch.store));
    for (const BackupEntry& entry : batch.entries) TRY(load_->Add(entry));
    if (batch.authority) TRY(load_->Add(*std::move(batch.authority)));
    for (ArchivedLine& line : batch.lines) TRY(load_->Add(std::move(line)));
    if (batch.finish) TRY(load_->Finish(*batch.finish));
    batch = Batch();
    return {};
  }

  const std::filesystem::path& directory_;
  RootKeys keys_;
  const std::uint64_t message_bytes_;
  Settings settings_;
  Batch filling_;
  std::size_t bytes_ = 0;  // In `filling_`.
  std::unique_ptr<BulkLoad> load_;
  Relay<Batch> relay_;  // Last: its thread uses what stands above.
};

}  // namespace

Result<BackupContents> CheckBackup(const BackupFile& file, const ReadingProgress& progress) {
  auto envelope = TRY(file.Read(progress));
  ContentsCounter counter;
  TRY(ReadBackup(envelope, counter));
  return counter.Finish();
}

Result<BackupContents> RestoreKeystore(const BackupFile& file, const std::filesystem::path& directory,
                                       const UnlockSecret& secret, const Keystore::Clock& clock,
                                       const ReadingProgress& progress) {
  std::optional<BackupContents> contents;
  const auto fill = [&](UnlockedHeader& header, RootKeys keys) -> Result<void> {
    auto envelope = TRY(file.Read(progress));
    Loader loader(directory, std::move(keys), envelope.message_bytes());
    TRY(ReadBackup(envelope, loader));
    TRY(loader.Finish());
    contents = static_cast<ContentsCounter&>(loader).Finish();
    for (const Certificate& certificate : contents->recovery) {
      const auto added = header.Add(certificate, std::chrono::floor<std::chrono::seconds>(clock()));
      if (!added.has_value()) contents->left_out.push_back({certificate, added.error().message()});
    }
    return {};
  };
  TRY(Keystore::CreateFilled(directory, secret, clock, fill));
  return *std::move(contents);
}

std::uint64_t MergePlan::Count(MergeAction action) const {
  std::uint64_t count = 0;
  for (const MergeStep& step : steps) count += step.action == action ? 1 : 0;
  return count;
}

}  // namespace certfs
