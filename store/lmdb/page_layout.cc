#include "store/lmdb/page_layout.h"

#include <array>
#include <bit>

namespace certfs::lmdb {

namespace {

// On disk, and not ours.
constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kVersion = 1;
constexpr std::uint16_t kIntegerKeys = 0x08;   // How the tree of free pages is sorted.
constexpr std::uint16_t kSingleFile = 0x4000;  // The environment was made without a directory.
constexpr std::size_t kFreeAt = kPageHeaderBytes + 24;
constexpr std::size_t kMainAt = kFreeAt + kTreeFactsBytes;
constexpr std::size_t kLastPageAt = kMainAt + kTreeFactsBytes;
constexpr std::size_t kCommitAt = kLastPageAt + 8;
// More address space than any machine has.
constexpr std::uint64_t kMapBytesEnd = std::uint64_t{1} << 47;

std::size_t Even(std::size_t size) { return (size + 1) & ~std::size_t{1}; }

const char* WhyNotMeta(const Meta& meta) {
  const std::size_t page = meta.page_bytes();
  if (page < kPageBytesMin || page > kPageBytesMax || !std::has_single_bit(page))
    return "the size of a page is none";
  if (meta.commit >= kCommitEnd) return "the number of the commit is none";
  if (meta.map_bytes >= kMapBytesEnd) return "the size of the map is none";
  if (meta.last_page == 0 || meta.last_page >= kMapBytesEnd / page) return "the number of pages is none";
  if ((meta.free.flags & ~kSingleFile) != kIntegerKeys || meta.main.flags != 0)
    return "the kind of its trees is another";
  return nullptr;
}

}  // namespace

TreeFacts TreeFacts::Parse(BytesView bytes) {
  TreeFacts facts;
  facts.pad = NumberAt<std::uint32_t>(bytes, 0);
  facts.flags = NumberAt<std::uint16_t>(bytes, 4);
  facts.depth = NumberAt<std::uint16_t>(bytes, 6);
  facts.branches = NumberAt<std::uint64_t>(bytes, 8);
  facts.leaves = NumberAt<std::uint64_t>(bytes, 16);
  facts.overflows = NumberAt<std::uint64_t>(bytes, 24);
  facts.entries = NumberAt<std::uint64_t>(bytes, 32);
  facts.root = NumberAt<PageNumber>(bytes, 40);
  return facts;
}

Meta Meta::Parse(BytesView page, const char** wrong) {
  Meta meta;
  meta.map_bytes = NumberAt<std::uint64_t>(page, kPageHeaderBytes + 16);
  meta.free = TreeFacts::Parse(page.subspan(kFreeAt, kTreeFactsBytes));
  meta.main = TreeFacts::Parse(page.subspan(kMainAt, kTreeFactsBytes));
  meta.last_page = NumberAt<PageNumber>(page, kLastPageAt);
  meta.commit = NumberAt<std::uint64_t>(page, kCommitAt);
  if ((PageHeader::Parse(page).flags & kMetaPage) == 0) {
    *wrong = "it is no meta page";
  } else if (NumberAt<std::uint32_t>(page, kPageHeaderBytes) != kMagic) {
    *wrong = "it has not LMDB's magic number";
  } else if (NumberAt<std::uint32_t>(page, kPageHeaderBytes + 4) != kVersion) {
    *wrong = "it is of another version of LMDB";
  } else {
    *wrong = WhyNotMeta(meta);
  }
  return meta;
}

const char* WhyNotPair(const Meta& first, const Meta& second) {
  if (first.page_bytes() != second.page_bytes()) return "the two say different sizes of a page";
  if (first.commit == 0 && second.commit == 0) return nullptr;
  // Each commit overwrites the older one: commit n lies in page n % 2, and the other is the one before.
  const std::uint64_t newer = first.commit < second.commit ? second.commit : first.commit;
  const std::uint64_t older = first.commit < second.commit ? first.commit : second.commit;
  if (newer - older != 1 || first.commit % kMetas != 0) return "the two commits are not one behind the other";
  return nullptr;
}

PageHeader PageHeader::Parse(BytesView bytes) {
  PageHeader header;
  header.number = NumberAt<PageNumber>(bytes, 0);
  header.flags = NumberAt<std::uint16_t>(bytes, 10);
  header.lower = NumberAt<std::uint16_t>(bytes, 12);
  header.upper = NumberAt<std::uint16_t>(bytes, 14);
  header.run = NumberAt<std::uint32_t>(bytes, 12);
  return header;
}

std::optional<Node> TreePage::NodeAt(BytesView page, std::size_t offset, bool leaf) {
  if (offset < kPageHeaderBytes || offset % 2 != 0 || offset + kNodeHeaderBytes > page.size()) return {};
  constexpr bool kLowFirst = std::endian::native == std::endian::little;
  const std::uint64_t low = NumberAt<std::uint16_t>(page, offset + (kLowFirst ? 0 : 2));
  const std::uint64_t high = NumberAt<std::uint16_t>(page, offset + (kLowFirst ? 2 : 0));
  Node node;
  node.flags = NumberAt<std::uint16_t>(page, offset + 4);
  const std::size_t key_bytes = NumberAt<std::uint16_t>(page, offset + 6);
  const std::size_t rest = page.size() - offset - kNodeHeaderBytes;
  if (key_bytes > rest) return {};
  node.key = page.subspan(offset + kNodeHeaderBytes, key_bytes);
  if (!leaf) {
    // A branch has no values; the flags are part of the number.
    node.child = low | high << 16 | std::uint64_t{node.flags} << 32;
    node.flags = 0;
    return node;
  }
  node.size = static_cast<std::uint32_t>(low | high << 16);
  const std::size_t value_bytes = (node.flags & kBigNode) != 0 ? sizeof(PageNumber) : node.size;
  if (value_bytes > rest - key_bytes) return {};
  node.value = page.subspan(offset + kNodeHeaderBytes + key_bytes, value_bytes);
  return node;
}

std::optional<TreePage> TreePage::Parse(BytesView page, PageNumber number, const char** wrong) {
  const PageHeader header = PageHeader::Parse(page);
  *wrong = WhyNot(page, header, number);
  if (*wrong != nullptr) return std::nullopt;
  return TreePage(page, header);
}

const char* TreePage::WhyNot(BytesView page, const PageHeader& header, PageNumber number) {
  if (header.number != number) return "it says that it is another page";
  if (header.flags != kBranchPage && header.flags != kLeafPage) return "it is no page of a tree";
  const bool leaf = header.flags == kLeafPage;
  if (header.lower < kPageHeaderBytes || header.lower % 2 != 0 || header.lower > header.upper ||
      header.upper > page.size())
    return "its free room lies outside it";
  const std::size_t count = (header.lower - kPageHeaderBytes) / 2;
  if (count == 0) return "it is empty";
  // Nodes lie one behind the other, without gaps, from the end of the free room to that of the page: LMDB
  // moves them by what they say of their sizes.
  std::array<std::uint16_t, kPageBytesMax / 2> ends;  // By offset; only what stands at one is read.
  std::array<std::uint64_t, kPageBytesMax / 2 / 64> begins;
  std::memset(begins.data(), 0, page.size() / 16);
  const auto has = [&](std::size_t offset) { return (begins[offset / 128] >> (offset / 2 % 64) & 1) != 0; };
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t offset = NumberAt<std::uint16_t>(page, kPageHeaderBytes + 2 * i);
    if (offset < header.upper) return "a node lies in its free room";
    const auto node = NodeAt(page, offset, leaf);
    if (!node) return "a node leaves it";
    if (has(offset)) return "two nodes lie in one place";
    const std::size_t size = Even(kNodeHeaderBytes + node->key.size() + node->value.size());
    begins[offset / 128] |= std::uint64_t{1} << (offset / 2 % 64);
    ends[offset / 2] = static_cast<std::uint16_t>(offset + size);
    sum += size;
  }
  if (sum != page.size() - header.upper) return "its nodes take another room than it says";
  for (std::size_t at = header.upper; at < page.size();) {
    if (!has(at)) return "its nodes overlap";
    const std::size_t end = ends[at / 2];
    if (end > page.size() || end <= at) return "a node leaves it";
    at = end;
  }
  return nullptr;
}

}  // namespace certfs::lmdb
