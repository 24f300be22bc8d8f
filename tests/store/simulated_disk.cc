#include "tests/store/simulated_disk.h"

#include <algorithm>
#include <utility>

#include "tests/support/vectors.h"

namespace certfs {

namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::size_t kSectorBytes = 512;

}  // namespace

SimulatedDisk::SimulatedDisk(const std::filesystem::path& directory) {
  for (const auto& each : std::filesystem::directory_iterator(directory)) {
    const std::string name = each.path().filename().string();
    if (name == "lock.mdb") continue;
    const std::uint64_t file = CallTap::FileNumber(each.path());
    names_[name] = file;
    files_[file] = test::ReadAll(each.path().string());
  }
}

void SimulatedDisk::Do(const Change& change, std::map<std::uint64_t, Bytes>& files,
                       std::map<std::string, std::uint64_t>& names) {
  Bytes& bytes = files[change.file];
  switch (change.kind) {
    case Change::Kind::kBytes:
      bytes.resize(std::max<std::size_t>(bytes.size(), change.offset + change.bytes.size()));
      std::copy(change.bytes.begin(), change.bytes.end(),
                bytes.begin() + static_cast<std::ptrdiff_t>(change.offset));
      return;
    case Change::Kind::kLength:
      bytes.resize(change.offset);
      return;
    case Change::Kind::kName:
      names[change.name] = change.file;
      return;
    case Change::Kind::kNoName:
      names.erase(change.name);
      return;
  }
}

template <typename Which>
void SimulatedDisk::Settle(Which&& which) {
  for (const Change& change : pending_) {
    if (which(change)) Do(change, files_, names_);
  }
  std::erase_if(pending_, which);
}

void SimulatedDisk::AddWrite(const DiskEvent& event) {
  // Pages go to the disk one by one, whatever the call was.
  std::uint64_t at = event.offset;
  const std::uint64_t end = event.offset + event.bytes.size();
  while (at < end) {
    const std::uint64_t stop = std::min(end, (at / kPageBytes + 1) * kPageBytes);
    const auto from = event.bytes.begin() + static_cast<std::ptrdiff_t>(at - event.offset);
    Change change{
        Change::Kind::kBytes, event.file, at, Bytes(from, from + static_cast<std::ptrdiff_t>(stop - at)), {}};
    change.durable = event.durable;
    pending_.push_back(std::move(change));
    at = stop;
  }
}

void SimulatedDisk::Add(const DiskEvent& event) {
  const auto is_name = [](const Change& change) {
    return change.kind == Change::Kind::kName || change.kind == Change::Kind::kNoName;
  };
  switch (event.kind) {
    case DiskEvent::Kind::kMake:
      files_[event.file] = {};
      [[fallthrough]];
    case DiskEvent::Kind::kLink:
      pending_.push_back({Change::Kind::kName, event.file, 0, {}, event.name});
      return;
    case DiskEvent::Kind::kWrite:
      AddWrite(event);
      return;
    case DiskEvent::Kind::kTruncate:
      pending_.push_back({Change::Kind::kLength, event.file, event.offset, {}, {}});
      return;
    case DiskEvent::Kind::kUnlink:
      pending_.push_back({Change::Kind::kNoName, event.file, 0, {}, event.name});
      return;
    case DiskEvent::Kind::kRename:
      // The new name comes with the old one's end, or before it.
      pending_.push_back({Change::Kind::kName, event.file, 0, {}, event.name});
      pending_.push_back({Change::Kind::kNoName, event.file, 0, {}, event.from});
      return;
    case DiskEvent::Kind::kSync:
      Settle([&](const Change& change) { return !is_name(change) && change.file == event.file; });
      return;
    case DiskEvent::Kind::kSyncNames:
      Settle(is_name);
      return;
    case DiskEvent::Kind::kMark:
      return;
  }
}

std::size_t SimulatedDisk::pending() const {
  return static_cast<std::size_t>(
      std::count_if(pending_.begin(), pending_.end(), [](const Change& change) { return !change.sure; }));
}

void SimulatedDisk::Returned() {
  for (Change& change : pending_) change.sure = change.sure || change.durable;
}

SimulatedDisk::Image SimulatedDisk::After(const std::vector<bool>& chosen, std::size_t sectors) const {
  std::map<std::uint64_t, Bytes> files = files_;
  std::map<std::string, std::uint64_t> names = names_;
  std::size_t last = chosen.size();
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) last = i;
  }
  std::size_t next = 0;  // Of those that are not sure.
  for (const Change& each : pending_) {
    if (each.sure) {
      Do(each, files, names);
      continue;
    }
    const std::size_t i = next++;
    if (!chosen[i]) continue;
    Change change = each;
    if (i == last && sectors != 0 && change.kind == Change::Kind::kBytes) {
      // Up to the end of that sector.
      const std::size_t into = change.offset % kSectorBytes;
      change.bytes.resize(std::min(change.bytes.size(), sectors * kSectorBytes - into));
    }
    Do(change, files, names);
  }
  Image image;
  for (const auto& [name, file] : names) image[name] = files[file];
  return image;
}

}  // namespace certfs
