#include "store/salvage_records.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "crypto/sealing.h"
#include "store/sealed_view.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse. (hash_tree.cc)
constexpr auto kNodeLabel = "certfs/v1/node\0"sv;
constexpr std::size_t kTreeDepthMax = 64;

// Reads the number that a row is filed under, and the member. Precondition: the key is as long as its kind's.
SalvagedRecords::Key KeyOf(const FoundRow& row) {
  const auto kind = static_cast<RecordKind>(row.value[2]);
  if (row.key.size() == 1) return {kind, 0, 0};
  Reader reader(row.key);
  const Number number = reader.U64();
  return {kind, number, row.key.size() > 8 ? reader.U8() : std::uint64_t{0}};
}

std::uint32_t EpochOf(BytesView sealed) {
  Reader reader(sealed);
  reader.U32();
  return reader.U32();
}

}  // namespace

Result<SalvagedRecords> SalvagedRecords::Read(PageScan& scan, const RootKeys& keys,
                                              const PageScan::Progress& progress) {
  SalvagedRecords found(scan, keys);
  // Their keys open all the others.
  TRY(scan.Run([&](const FoundRow& row) { return found.TakeManifest(row); }, progress));
  if (!found.newest_) {
    return Error(ErrorCode::kCorrupt,
                 "no manifest is left that opens: without one there is no key to anything else");
  }
  found.manifest_ = *std::move(found.newest_);
  found.is_current_ = found.manifest_standing_ == Standing::kCurrent;
  TRY(scan.Run([&](const FoundRow& row) { return found.TakeRow(row); }, progress));
  return found;
}

// Rows of other kinds are for later.
bool SalvagedRecords::TakeManifest(const FoundRow& row) {
  if (row.key.size() != 1 || static_cast<RecordKind>(row.value[2]) != RecordKind::kManifest) return true;
  auto opened = Unseal(keys_.manifest_key, ManifestIdentity(keys_.store_id), row.value);
  if (!opened.has_value()) return false;
  auto manifest = DecodeManifest(opened.value().plaintext.Reveal());
  if (!manifest.has_value() || manifest.value().commit != opened.value().revision) return false;
  for (const DataKey& each : manifest.value().data_keys) data_keys_.try_emplace(each.epoch, each.key.Clone());
  // What stands where the newest commit leads is the newest, whatever a commit that failed has left beside.
  const auto rank = [](Standing standing, const Manifest& of) {
    return std::pair(standing == Standing::kCurrent, of.commit);
  };
  if (!newest_ || rank(manifest_standing_, *newest_) < rank(row.standing, manifest.value())) {
    newest_ = std::move(manifest).value();
    manifest_standing_ = row.standing;
  }
  return true;
}

bool SalvagedRecords::TakeRow(const FoundRow& row) {
  const bool record =
      row.key.size() == 1 || (row.value[0] == 1 && row.value[1] == 1 && row.value.size() > kSealOverhead);
  if (record) return TakeRecord(row);
  nodes_.try_emplace(Sha256({AsBytes(kNodeLabel), row.key, row.value}), row.place);
  return true;
}

bool SalvagedRecords::TakeRecord(const FoundRow& row) {
  const Key key = KeyOf(row);
  const auto& [kind, number, member] = key;
  if (kind == RecordKind::kManifest) return true;
  const std::uint32_t epoch = EpochOf(row.value);
  const auto data_key = data_keys_.find(epoch);
  if (data_key == data_keys_.end()) return false;
  std::vector<SalvagedRecord>& known = records_[key];
  const auto same = std::find_if(known.begin(), known.end(), [&](const SalvagedRecord& each) {
    return each.place.offset == row.place.offset && each.place.size == row.place.size;
  });
  if (same != known.end()) return true;
  const auto opened = Unseal(data_key->second, {keys_.store_id, kind, epoch, number, member}, row.value);
  if (!opened.has_value()) {
    if (known.empty()) records_.erase(key);
    return false;
  }
  known.push_back({row.place, row.standing, epoch, opened.value().revision, Sha256({row.value})});
  return true;
}

const SalvagedRecord* SalvagedRecords::Find(const Key& key, const Digest& digest) const {
  const auto found = records_.find(key);
  if (found == records_.end()) return nullptr;
  for (const SalvagedRecord& each : found->second) {
    if (each.digest == digest) return &each;
  }
  return nullptr;
}

const SalvagedRecord* SalvagedRecords::Newest(const Key& key) const {
  const auto found = records_.find(key);
  if (found == records_.end()) return nullptr;
  const SalvagedRecord* newest = nullptr;
  const auto rank = [](const SalvagedRecord& each) {
    return std::pair(each.standing == Standing::kCurrent, each.revision);
  };
  for (const SalvagedRecord& each : found->second) {
    if (each.standing == Standing::kFree) continue;
    if (newest == nullptr || rank(*newest) < rank(each)) newest = &each;
  }
  return newest;
}

const SalvagedRecord* SalvagedRecords::NewestFree(const Key& key) const {
  const auto found = records_.find(key);
  if (found == records_.end()) return nullptr;
  const SalvagedRecord* newest = nullptr;
  for (const SalvagedRecord& each : found->second) {
    if (newest == nullptr || newest->revision < each.revision) newest = &each;
  }
  return newest;
}

Result<SecretBytes> SalvagedRecords::Open(const Key& key, const SalvagedRecord& record) const {
  const auto& [kind, number, member] = key;
  const Bytes sealed = scan_.Read(record.place);
  Unsealed opened =
      TRY(Unseal(data_keys_.at(record.epoch), {keys_.store_id, kind, record.epoch, number, member}, sealed));
  return std::move(opened.plaintext);
}

std::vector<SalvagedRecords::Key> SalvagedRecords::KeysOf(RecordKind kind) const {
  std::vector<Key> keys;
  for (auto at = records_.lower_bound({kind, 0, 0}); at != records_.end() && std::get<0>(at->first) == kind;
       ++at)
    keys.push_back(at->first);
  return keys;
}

std::vector<TreeItem> SalvagedRecords::ItemsOf(const Digest& root, bool& whole) const {
  std::vector<TreeItem> items;
  if (root != Digest{}) Gather(root, 0, items, whole);
  return items;
}

void SalvagedRecords::Gather(const Digest& node, std::size_t depth, std::vector<TreeItem>& items,
                             bool& whole) const {
  const auto found = nodes_.find(node);
  const Bytes bytes = found == nodes_.end() ? Bytes() : scan_.Read(found->second);
  if (bytes.empty() || depth > kTreeDepthMax) {
    whole = false;
    return;
  }
  Reader reader(bytes);
  if (reader.U8() == 2) {
    reader.U64();
    for (std::size_t i = 0; i < kTreeWays; ++i) {
      Digest child{};
      reader.Fill(child);
      if (child != Digest{}) Gather(child, depth + 1, items, whole);
    }
    return;
  }
  for (std::size_t left = reader.U8(); left > 0; --left) {
    TreeItem item{};
    reader.Fill(item.key);
    item.number = reader.U64();
    reader.Fill(item.digest);
    items.push_back(item);
  }
}

}  // namespace certfs
