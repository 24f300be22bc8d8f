// Looking for records in a data.mdb that may be damaged anywhere: page by page, without LMDB, and without
// believing what any page says of itself. Private to store/.
//
// Nothing that is found is true before its seal, or its digest, says so: whoever takes it sees to that.
//
// Thread-safety: none. Ownership: borrows the descriptor. Memory: a byte a page of the file. Errors: kIo
// where the file cannot be measured, kCorrupt where it is long by holes alone (PagesMax in
// lmdb/page_layout.h); pages that cannot be read are counted and left out.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "store/lmdb/page_layout.h"

namespace certfs {

// What the newest commit says of a page, as far as that can be followed.
enum class Standing : std::uint8_t {
  kCurrent,  // One of its trees leads there.
  kUnknown,  // It may belong to it, where damage hides a part of them.
  kFree      // What stands there was replaced or removed.
};

// Where something stands in the file.
struct FilePlace {
  std::uint64_t offset = 0;
  std::uint32_t size = 0;
};

// A row, or what looks like one.
struct FoundRow {
  BytesView key;
  BytesView value;
  FilePlace place;  // Of the value.
  Standing standing = Standing::kUnknown;
};

class PageScan {
 public:
  // `file`, open for reading, outlives it.
  static Result<PageScan> Begin(int file);

  // Shows all that looks like a sealed record, or a node of a hash tree, wherever it stands; some of it more
  // than once, and some of it never was one. `take` returns whether it is what it seems. Where a row of a
  // page in use is not, it is shown again with each single bit of what LMDB says of it changed.
  // `progress` is told how many bytes were read.
  using Sink = std::function<bool(const FoundRow& row)>;
  using Progress = std::function<void(std::uint64_t bytes)>;
  Result<void> Run(const Sink& take, const Progress& progress);

  // Reads what stands at `place`; nothing where that cannot be read.
  Bytes Read(FilePlace place) const;

  std::uint64_t bytes() const noexcept { return bytes_; }
  // Whether the metas say together which commit is the newest. Otherwise no page has a standing.
  bool standings_known() const noexcept { return known_; }
  // How many pages the disk did not give, so far.
  std::uint64_t unreadable() const noexcept { return unreadable_; }

 private:
  PageScan(int file, std::uint64_t bytes) : file_(file), bytes_(bytes) {}
  Result<void> FindStandings(std::uint64_t stored);
  void Follow(lmdb::PageNumber page, std::size_t depth, bool main);
  void FollowFree(lmdb::PageNumber page, std::size_t depth);
  // Reads the page of a tree into `bytes`, and notes its standing. Nothing where it cannot be followed.
  std::optional<lmdb::TreePage> Enter(lmdb::PageNumber number, std::size_t depth, Standing standing,
                                      Bytes& bytes);
  // A row of the page at hand.
  struct Spot {
    lmdb::PageNumber page = 0;
    std::size_t offset = 0;
    Standing standing = Standing::kUnknown;
  };
  void ScanPage(lmdb::PageNumber number, BytesView page, const Sink& take) const;
  bool Offer(const Spot& spot, BytesView page, const Sink& take) const;
  void Mend(const Spot& spot, BytesView page, const Sink& take) const;

  int file_;
  std::uint64_t bytes_;
  std::size_t page_bytes_ = 4096;
  bool known_ = false;
  std::uint64_t unreadable_ = 0;
  std::vector<Standing> standings_;
};

}  // namespace certfs
