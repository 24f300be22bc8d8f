#include "store/audit_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "store/audit_segments.h"

namespace certfs {

namespace {

constexpr auto kBesideName = "audit.log.new";
constexpr auto kBesidePrefix = "audit.log.new-";  // And a process.
constexpr mode_t kMode = 0600;
// What is set aside on the disk at a time: where that is full, so many lines still go through, and what they
// are about can be removed.
constexpr std::uint64_t kReservedBytes = std::uint64_t{256} << 10;
constexpr std::uint64_t kReservedLeft = std::uint64_t{64} << 10;

Error Failure(const char* what) {
  // A limit on the size of files is as good as a disk that is full.
  const int code = errno == EFBIG ? ENOSPC : errno;
  const Error failure = SystemFailure(std::string(what) + " audit.log", code);
  return {failure.code(), "audit-log", failure.message()};
}

Result<void> WriteAll(int file, BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure("write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> LockFile(int file) {
  while (flock(file, LOCK_EX) != 0) {
    if (errno != EINTR) return Failure("lock");
  }
  return {};
}

}  // namespace

AuditFile::AuditFile(const std::filesystem::path& directory, const AuditCipher& cipher,
                     const AuditAnchor& anchor)
    : directory_(directory), path_((directory / kAuditLogName).string()), cipher_(cipher), anchor_(anchor) {}

AuditPosition AuditFile::Known() const { return head_.number > anchor_.last.number ? head_ : anchor_.last; }

// --- Finding it

Result<void> AuditFile::Lock() {
  // Until there is another one the file stays what it was: what was written to it may still be brought to
  // disk.
  for (bool open = file_ != nullptr;; open = false) {
    if (!open) TRY(OpenCurrent());
    TRY(LockFile(file_->number()));
    std::uint64_t size = 0;
    const auto current = IsCurrent(size);
    if (current.has_value() && current.value()) {
      if (located_ && size == head_.offset && Known().number <= head_.number) return {};
      auto caught = WithinMemory([&] { return CatchUp(size); });
      if (!caught.has_value()) Unlock();
      return caught;
    }
    Unlock();
    if (!current.has_value()) return current.error();
  }
}

void AuditFile::Unlock() { flock(file_->number(), LOCK_UN); }

// One look at the name tells both whether another process has put a new file there and whether it has
// appended to this one.
Result<bool> AuditFile::IsCurrent(std::uint64_t& size) const {
  struct stat named {};
  if (lstat(path_.c_str(), &named) != 0) {
    if (errno == ENOENT) return false;
    return Failure("look at");
  }
  size = static_cast<std::uint64_t>(named.st_size);
  return named.st_ino == inode_ && named.st_dev == device_;
}

Result<void> AuditFile::Take(std::shared_ptr<const Descriptor> file) {
  struct stat status {};
  if (fstat(file->number(), &status) != 0) return Failure("look at");
  if (!S_ISREG(status.st_mode)) return Error(ErrorCode::kIo, "audit-log", "audit.log is no regular file");
  device_ = status.st_dev;
  inode_ = status.st_ino;
  file_ = std::move(file);
  located_ = false;
  reserved_ = 0;
  return {};
}

Result<void> AuditFile::OpenCurrent() {
  for (;;) {
    auto file =
        std::make_shared<const Descriptor>(open(path_.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
    if (file->open()) {
      ClearBeside();
      return Take(std::move(file));
    }
    if (errno != ENOENT) return Failure("open");
    const AuditPosition others = TRY(EndOfOthers());
    const AuditPosition known = Known();
    const bool lost = known.number > others.number;
    TRY(Create(lost ? known : others));
    if (lost) Mend(MissingLines(others.number + 1, known.number));
  }
}

Result<void> AuditFile::Create(const AuditPosition& before) {
  // Two processes may be at it: each has a name of its own, and one of them is the first.
  const std::filesystem::path beside = directory_ / (kBesidePrefix + std::to_string(getpid()));
  const auto made = TRY(MakeBeside(beside, before.number + 1));
  const int outcome = link(beside.c_str(), path_.c_str());
  const int code = errno;
  unlink(beside.c_str());
  errno = code;
  // ENOENT: whoever was faster has cleared it away.
  if (outcome != 0 && code != EEXIST && code != ENOENT) return Failure("make");
  if (outcome == 0) head_ = before;
  return SyncDirectory(directory_);
}

// What whoever died in Create has left. Only when audit.log is there, so that whoever is in it needs it no
// more.
void AuditFile::ClearBeside() const {
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory_, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().filename().string().starts_with(kBesidePrefix)) unlink(at->path().c_str());
  }
}

Result<std::shared_ptr<const Descriptor>> AuditFile::MakeBeside(const std::filesystem::path& beside,
                                                                std::uint64_t first) const {
  unlink(beside.c_str());
  auto file = std::make_shared<const Descriptor>(
      open(beside.c_str(), O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kMode));
  if (!file->open()) return Failure("make");
  const auto fill = [&]() -> Result<void> {
    // Also where the umask has taken the owner's own bits; a daemon has none such, and may not change modes.
    struct stat made {};
    if (fstat(file->number(), &made) != 0) return Failure("make");
    if ((made.st_mode & ~S_IFMT) != kMode && fchmod(file->number(), kMode) != 0) return Failure("make");
    TRY(KeepOwner(file->number(), directory_ / "data.mdb"));
    TRY(WriteAll(file->number(), EncodeAuditHeader(cipher_.store_id(), first)));
    if (fsync(file->number()) != 0) return Failure("sync");
    return {};
  };
  auto filled = fill();
  if (!filled.has_value()) {
    unlink(beside.c_str());
    return std::move(filled).error();
  }
  return file;
}

// --- Catching up

Result<AuditPosition> AuditFile::EndOfOthers() const {
  AuditPosition end;
  const std::vector<std::uint64_t> numbers = TRY(ListAuditSegments(directory_));
  if (numbers.empty()) return end;
  const auto newest =
      TRY(OpenAuditSegment(directory_ / AuditSegmentName(numbers.back()), cipher_.store_id()));
  if (!newest) return end;
  AuditFrames frames(newest->file->number(), kAuditHeaderBytes,
                     std::max(newest->size, std::uint64_t{kAuditHeaderBytes}));
  while (const auto sealed = TRY(frames.Next())) {
    const std::uint64_t number = AuditCipher::NumberOf(*sealed);
    const auto line = cipher_.Unseal(number, *sealed);
    if (line.has_value() && number > end.number) end = {number, DigestOfLine(line.value()), 0, 0};
  }
  return end;
}

Result<AuditFile::Found> AuditFile::Look(AuditPosition from, std::uint64_t size) const {
  const AuditPosition known = Known();
  Found found{from, 0, from.number == known.number && from.digest == known.digest};
  AuditFrames frames(file_->number(), from.offset, std::max(size, from.offset));
  while (const auto sealed = TRY(frames.Next())) {
    const std::uint64_t number = AuditCipher::NumberOf(*sealed);
    const auto line = cipher_.Unseal(number, *sealed);
    // What is damaged in the middle stays where it is, for whoever verifies the log.
    if (!line.has_value()) continue;
    const Digest digest = DigestOfLine(line.value());
    if (number == known.number) found.known = digest == known.digest;
    if (number == known.number + 1 && known.number != 0)
      found.known = NamesBefore(line.value(), known.digest);
    if (number > found.end.number) {
      found.end.number = number;
      found.end.digest = digest;
    }
    found.end.offset = frames.offset();
  }
  found.bad = size - std::min(size, found.end.offset);
  return found;
}

Result<AuditPosition> AuditFile::Beginning(std::uint64_t first, std::uint64_t size) const {
  for (const AuditPosition& hint : {head_, anchor_.last}) {
    if (hint.segment == first && hint.number >= first && hint.offset <= size) return hint;
  }
  return AuditPosition{first - 1, {}, first, kAuditHeaderBytes};
}

Result<void> AuditFile::CatchUp(std::uint64_t size) {
  Bytes header(kAuditHeaderBytes);
  const ssize_t got = pread(file_->number(), header.data(), header.size(), 0);
  if (got < 0) return Failure("read");
  header.resize(static_cast<std::size_t>(got));
  const auto named = DecodeAuditHeader(cipher_.store_id(), header);
  if (!named.has_value() && named.error().code() == ErrorCode::kUnsupported) return named.error();
  const bool readable = named.has_value();
  const std::vector<std::uint64_t> others = TRY(ListAuditSegments(directory_));
  // Under a number of its own it stays in the order of the files.
  const std::uint64_t first = readable ? named.value() : others.empty() ? 1 : others.back() + 1;
  const AuditPosition start{first - 1, {}, first, kAuditHeaderBytes};
  const AuditPosition from = readable ? TRY(Beginning(first, size)) : start;
  Found found = TRY(Look(from, size));
  if (found.bad != 0 && from != start) {
    // The hint may have been wrong: it counts as long as there are lines behind it.
    const Found whole = TRY(Look(start, size));
    if (whole.end.number >= found.end.number || found.end.number == from.number) found = whole;
  }
  const AuditPosition known = Known();
  const bool lost = known.number > found.end.number;
  const bool empty = found.end.number == first - 1 && found.end.digest == Digest{} && first > 1;
  // Behind the newest line the next one follows that by itself.
  const bool told = found.known || (empty && known.number == first - 1);
  const bool another = !lost && readable && !told && !TRY(Holds(known, {}, first));
  if (empty) {
    // The line before its first one is elsewhere.
    const AuditPosition before = known.number == first - 1 ? known : TRY(EndOfOthers());
    if (before.number == first - 1) found.end.digest = before.digest;
  }
  head_ = found.end;
  located_ = false;
  if (lost || !readable) {
    Mend(lost ? MissingLines(found.end.number + 1, known.number) : "the beginning of audit.log is damaged");
    if (lost) {
      head_.number = known.number;
      head_.digest = known.digest;
    }
    return Rotate();
  }
  if (another) Miss(known);
  located_ = true;
  if (found.bad == 0) return {};
  if (ftruncate(file_->number(), static_cast<off_t>(head_.offset)) != 0 || fdatasync(file_->number()) != 0)
    return Failure("mend");
  Mend(std::to_string(found.bad) + " bytes behind line " + std::to_string(head_.number) +
       " were no whole line, and were cut off");
  return {};
}

void AuditFile::Mend(const std::string& what) {
  if (mended_.find(what) != std::string::npos) return;
  if (!mended_.empty()) mended_ += "; ";
  mended_ += what;
}

// --- What another process wrote meanwhile

// The chain alone does not tell: who did not know of the last lines when they were cut off wrote others in
// their place.
Result<bool> AuditFile::Holds(const AuditPosition& line, const AuditPosition& before,
                              std::uint64_t current) const {
  if (line.number == 0) return true;
  std::shared_ptr<const Descriptor> file = file_;
  if (line.segment != current) {
    const auto segment =
        TRY(OpenAuditSegment(directory_ / AuditSegmentName(line.segment), cipher_.store_id()));
    if (!segment) {
      // Dropped, unless older ones are there still.
      const std::vector<std::uint64_t> others = TRY(ListAuditSegments(directory_));
      return line.segment < (others.empty() ? current : std::min(others.front(), current));
    }
    file = segment->file;
  }
  const bool near =
      before.segment == line.segment && before.offset > kAuditHeaderBytes && before.offset < line.offset;
  for (const std::uint64_t from : {near ? before.offset : line.offset, std::uint64_t{kAuditHeaderBytes}}) {
    AuditFrames frames(file->number(), from, std::max(line.offset, from));
    while (const auto sealed = TRY(frames.Next())) {
      if (AuditCipher::NumberOf(*sealed) != line.number) continue;
      const auto text = cipher_.Unseal(line.number, *sealed);
      if (text.has_value() && DigestOfLine(text.value()) == line.digest) return true;
    }
  }
  return false;
}

Result<void> AuditFile::Check(const AuditPosition& anchored, const AuditPosition& before) {
  if (!TRY(Holds(anchored, before, head_.segment))) Miss(anchored);
  return {};
}

void AuditFile::Miss(const AuditPosition& line) {
  Mend("line " + std::to_string(line.number) + " is not there as it was");
  head_.digest = line.digest;
}

// --- Appending

void AuditFile::Reserve() {
  if (head_.offset + kReservedLeft <= reserved_) return;
  // Where the filesystem cannot do that, lines go in as long as there is room.
  static_cast<void>(fallocate(file_->number(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(head_.offset),
                              static_cast<off_t>(kReservedBytes)));
  reserved_ = head_.offset + kReservedBytes;
}

Result<void> AuditFile::Append(std::string_view line) {
  Reserve();
  const std::uint64_t number = head_.number + 1;
  const Bytes frame = TRY(cipher_.Seal(number, line));
  auto written = WriteAll(file_->number(), frame);
  if (!written.has_value()) {
    // Where a part of it stays, it is cut off before the next line.
    if (ftruncate(file_->number(), static_cast<off_t>(head_.offset)) != 0) located_ = false;
    return written;
  }
  head_ = {number, DigestOfLine(line), head_.segment, head_.offset + frame.size()};
  return {};
}

Result<void> AuditFile::Rotate() {
  if (fdatasync(file_->number()) != 0) return Failure("sync");
  const std::filesystem::path beside = directory_ / kBesideName;
  const std::filesystem::path away = directory_ / AuditSegmentName(head_.segment);
  const std::uint64_t first = head_.number + 1;
  auto next = TRY(MakeBeside(beside, first));
  const auto put = [&]() -> Result<void> {
    TRY(LockFile(next->number()));  // Before anybody else can have it.
    // A second name first, so that audit.log is always there.
    if (link(path_.c_str(), away.c_str()) != 0) {
      if (errno != EEXIST) return Failure("rotate");
      struct stat there {};
      if (lstat(away.c_str(), &there) != 0) return Failure("rotate");
      // Else somebody died here before.
      if (there.st_ino != inode_ || there.st_dev != device_)
        return Error(ErrorCode::kIo, "audit-log",
                     "rotate audit.log: another file is in the way: " + away.string());
    }
    if (rename(beside.c_str(), path_.c_str()) != 0) return Failure("rotate");
    return {};
  };
  auto done = put();
  if (!done.has_value()) {
    unlink(beside.c_str());
    return done;
  }
  TRY(Take(std::move(next)));
  located_ = true;
  head_.segment = first;
  head_.offset = kAuditHeaderBytes;
  auto synced = SyncDirectory(directory_);
  // Never as a disk that is full: it is no old file any more that lines would go into.
  if (!synced.has_value()) return Error(ErrorCode::kIo, "audit-log", synced.error().message());
  return {};
}

}  // namespace certfs
