#include "store/salvage_pages.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>

#include "crypto/sealing.h"
#include "store/files.h"
#include "store/hash_tree.h"

namespace certfs {

namespace {

using lmdb::Node;
using lmdb::PageNumber;
using lmdb::TreePage;

constexpr std::size_t kDepthMax = 32;
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr std::uint32_t kRecordBytesMax = std::uint32_t{64} << 20;
// A key of the table of nodes: tree, depth, prefix.
constexpr std::size_t kNodeKeyMin = 9;
constexpr std::size_t kNodeKeyMax = 9 + 32;
constexpr std::size_t kItemBytes = 72;
constexpr std::size_t kInnerBytes = 1 + 8 + kTreeWays * 32;

// Reads as much as there is; less where the disk refuses.
std::size_t ReadAt(int file, std::uint64_t offset, std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = pread(file, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

// Says whether a sealed record, under a key of that length, begins so.
bool BeginsRecord(BytesView value, std::size_t key_bytes) {
  if (value.size() < 4 || value[0] != 1 || value[1] != 1 || value[3] != 0) return false;
  switch (static_cast<RecordKind>(value[2])) {
    case RecordKind::kManifest:
    case RecordKind::kSettings:
    case RecordKind::kAuthority:
      return key_bytes == 1;
    case RecordKind::kStore:
    case RecordKind::kEntry:
    case RecordKind::kIssued:
      return key_bytes == 8;
    case RecordKind::kContent:
      return key_bytes == 9;
    case RecordKind::kRecoveryCertificate:
    case RecordKind::kAuditLine:
      break;
  }
  return false;
}

bool IsTreeNode(BytesView key, BytesView value) {
  if (key.size() < kNodeKeyMin || key.size() > kNodeKeyMax || value.size() < 2) return false;
  if (value[0] == 2) return value.size() == kInnerBytes;
  return value[0] == 1 && value[1] >= 1 && value[1] <= kLeafItemsMax &&
         value.size() == 2 + kItemBytes * value[1];
}

}  // namespace

Result<PageScan> PageScan::Begin(int file) {
  struct stat status {};
  if (fstat(file, &status) != 0) return SystemFailure("data.mdb", errno);
  PageScan scan(file, static_cast<std::uint64_t>(status.st_size));
  TRY(scan.FindStandings(StoredBytes(status)));
  return scan;
}

Bytes PageScan::Read(FilePlace place) const {
  // Before anything is set aside for it: a page may say what it likes.
  if (place.offset > bytes_ || place.size > bytes_ - place.offset) return {};
  Bytes bytes(place.size);
  if (ReadAt(file_, place.offset, bytes) != bytes.size()) return {};
  return bytes;
}

Result<void> PageScan::FindStandings(std::uint64_t stored) {
  std::array<lmdb::Meta, lmdb::kMetas> metas;
  std::array<const char*, lmdb::kMetas> wrong{"it cannot be read", "it cannot be read"};
  for (std::size_t i = 0; i < lmdb::kMetas; ++i) {
    Bytes bytes(lmdb::kMetaBytes);
    if (ReadAt(file_, i * page_bytes_, bytes) == bytes.size()) metas[i] = lmdb::Meta::Parse(bytes, &wrong[i]);
    if (wrong[i] == nullptr) page_bytes_ = metas[i].page_bytes();
  }
  const std::uint64_t pages = bytes_ / page_bytes_;
  if (pages > lmdb::PagesMax(stored, page_bytes_)) {
    return Error(ErrorCode::kCorrupt, "data.mdb is long enough for " + std::to_string(pages) +
                                          " pages, and the disk holds " +
                                          std::to_string(stored / page_bytes_) +
                                          " of them: copy what there is to a file without the rest");
  }
  standings_.assign(pages + 1, Standing::kUnknown);
  known_ = wrong[0] == nullptr && wrong[1] == nullptr && lmdb::WhyNotPair(metas[0], metas[1]) == nullptr;
  if (!known_) return {};
  const lmdb::Meta& meta = metas[lmdb::NewerOf(metas[0], metas[1])];
  Follow(meta.main.root, 1, true);
  FollowFree(meta.free.root, 1);
  return {};
}

std::optional<TreePage> PageScan::Enter(PageNumber number, std::size_t depth, Standing standing,
                                        Bytes& bytes) {
  if (depth > kDepthMax || number < lmdb::kMetas || number >= standings_.size()) return std::nullopt;
  // Each is followed once: damage may lead in circles.
  if (standings_[number] != Standing::kUnknown) return std::nullopt;
  bytes.resize(page_bytes_);
  if (ReadAt(file_, number * page_bytes_, bytes) != page_bytes_) return std::nullopt;
  standings_[number] = standing;
  const char* wrong = nullptr;
  return TreePage::Parse(bytes, number, &wrong);
}

void PageScan::Follow(PageNumber number, std::size_t depth, bool main) {
  Bytes bytes;
  const auto page = Enter(number, depth, Standing::kCurrent, bytes);
  if (!page) return;
  for (std::size_t i = 0; i < page->count(); ++i) {
    const Node node = page->At(i);
    if (!page->is_leaf()) {
      Follow(node.child, depth + 1, main);
    } else if (main && node.flags == lmdb::kTreeNode && node.size == lmdb::kTreeFactsBytes) {
      Follow(lmdb::TreeFacts::Parse(node.value).root, 1, false);
    }
  }
}

void PageScan::FollowFree(PageNumber number, std::size_t depth) {
  Bytes bytes;
  const auto page = Enter(number, depth, Standing::kFree, bytes);  // It holds no row of ours.
  if (!page) return;
  for (std::size_t i = 0; i < page->count(); ++i) {
    const Node node = page->At(i);
    if (!page->is_leaf()) {
      FollowFree(node.child, depth + 1);
      continue;
    }
    const bool big = (node.flags & lmdb::kBigNode) != 0;
    if (node.size > kRecordBytesMax || node.size % sizeof(PageNumber) != 0) continue;
    const Bytes list = big ? Read({node.run() * page_bytes_ + lmdb::kPageHeaderBytes, node.size})
                           : Bytes(node.value.begin(), node.value.end());
    for (std::size_t at = sizeof(PageNumber); at < list.size(); at += sizeof(PageNumber)) {
      if (at / sizeof(PageNumber) > lmdb::NumberAt<std::uint64_t>(list, 0)) break;
      const auto free = lmdb::NumberAt<PageNumber>(list, at);
      if (free < standings_.size() && standings_[free] == Standing::kUnknown)
        standings_[free] = Standing::kFree;
    }
  }
}

Result<void> PageScan::Run(const Sink& take, const Progress& progress) {
  const std::size_t pages_a_chunk = std::max<std::size_t>(kChunkBytes / page_bytes_, 1);
  const std::uint64_t pages = bytes_ / page_bytes_;
  unreadable_ = 0;
  Bytes chunk(pages_a_chunk * page_bytes_);
  for (PageNumber first = 0; first < pages; first += pages_a_chunk) {
    const std::size_t count = std::min<std::uint64_t>(pages_a_chunk, pages - first);
    const std::span<std::uint8_t> whole(chunk.data(), count * page_bytes_);
    const bool read = ReadAt(file_, first * page_bytes_, whole) == whole.size();
    for (std::size_t i = 0; i < count; ++i) {
      const std::span<std::uint8_t> page = whole.subspan(i * page_bytes_, page_bytes_);
      // Where a part cannot be read, the rest may be.
      if (!read && ReadAt(file_, (first + i) * page_bytes_, page) != page.size()) {
        ++unreadable_;
        continue;
      }
      ScanPage(first + i, page, take);
    }
    if (progress) progress(whole.size());
  }
  return {};
}

void PageScan::ScanPage(PageNumber number, BytesView page, const Sink& take) const {
  const Standing standing = standings_[number];
  const lmdb::PageHeader header = lmdb::PageHeader::Parse(page);
  // What the page itself calls its rows, before what lies about in it: that may be of before.
  std::vector<bool> named(page.size() / 2 + 1);
  if (header.flags == lmdb::kLeafPage) {
    const std::size_t end = std::min<std::size_t>(header.lower, page.size());
    for (std::size_t at = lmdb::kPageHeaderBytes; at + 2 <= end; at += 2) {
      const Spot spot{number, lmdb::NumberAt<std::uint16_t>(page, at), standing};
      if (spot.offset >= page.size() || named[spot.offset / 2]) continue;
      named[spot.offset / 2] = true;
      if (!Offer(spot, page, take) && standing != Standing::kFree) Mend(spot, page, take);
    }
  }
  const char* wrong = nullptr;
  const bool sound = TreePage::Parse(page, number, &wrong).has_value();
  Standing rest = standing == Standing::kCurrent ? Standing::kUnknown : standing;
  if (sound) rest = Standing::kFree;
  for (std::size_t offset = lmdb::kPageHeaderBytes; offset + lmdb::kNodeHeaderBytes < page.size();
       offset += 2) {
    if (!named[offset / 2]) Offer({number, offset, rest}, page, take);
  }
}

// Returns false only for what looks like a row and is not what it seems, or cannot be one.
bool PageScan::Offer(const Spot& spot, BytesView page, const Sink& take) const {
  const auto node = TreePage::NodeAt(page, spot.offset, true);
  if (!node || (node->flags & ~lmdb::kBigNode) != 0) return false;
  FoundRow row{node->key, node->value, {}, spot.standing};
  if ((node->flags & lmdb::kBigNode) == 0) {
    row.place = {spot.page * page_bytes_ + static_cast<std::uint64_t>(node->value.data() - page.data()),
                 node->size};
    if (IsTreeNode(node->key, node->value)) return take(row);
    return BeginsRecord(node->value, node->key.size()) && take(row);
  }
  row.place = {node->run() * page_bytes_ + lmdb::kPageHeaderBytes, node->size};
  if (node->run() >= standings_.size() || node->size > kRecordBytesMax) return false;
  // Few bytes tell most of what is none.
  if (!BeginsRecord(Read({row.place.offset, 4}), node->key.size())) return false;
  const Bytes value = Read(row.place);
  row.value = value;
  return !value.empty() && take(row);
}

void PageScan::Mend(const Spot& spot, BytesView page, const Sink& take) const {
  const std::size_t offset = spot.offset;
  // What LMDB says of a row is its length, its kind, that of its key, and the key. Those keys are as long as
  // this, where it is one of ours at all.
  constexpr std::array<std::size_t, 3> kKeyBytes{1, 8, 9};
  if (offset < lmdb::kPageHeaderBytes || offset + lmdb::kNodeHeaderBytes + 9 + 8 > page.size()) return;
  for (const std::size_t key_bytes : kKeyBytes) {
    const std::size_t value_at = offset + lmdb::kNodeHeaderBytes + key_bytes;
    const bool here = BeginsRecord(page.subspan(value_at, 4), key_bytes);
    const auto run = lmdb::NumberAt<PageNumber>(page, value_at);
    const bool apart = lmdb::NumberAt<std::uint16_t>(page, offset + 6) == key_bytes &&
                       (lmdb::NumberAt<std::uint16_t>(page, offset + 4) & lmdb::kBigNode) != 0;
    const bool led = run < standings_.size() &&
                     BeginsRecord(Read({run * page_bytes_ + lmdb::kPageHeaderBytes, 4}), key_bytes);
    if (!here && !apart && !led) continue;
    // Of a value in pages of its own, where these begin.
    const std::size_t said = lmdb::kNodeHeaderBytes + key_bytes + (apart ? sizeof(PageNumber) : 0);
    Bytes copy(page.begin(), page.end());
    for (std::size_t bit = 0; bit < 8 * said; ++bit) {
      const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
      copy[offset + bit / 8] ^= mask;
      const bool fits = Offer(spot, copy, take);
      copy[offset + bit / 8] ^= mask;
      if (fits) return;
    }
  }
}

}  // namespace certfs
