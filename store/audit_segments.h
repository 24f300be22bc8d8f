// The files of an audit log: which there are, and the lines in one. Private to store/.
//
// Thread-safety: AuditFrames belongs to one thread; the rest are values and free functions. Errors: kIo when
// the operating system refuses, kCorrupt for what is called like a file of the log and is none.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "crypto/base/result.h"
#include "store/audit_format.h"
#include "store/files.h"

namespace certfs {

// One file, open for reading, as long as it was at one moment.
struct AuditSegment {
  std::shared_ptr<const Descriptor> file;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::uint64_t first = 0;      // As its header says or, where that is damaged, its name; 0 for neither.
  std::optional<Error> damage;  // Of the header.
};

// Opens a file of the log; nothing where it is not there.
Result<std::optional<AuditSegment>> OpenAuditSegment(const std::filesystem::path& path,
                                                     const StoreId& store_id);

// All of them, the oldest first; audit.log, where there is one, is the last. Nothing is appended or rotated
// while they are looked at, and what is removed later can still be read.
Result<std::vector<AuditSegment>> OpenAuditSegments(const std::filesystem::path& directory,
                                                    const StoreId& store_id);

// The numbers that are in the names of those that were rotated away, in order.
Result<std::vector<std::uint64_t>> ListAuditSegments(const std::filesystem::path& directory);

// Walks the frames of one file, from `offset` to `end`, with 64 KiB of memory.
class AuditFrames {
 public:
  AuditFrames(int file, std::uint64_t offset, std::uint64_t end) : file_(file), offset_(offset), end_(end) {}

  // Returns what is in the next frame, until the next call. Nothing where the file ends, or where what
  // follows is no whole frame: then rest() is not 0.
  Result<std::optional<BytesView>> Next();

  std::uint64_t offset() const noexcept { return offset_; }  // Where the next frame begins.
  std::uint64_t rest() const noexcept { return end_ - offset_; }

 private:
  // Sees to it that `size` bytes from offset_ on are in the buffer, as far as there are any.
  Result<BytesView> Fill(std::size_t size);

  const int file_;
  std::uint64_t offset_;
  const std::uint64_t end_;
  Bytes buffer_;
  std::uint64_t buffer_at_ = 0;  // Where in the file the buffer begins.
};

}  // namespace certfs
