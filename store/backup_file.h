// A backup as a file on disk, opened with its password or a recovery key, and read as often as it takes.
//
// Thread-safety: one thread at a time. Ownership: owns the descriptor and the keys. Errors say nothing of the
// file's name: the caller does.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "crypto/envelope_reader.h"

namespace certfs {

// Hears of each piece of the file that was read, in bytes.
using ReadingProgress = std::function<void(std::uint64_t)>;

class BackupFile {
 public:
  // Returns kNotFound or kIo as the system says, kInvalidArgument for what is no regular file, and what
  // EnvelopeReader::Open returns. Nothing behind its recipients is read yet.
  static Result<BackupFile> Open(const std::filesystem::path& path, const EnvelopeKey& key);

  std::uint64_t size() const noexcept { return size_; }

  // Reads it from its beginning. `progress` may be null; it must outlive the reader, as must the file.
  Result<EnvelopeReader> Read(const ReadingProgress& progress) const;

  BackupFile(BackupFile&&) noexcept;
  ~BackupFile();

 private:
  struct Handle;
  BackupFile(std::unique_ptr<Handle> handle, std::uint64_t size, EnvelopeReader opened);

  std::unique_ptr<Handle> handle_;
  std::uint64_t size_;
  EnvelopeReader opened_;  // Has the keys.
};

}  // namespace certfs
