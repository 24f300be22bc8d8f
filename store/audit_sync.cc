// What an audit log does by itself: bringing lines to disk, anchoring them, dropping the oldest.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "store/audit_file.h"
#include "store/audit_log.h"
#include "store/audit_segments.h"

namespace certfs {

namespace {

// Those who come within this time share one sync, so that each is on disk within 100 ms on a disk that takes
// no longer than the rest of it.
constexpr std::chrono::milliseconds kGathered{50};
constexpr std::uint64_t kLinesUnanchoredMax = 1000;
constexpr std::chrono::seconds kUnanchoredFor{60};
constexpr std::size_t kFilesMin = 2;

}  // namespace

bool AuditLog::IsSynced() const { return !file_ || file_->head().number <= durable_.last.number; }

bool AuditLog::AnchorIsDue() const {
  if (!unanchored_ || durable_.last.number <= anchored_.number) return false;
  return durable_.last.number - anchored_.number >= kLinesUnanchoredMax ||
         *unanchored_ + kUnanchoredFor <= std::chrono::steady_clock::now();
}

void AuditLog::Wait(std::unique_lock<std::mutex>& lock) {
  if (ending_) return;
  const auto must_sync = [&] { return !IsSynced() && !failed_; };
  if (!must_sync()) {
    asleep_ = true;
    if (unanchored_ && durable_.last.number > anchored_.number) {
      wake_.wait_until(lock, *unanchored_ + kUnanchoredFor);
    } else {
      wake_.wait(lock);
    }
    asleep_ = false;
  }
  // Also for the line that woke it: the next ones neither wake it again nor wait for a sync each.
  if (must_sync()) wake_.wait_for(lock, kGathered, [&] { return ending_; });
}

void AuditLog::Run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    Wait(lock);
    if (ending_) break;
    // What fails keeps the next line from being written, or is tried again when it is due the next time.
    if (!IsSynced() && !failed_) static_cast<void>(WithinMemory([&] { return Sync(lock); }).has_value());
    if (std::exchange(rotated_, false)) static_cast<void>(DropOldest(lock).has_value());
    if (AnchorIsDue()) static_cast<void>(WriteAnchor(lock).has_value());
  }
}

Result<void> AuditLog::Sync(std::unique_lock<std::mutex>& lock) {
  if (failed_) return *failed_;
  if (IsSynced()) return {};
  const AuditPosition head = file_->head();
  const auto file = file_->file();
  lock.unlock();
  const int code = fdatasync(file->number()) == 0 ? 0 : errno;
  lock.lock();
  return NoteSynced(head, code);
}

Result<void> AuditLog::NoteSynced(const AuditPosition& head, int code) {
  if (code != 0) {
    // The kernel may have dropped what it could not write, and a second sync would say nothing of it.
    failed_ = Error(ErrorCode::kIo, "audit-log",
                    SystemFailure("sync audit.log", code).message() +
                        "; until the keystore is opened again nothing is done that has to be noted there");
    return *failed_;
  }
  AuditAnchor known;
  known.first = 1;
  known.last = head;
  durable_.Advance(known);
  return {};
}

Result<void> AuditLog::WriteAnchor(std::unique_lock<std::mutex>& lock) {
  const AuditAnchor anchor = durable_;
  lock.unlock();
  auto written = WithinMemory([&] { return anchorage_.write(anchor); });
  lock.lock();
  if (written.has_value()) NoteAnchoredHeld(anchor.last);
  unanchored_.reset();
  if (file_->head().number > anchored_.number) unanchored_ = std::chrono::steady_clock::now();
  return written;
}

Result<void> AuditLog::Settle() {
  std::unique_lock lock(mutex_);
  if (!file_) return {};
  TRY(Sync(lock));
  wake_.wait(lock, [&] { return !dropping_; });
  if (std::exchange(rotated_, false)) TRY(DropOldest(lock));
  if (durable_.last.number <= anchored_.number) return {};
  return WriteAnchor(lock);
}

Result<void> AuditLog::DropOldest(std::unique_lock<std::mutex>& lock) {
  dropping_ = true;
  auto dropped = WithinMemory([&] { return DropFiles(lock); });
  dropping_ = false;
  wake_.notify_all();
  return dropped;
}

// The manifest first, so that nothing is ever missing of which it says that it is kept.
Result<void> AuditLog::DropFiles(std::unique_lock<std::mutex>& lock) {
  if (!limits_) return {};
  const std::vector<std::uint64_t> rotated = TRY(ListAuditSegments(directory_));
  const std::size_t kept = std::max(limits_->files, kFilesMin) - 1;  // Besides audit.log.
  if (rotated.size() <= kept) return {};
  const std::uint64_t first = rotated[rotated.size() - kept];
  const auto segment = TRY(OpenAuditSegment(directory_ / AuditSegmentName(first), cipher_->store_id()));
  if (!segment) return {};  // Another process is at it.
  AuditFrames frames(segment->file->number(), kAuditHeaderBytes, segment->size);
  AuditAnchor anchor;
  anchor.first = first;
  if (const auto sealed = TRY(frames.Next())) {
    const auto line = cipher_->Unseal(first, *sealed);
    if (line.has_value()) anchor.before = BeforeOf(line.value());
  }
  AuditEvent event;
  event.operation = "drop";
  event.who = OwnProcess().Who();
  event.detail = "lines " + std::to_string(std::max<std::uint64_t>(durable_.first, 1)) + " to " +
                 std::to_string(first - 1) + " are removed: the log is as large as it may be";
  TRY(AppendHeld(&event));
  TRY(Sync(lock));
  durable_.Advance(anchor);
  TRY(WriteAnchor(lock));
  for (const std::uint64_t each : rotated) {
    if (each < first) unlink((directory_ / AuditSegmentName(each)).c_str());
  }
  return {};
}

}  // namespace certfs
