// A file without a name, for what has to be whole before it is used: nobody else reaches it, and nothing of
// it is left when the process ends, however it does.
//
// What a signature was verified over is taken from here and not from the package, which may change meanwhile.
//
// Thread-safety: main thread only. Ownership: owns its descriptor. Errors: the directory and the system's
// reason.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "tools/system.h"

namespace certfs::package {

class Spool {
 public:
  // Makes an empty one on the filesystem of `directory`.
  static Result<Spool> Make(const std::filesystem::path& directory);

  Result<void> Append(BytesView bytes);
  std::uint64_t size() const noexcept { return size_; }

  // Fills `out` from the byte `at` on, as far as there are any; returns how many.
  Result<std::size_t> Read(std::uint64_t at, std::span<std::uint8_t> out) const;

  // Calls `use` with all of it, piece by piece; the first error of `use` ends it.
  Result<void> ForEachPiece(const std::function<Result<void>(BytesView)>& use) const;

 private:
  Spool(Descriptor file, std::filesystem::path directory)
      : file_(std::move(file)), directory_(std::move(directory)) {}

  Descriptor file_;
  std::filesystem::path directory_;  // For words.
  std::uint64_t size_ = 0;
};

// Where what is only looked at is kept meanwhile: $TMPDIR, else /var/tmp, which is not in memory.
std::filesystem::path TemporaryDirectory();

}  // namespace certfs::package
