#include "store/audit_log.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "store/audit_file.h"
#include "store/audit_text.h"
#include "store/second_thread.h"

namespace certfs {

AuditLog::AuditLog(std::filesystem::path directory, StoreId store_id, SecretBytes key,
                   const AuditAnchor& known, AuditAnchorage anchorage, Clock clock)
    : directory_(std::move(directory)),
      cipher_(std::make_shared<const AuditCipher>(store_id, std::move(key))),
      anchorage_(std::move(anchorage)),
      clock_(std::move(clock)),
      durable_(known),
      anchored_(known.last) {}

AuditLog::~AuditLog() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    wake_.notify_all();
  }
  thread_.reset();
  // What cannot be anchored any more is so by the next commit.
  static_cast<void>(WithinMemory([&] { return Settle(); }));
}

void AuditLog::SetLimits(AuditLimits limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

AuditAnchor AuditLog::Durable() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

Result<void> AuditLog::Learn(const AuditAnchor& known) {
  const std::lock_guard lock(mutex_);
  // Lines that this process has not come to yet are looked for before its next one.
  if (file_ && known.last.number > anchored_.number && known.last.number <= file_->head().number) {
    TRY(file_->Lock());
    auto checked = WithinMemory([&] { return file_->Check(known.last, anchored_); });
    file_->Unlock();
    if (!checked.has_value()) return checked;
    if (!file_->mended().empty()) {
      // On disk before anything takes the place of this anchor, which is the only evidence.
      TRY(AppendHeld(nullptr));
      TRY(NoteSynced(file_->head(), fdatasync(file_->file()->number()) == 0 ? 0 : errno));
    }
  }
  durable_.Advance(known);
  NoteAnchoredHeld(known.last);
  return {};
}

void AuditLog::NoteAnchored(const AuditPosition& last) {
  const std::lock_guard lock(mutex_);
  NoteAnchoredHeld(last);
}

void AuditLog::NoteAnchoredHeld(const AuditPosition& last) {
  if (last.number <= anchored_.number) return;
  anchored_ = last;
  unanchored_.reset();
  if (file_ && file_->head().number > last.number) unanchored_ = std::chrono::steady_clock::now();
}

Result<std::shared_ptr<const AuditText>> AuditLog::Text() {
  const std::lock_guard lock(text_mutex_);
  text_ = TRY(AuditText::Take(directory_, cipher_, text_.get()));
  return text_;
}

Result<std::uint64_t> AuditLog::Append(const AuditEvent& event) {
  const std::lock_guard lock(mutex_);
  return AppendHeld(&event);
}

Result<void> AuditLog::Start() {
  auto file = std::make_unique<AuditFile>(directory_, *cipher_, durable_);
  auto thread = std::make_unique<SecondThread>([this] { Run(); });
  if (thread->failure()) return *thread->failure();
  file_ = std::move(file);
  thread_ = std::move(thread);
  return {};
}

Result<std::uint64_t> AuditLog::AppendHeld(const AuditEvent* event) {
  if (failed_) return *failed_;
  if (!file_) TRY(Start());
  TRY(file_->Lock());
  auto written = WithinMemory([&]() -> Result<void> {
    TRY(Begin());
    return event == nullptr ? Result<void>() : Write(*event);
  });
  const std::uint64_t number = file_->head().number;
  file_->Unlock();
  if (!unanchored_ && number > anchored_.number) unanchored_ = std::chrono::steady_clock::now();
  if (asleep_) wake_.notify_all();
  if (!written.has_value()) return std::move(written).error();
  return number;
}

// What has to be said before anything else: that the log begins, or that something is lost.
Result<void> AuditLog::Begin() {
  const bool first = file_->head().number == 0;
  if (!first && file_->mended().empty()) return {};
  AuditEvent event;
  event.who = OwnProcess().Who();
  event.operation = first ? "begin" : "mend";
  event.detail = first ? "the first line of this log" : file_->mended();
  TRY(Write(event));
  file_->ForgetMended();
  return {};
}

Result<void> AuditLog::Write(const AuditEvent& event) {
  const AuditPosition head = file_->head();
  const std::string line = EncodeAuditLine(event, head.number + 1, clock_(), head.digest);
  const std::uint64_t size = kAuditLengthBytes + kSealOverhead + line.size();
  if (limits_ && head.offset > kAuditHeaderBytes && head.offset + size > limits_->file_bytes) {
    auto rotated = file_->Rotate();
    // On a full disk there is room in the old file, set aside for that; the next line tries again.
    if (!rotated.has_value() && rotated.error().code() != ErrorCode::kNoSpace) return rotated;
    if (rotated.has_value()) rotated_ = true;
  }
  return file_->Append(line);
}

}  // namespace certfs
