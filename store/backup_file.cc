#include "store/backup_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "store/files.h"

namespace certfs {

struct BackupFile::Handle {
  explicit Handle(int number) : file(number) {}
  Descriptor file;
};

namespace {

EnvelopeSource SourceOf(int file, const ReadingProgress* progress) {
  return [file, progress, at = off_t{0}](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
    for (;;) {
      const ssize_t got = pread(file, out.data(), out.size(), at);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return SystemFailure("read", errno);
      at += got;
      if (progress != nullptr && *progress) (*progress)(static_cast<std::uint64_t>(got));
      return static_cast<std::size_t>(got);
    }
  };
}

}  // namespace

BackupFile::BackupFile(std::unique_ptr<Handle> handle, std::uint64_t size, EnvelopeReader opened)
    : handle_(std::move(handle)), size_(size), opened_(std::move(opened)) {}
BackupFile::BackupFile(BackupFile&&) noexcept = default;
BackupFile::~BackupFile() = default;

Result<BackupFile> BackupFile::Open(const std::filesystem::path& path, const EnvelopeKey& key) {
  // Not to wait for the other end of a pipe.
  auto handle = std::make_unique<Handle>(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!handle->file.open() && errno == ENOENT) return Error(ErrorCode::kNotFound, "there is no such file");
  if (!handle->file.open()) return SystemFailure("open", errno);
  struct stat status {};
  if (fstat(handle->file.number(), &status) != 0) return SystemFailure("stat", errno);
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, "is no regular file; a backup is read more than once");
  }
  auto opened = TRY(EnvelopeReader::Open(SourceOf(handle->file.number(), nullptr), key));
  return BackupFile(std::move(handle), static_cast<std::uint64_t>(status.st_size), std::move(opened));
}

Result<EnvelopeReader> BackupFile::Read(const ReadingProgress& progress) const {
  return EnvelopeReader::OpenAgain(SourceOf(handle_->file.number(), &progress), opened_);
}

}  // namespace certfs
