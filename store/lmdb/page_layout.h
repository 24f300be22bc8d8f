// The layout of LMDB's data file (version 1, as liblmdb 0.9 writes it on a 64-bit machine), read without
// LMDB, which takes every byte of it at its word. Private to store/.
//
// A file is pages of one size. Pages 0 and 1 are *metas*: each commit overwrites the older of the two, whose
// trees are then the state. A tree's pages are branches and leaves: a header, an array of offsets in the
// order of the keys, free room, and the *nodes* that the offsets lead to. A value that is too long for a leaf
// lies in an *overflow run* of pages of its own. One tree lists the pages that are free, by the commit that
// freed them, one the tables by name, and each table is a tree.
//
// Thread-safety: values, and free functions. Ownership: views borrow the page. Errors: what cannot be is said
// in words, a literal; nothing is read beyond the view.

#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "crypto/base/bytes.h"

namespace certfs::lmdb {

static_assert(sizeof(void*) == 8, "LMDB's file of a 32-bit machine is another one");

using PageNumber = std::uint64_t;

// On disk, all of it, and not ours.
inline constexpr PageNumber kNoPage = ~PageNumber{0};
inline constexpr std::size_t kMetas = 2;
inline constexpr std::size_t kPageHeaderBytes = 16;
inline constexpr std::size_t kNodeHeaderBytes = 8;
inline constexpr std::size_t kMetaBytes = kPageHeaderBytes + 136;
inline constexpr std::size_t kTreeFactsBytes = 48;
inline constexpr std::size_t kPageBytesMin = 256;
inline constexpr std::size_t kPageBytesMax = 32768;
inline constexpr std::size_t kKeyBytesMax = 511;
inline constexpr std::uint16_t kBranchPage = 0x01;
inline constexpr std::uint16_t kLeafPage = 0x02;
inline constexpr std::uint16_t kOverflowPage = 0x04;
inline constexpr std::uint16_t kMetaPage = 0x08;
inline constexpr std::uint16_t kBigNode = 0x01;   // The value lies in an overflow run.
inline constexpr std::uint16_t kTreeNode = 0x02;  // The value is the facts of a table.
// A commit that LMDB could never get past: its numbers go on from there.
inline constexpr std::uint64_t kCommitEnd = std::uint64_t{1} << 63;

// Returns the number that stands at `at`; 0 where it would leave the view: what was looked at may be another
// thing by now.
template <typename T>
T NumberAt(BytesView bytes, std::size_t at) {
  T value = 0;
  if (at > bytes.size() || bytes.size() - at < sizeof(value)) return value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

// What LMDB keeps of one tree.
struct TreeFacts {
  std::uint32_t pad = 0;  // Of the tree of free pages: the size of a page.
  std::uint16_t flags = 0;
  std::uint16_t depth = 0;
  std::uint64_t branches = 0;
  std::uint64_t leaves = 0;
  std::uint64_t overflows = 0;
  std::uint64_t entries = 0;
  PageNumber root = kNoPage;

  // Precondition: kTreeFactsBytes.
  static TreeFacts Parse(BytesView bytes);
};

struct Meta {
  std::uint64_t map_bytes = 0;
  TreeFacts free;
  TreeFacts main;
  PageNumber last_page = 0;
  std::uint64_t commit = 0;

  std::size_t page_bytes() const noexcept { return free.pad; }

  // Precondition: kMetaBytes. Sets `wrong` to why it is none, null if it is one as far as it tells by itself.
  static Meta Parse(BytesView page, const char** wrong);
};

// Says why two metas, as they stand in the file, cannot both be; null if they can.
const char* WhyNotPair(const Meta& first, const Meta& second);
// Which of the two is the state.
inline std::size_t NewerOf(const Meta& first, const Meta& second) {
  return first.commit < second.commit ? 1 : 0;
}

struct PageHeader {
  PageNumber number = 0;
  std::uint16_t flags = 0;
  std::uint16_t lower = 0;  // Where the offsets end,
  std::uint16_t upper = 0;  // and where the nodes begin.
  std::uint32_t run = 0;    // Instead of both: how many pages an overflow run has.

  // Precondition: kPageHeaderBytes.
  static PageHeader Parse(BytesView bytes);
};

struct Node {
  std::uint16_t flags = 0;
  BytesView key;
  PageNumber child = 0;    // Of a branch.
  std::uint32_t size = 0;  // Of a leaf: of the value, wherever it lies.
  BytesView value;         // Of a leaf: the value; of a big node the number of its first page.

  PageNumber run() const { return NumberAt<PageNumber>(value, 0); }
};

// A page of a tree.
//
// Whoever has the file mapped may see it change meanwhile: then what is returned is anything, but lies within
// the page.
class TreePage {
 public:
  // Returns `page`, all of a page, if it may be one that LMDB wrote as number `number`: every node lies in
  // it, and no two of them overlap. Otherwise sets `wrong` to why not.
  static std::optional<TreePage> Parse(BytesView page, PageNumber number, const char** wrong);

  bool is_leaf() const noexcept { return header_.flags == kLeafPage; }
  std::size_t count() const noexcept { return (header_.lower - kPageHeaderBytes) / 2; }
  Node At(std::size_t index) const {
    const auto offset = NumberAt<std::uint16_t>(page_, kPageHeaderBytes + 2 * index);
    return NodeAt(page_, offset, is_leaf()).value_or(Node());
  }

  // The node at `offset` of `page`, wherever that is; nothing where it would leave the page.
  static std::optional<Node> NodeAt(BytesView page, std::size_t offset, bool leaf);

 private:
  TreePage(BytesView page, const PageHeader& header) : page_(page), header_(header) {}
  static const char* WhyNot(BytesView page, const PageHeader& header, PageNumber number);

  BytesView page_;
  PageHeader header_;
};

// How many pages are looked at of a file of which the disk holds `stored` bytes. LMDB leaves holes where it
// never wrote, and a file system may say late what it holds, so that 64 GiB of the usual pages pass at any
// rate, twice what a keystore has room for; a file that claims more than that, and than four times what is
// there, was made so that memory is set aside for each.
inline std::uint64_t PagesMax(std::uint64_t stored, std::size_t page_bytes) {
  return (std::uint64_t{1} << 24) + 4 * (stored / page_bytes);
}

// How many pages of `page_bytes` a value of `size` takes.
inline std::uint64_t RunOf(std::uint64_t size, std::size_t page_bytes) {
  return (kPageHeaderBytes - 1 + size) / page_bytes + 1;
}

// The largest node that a leaf holds with its value in it.
inline std::size_t NodeBytesMax(std::size_t page_bytes) {
  return (((page_bytes - kPageHeaderBytes) / 2) & ~std::size_t{1}) - 2;
}

}  // namespace certfs::lmdb
