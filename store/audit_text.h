// The audit log as it was at one moment, in the clear: one line of JSON each, to be read from anywhere in it.
//
// What is read is opened there and then: in memory is only where in the files some lines begin, some hundred
// bytes a mebibyte. A line that is damaged shows as `{"n":17,"damaged":true}`, filled up with spaces, so that
// everything behind it stays in its place.
//
// Thread-safety: constant; any thread. Ownership: keeps the files open, so that it stays what it was when
// they are rotated away. Errors: kIo.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs {

class AuditCipher;
class Descriptor;

class AuditText {
 public:
  // `earlier`, where there is one, spares looking again at what has not changed since.
  static Result<std::shared_ptr<const AuditText>> Take(const std::filesystem::path& directory,
                                                       std::shared_ptr<const AuditCipher> cipher,
                                                       const AuditText* earlier);

  std::uint64_t size() const noexcept { return size_; }

  // At most `size` bytes at `offset`.
  Result<Bytes> Read(std::uint64_t offset, std::size_t size) const;

 private:
  // Where a line begins, in the file and in its text.
  struct Point {
    std::uint64_t text = 0;
    std::uint64_t file = 0;
  };
  struct Part {
    std::shared_ptr<const Descriptor> file;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t at = 0;     // Where its text begins in that of all.
    std::uint64_t text = 0;   // How long its text is, and
    std::uint64_t bytes = 0;  // the frames of it: what is behind them, in the file, is no line.
    std::vector<Point> points;
  };

  explicit AuditText(std::shared_ptr<const AuditCipher> cipher) : cipher_(std::move(cipher)) {}
  static Result<void> Walk(Part& part, std::uint64_t size);
  Result<void> ReadPart(const Part& part, std::uint64_t offset, std::size_t size, Bytes& into) const;
  Bytes LineOf(BytesView sealed) const;

  const std::shared_ptr<const AuditCipher> cipher_;
  std::vector<Part> parts_;
  std::uint64_t size_ = 0;
};

}  // namespace certfs
