#include "store/salvage.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "store/directory_lock.h"
#include "store/files.h"
#include "store/salvager.h"

namespace certfs {

namespace {

Result<SalvageReport> Fill(const std::filesystem::path& damaged, const RootKeys& keys,
                           const std::filesystem::path& directory, RootKeys new_keys, Actor owner, Time now,
                           const SalvageProgress& progress) {
  SalvageReport report;
  auto opened = OpenRegularFile(damaged / "data.mdb", O_RDONLY);
  if (!opened.has_value()) return std::move(opened).error().Within(damaged.string());
  const Descriptor file = std::move(opened).value();
  PageScan scan = TRY(PageScan::Begin(file.number()));
  constexpr std::uint64_t kReadings = 2;
  std::uint64_t done = 0;
  const SalvagedRecords records = TRY(SalvagedRecords::Read(scan, keys, [&](std::uint64_t bytes) {
    done += bytes;
    if (progress) progress(done, kReadings * scan.bytes());
  }));
  if (scan.unreadable() != 0)
    report.doubts.push_back(std::to_string(scan.unreadable()) + " pages of data.mdb cannot be read");
  const auto load = TRY(BulkLoad::Begin(directory, std::move(new_keys), scan.bytes()));
  TRY(Salvager(records, *load, report, owner, now).Run());
  return report;
}

}  // namespace

std::string_view ToString(Fate fate) noexcept {
  constexpr std::array<std::string_view, 4> kNames{"recovered", "doubtful", "damaged", "lost"};
  return kNames[static_cast<std::size_t>(fate)];
}

std::uint64_t SalvageReport::Count(Fate fate) const {
  return static_cast<std::uint64_t>(
      std::count_if(items.begin(), items.end(), [&](const SalvagedItem& each) { return each.fate == fate; }));
}

Result<SalvageReport> SalvageKeystore(const std::filesystem::path& damaged, const UnlockSecret& secret,
                                      const std::filesystem::path& directory, const UnlockSecret& new_secret,
                                      Actor owner, const Keystore::Clock& clock,
                                      const SalvageProgress& progress) {
  const auto open_header = [&]() -> Result<UnlockedHeader> {
    return UnlockedHeader::Open(TRY(Header::Load(damaged)), secret);
  };
  auto header = open_header();
  if (!header.has_value()) return std::move(header).error().Within(damaged.string());
  const auto lock = TRY(DirectoryLock::TryAlone(damaged));
  if (!lock) return Error(ErrorCode::kBusy, damaged.string() + " is in use: unmount it first");
  const RootKeys keys = TRY(header.value().Keys());
  SalvageReport report;
  const auto fill = [&](UnlockedHeader& made, RootKeys new_keys) -> Result<void> {
    report = TRY(Fill(damaged, keys, directory, std::move(new_keys), owner, clock(), progress));
    for (const Certificate& certificate : TRY(header.value().header().RecoveryCertificates(keys.header))) {
      const auto added = made.Add(certificate, std::chrono::floor<std::chrono::seconds>(clock()));
      if (!added.has_value())
        report.left_out.push_back(certificate.subject() + ": " + added.error().message());
    }
    return {};
  };
  TRY(Keystore::CreateFilled(directory, new_secret, clock, fill));
  return report;
}

}  // namespace certfs
