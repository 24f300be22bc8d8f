// What a package holds: a tar of plain files and directories (POSIX.1-2001, pax Interchange Format; ustar and
// GNU's as well), read by libarchive and believed in nothing.
//
// Thread-safety: main thread only. Errors: kRejected, with the name as it may be shown, for whatever a
// package may not hold; kMalformed for what is no tar, or is damaged.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/time.h"
#include "tools/package/spool.h"

namespace certfs::package {

// One file or directory. `name` is relative, its parts joined by single slashes, none of them `.` or `..`;
// valid UTF-8 without control characters.
struct Item {
  std::string name;
  bool directory = false;
  std::uint32_t mode = 0;  // The nine bits of permission.
  std::uint64_t size = 0;
  Time mtime{};

  friend bool operator==(const Item&, const Item&) = default;
};

inline constexpr std::size_t kItemsMax = 250'000;   // With the directories that their names imply.
inline constexpr std::size_t kNameBytesMax = 4096;  // PATH_MAX.
inline constexpr std::size_t kPartBytesMax = 255;   // NAME_MAX.
inline constexpr std::size_t kDepthMax = 100;       // Parts of a name.
inline constexpr std::size_t kAllNamesBytesMax = std::size_t{64} << 20;

// Says whether `name` can be an item's: kRejected, and why, if not.
Result<void> CheckName(const std::string& name);

// Walks the items of a tar in their order.
class ItemReader {
 public:
  // `spool` must outlive it.
  explicit ItemReader(const Spool& spool);
  ~ItemReader();
  ItemReader(const ItemReader&) = delete;
  ItemReader& operator=(const ItemReader&) = delete;

  // The next item; nothing at the end.
  Result<std::optional<Item>> Next();

  // Fills `out` with what comes next of that item's content; 0 at its end.
  Result<std::size_t> Read(std::span<std::uint8_t> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads all of `spool` and returns what is in it, once everything was seen to be there and as it may be: no
// name twice, no file where others have a directory, and not more than `bytes_max` altogether (kTooLarge).
Result<std::vector<Item>> ReadContents(const Spool& spool, std::uint64_t bytes_max);

}  // namespace certfs::package
