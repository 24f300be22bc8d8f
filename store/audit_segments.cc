#include "store/audit_segments.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace certfs {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;

Error Failure(const char* what) { return SystemFailure(std::string(what) + " audit.log", errno); }

// Reads at most `size` bytes; fewer where the file ends.
Result<void> ReadAt(int file, std::uint64_t offset, std::size_t size, Bytes& into) {
  into.resize(size);
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got = pread(file, into.data() + filled, size - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failure("read");
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  into.resize(filled);
  return {};
}

// Opens a file of the log for reading; nothing where it is not there.
Result<std::shared_ptr<const Descriptor>> OpenIfThere(const std::filesystem::path& path) {
  auto file = OpenRegularFile(path, O_RDONLY);
  if (!file.has_value() && file.error().code() == ErrorCode::kNotFound)
    return std::shared_ptr<const Descriptor>();
  return std::make_shared<const Descriptor>(TRY(std::move(file)));
}

// Opens audit.log and keeps others from appending to it, or from putting another in its place, while the
// descriptor is open.
Result<std::shared_ptr<const Descriptor>> HoldCurrent(const std::filesystem::path& path) {
  for (;;) {
    const auto held = TRY(OpenIfThere(path));
    if (!held) return held;
    while (flock(held->number(), LOCK_SH) != 0) {
      if (errno != EINTR) return Failure("lock");
    }
    struct stat named {};
    struct stat opened {};
    if (fstat(held->number(), &opened) != 0) return Failure("look at");
    if (lstat(path.c_str(), &named) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev)
      return held;
  }
}

}  // namespace

Result<std::optional<AuditSegment>> OpenAuditSegment(const std::filesystem::path& path,
                                                     const StoreId& store_id) {
  AuditSegment segment;
  segment.file = TRY(OpenIfThere(path));
  if (!segment.file) return std::optional<AuditSegment>();
  struct stat status {};
  if (fstat(segment.file->number(), &status) != 0) return Failure("look at");
  segment.device = status.st_dev;
  segment.inode = status.st_ino;
  segment.size = static_cast<std::uint64_t>(status.st_size);
  Bytes header;
  TRY(ReadAt(segment.file->number(), 0, kAuditHeaderBytes, header));
  auto first = DecodeAuditHeader(store_id, header);
  if (first.has_value()) {
    segment.first = first.value();
  } else {
    segment.damage = std::move(first).error();
  }
  return std::optional(std::move(segment));
}

Result<std::vector<std::uint64_t>> ListAuditSegments(const std::filesystem::path& directory) {
  std::vector<std::uint64_t> numbers;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::uint64_t number = AuditSegmentOf(at->path().filename().string());
    if (number != 0) numbers.push_back(number);
  }
  if (error) return Error(ErrorCode::kIo, "list " + directory.string() + ": " + error.message());
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<std::vector<AuditSegment>> OpenAuditSegments(const std::filesystem::path& directory,
                                                    const StoreId& store_id) {
  const auto held = TRY(HoldCurrent(directory / kAuditLogName));
  std::optional<AuditSegment> current = TRY(OpenAuditSegment(directory / kAuditLogName, store_id));
  std::vector<AuditSegment> segments;
  for (const std::uint64_t number : TRY(ListAuditSegments(directory))) {
    auto segment = TRY(OpenAuditSegment(directory / AuditSegmentName(number), store_id));
    if (!segment) continue;
    // Whoever rotated it died before audit.log became another: it is still that.
    if (current && segment->inode == current->inode && segment->device == current->device) continue;
    if (!segment->damage && segment->first != number)
      segment->damage = Error(ErrorCode::kCorrupt, "its header names another line than its name");
    if (segment->damage) segment->first = number;
    segments.push_back(*std::move(segment));
  }
  if (current) segments.push_back(*std::move(current));
  return segments;
}

Result<BytesView> AuditFrames::Fill(std::size_t size) {
  const std::uint64_t behind = offset_ + std::min<std::uint64_t>(size, rest());
  if (offset_ < buffer_at_ || behind > buffer_at_ + buffer_.size()) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(std::max(size, kBufferBytes), rest()));
    TRY(ReadAt(file_, offset_, wanted, buffer_));
    buffer_at_ = offset_;
  }
  const BytesView buffered = BytesView(buffer_).subspan(static_cast<std::size_t>(offset_ - buffer_at_));
  return buffered.first(std::min(size, buffered.size()));
}

Result<std::optional<BytesView>> AuditFrames::Next() {
  const std::optional<BytesView> nothing;
  const BytesView length_bytes = TRY(Fill(kAuditLengthBytes));
  if (length_bytes.size() < kAuditLengthBytes) return nothing;
  const std::size_t length = Reader(length_bytes).U32();
  if (length <= kSealOverhead || length > kSealOverhead + kAuditLineBytesMax) return nothing;
  const BytesView frame = TRY(Fill(kAuditLengthBytes + length));
  if (frame.size() < kAuditLengthBytes + length) return nothing;
  offset_ += kAuditLengthBytes + length;
  return std::optional(frame.subspan(kAuditLengthBytes));
}

}  // namespace certfs
