#include "store/audit_verification.h"

#include <algorithm>
#include <optional>

#include "store/audit_log.h"
#include "store/audit_segments.h"

namespace certfs {

namespace {

std::string Named(std::uint64_t number) { return "line " + std::to_string(number); }

// Walks the log in order. What comes next is fixed by what came before: the number, and the digest that the
// line has to name.
class Walk {
 public:
  Walk(const AuditCipher& cipher, const AuditAnchor& anchor)
      : cipher_(cipher),
        anchor_(anchor),
        next_(std::max<std::uint64_t>(anchor.first, 1)),
        before_(anchor.before) {
    report_.anchored = anchor.last.number;
  }

  Result<void> Take(const AuditSegment& segment, bool is_last);
  AuditReport Finish();

 private:
  void Find(std::uint64_t number, std::string what);
  void Skip(std::uint64_t to);
  void TakeLine(BytesView sealed);
  void Check(std::uint64_t number, std::string_view line);

  const AuditCipher& cipher_;
  const AuditAnchor anchor_;
  AuditReport report_;
  std::uint64_t next_;            // The number of the line that has to come.
  std::optional<Digest> before_;  // Of the line before it; nothing where that is not known.
};

void Walk::Find(std::uint64_t number, std::string what) {
  if (report_.findings.size() == AuditReport::kFindingsMax) {
    ++report_.findings_more;
    return;
  }
  report_.findings.push_back({number, number <= anchor_.last.number, std::move(what)});
}

// Lines up to `to` are not there.
void Walk::Skip(std::uint64_t to) {
  if (to <= next_) return;
  Find(next_, MissingLines(next_, to - 1));
  next_ = to;
  before_.reset();
}

void Walk::Check(std::uint64_t number, std::string_view line) {
  const Digest digest = DigestOfLine(line);
  const std::string begin = "{\"n\":" + std::to_string(number) + ",";
  if (!line.starts_with(begin)) Find(number, Named(number) + " says that it is another one");
  if (before_ && !NamesBefore(line, *before_))
    Find(number,
         Named(number) + " does not follow the line before it: one of the two is another than it was");
  if (number == anchor_.last.number && digest != anchor_.last.digest)
    Find(number, Named(number) + " is not the one that the keystore's manifest knows");
  if (report_.lines++ == 0) report_.first = number;
  report_.last = std::max(report_.last, number);
  before_ = digest;
  next_ = number + 1;
}

void Walk::TakeLine(BytesView sealed) {
  auto line = cipher_.Unseal(next_, sealed);
  if (line.has_value()) return Check(next_, line.value());
  // It may be another line, which stands where this one should.
  const std::uint64_t other = AuditCipher::NumberOf(sealed);
  line = cipher_.Unseal(other, sealed);
  if (!line.has_value()) {
    Find(next_, Named(next_) + " is damaged");
    ++next_;
    before_.reset();
  } else if (other > next_) {
    Skip(other);
    Check(other, line.value());
  } else {
    // From an older copy, or moved. What is expected stays the same.
    Find(next_, Named(other) + " stands where " + Named(next_) + " should be");
  }
}

Result<void> Walk::Take(const AuditSegment& segment, bool is_last) {
  ++report_.files;
  report_.bytes += segment.size;
  const std::string name = is_last ? kAuditLogName : AuditSegmentName(segment.first);
  if (segment.damage) {
    Find(next_, "the beginning of " + name + " is damaged: " + segment.damage->message());
  } else if (segment.first < next_) {
    Find(segment.first, name + " begins with " + Named(segment.first) + ", which was there before");
  } else {
    Skip(segment.first);
  }
  AuditFrames frames(segment.file->number(), kAuditHeaderBytes,
                     std::max<std::uint64_t>(segment.size, kAuditHeaderBytes));
  while (const auto sealed = TRY(frames.Next())) TakeLine(*sealed);
  if (frames.rest() == 0) return {};
  if (is_last && next_ > anchor_.last.number) {
    report_.torn_bytes = frames.rest();
  } else {
    Find(next_, Named(next_) + " is damaged, and whatever followed it in " + name);
    before_.reset();
  }
  return {};
}

AuditReport Walk::Finish() {
  if (next_ <= anchor_.last.number) Skip(anchor_.last.number + 1);
  return std::move(report_);
}

}  // namespace

Result<AuditReport> VerifyAudit(Keystore& keystore) {
  AuditLog* const log = keystore.audit();
  if (log == nullptr)
    return Error(ErrorCode::kUnsupported, "a keystore without a directory has no audit log");
  for (;;) {
    const AuditAnchor anchor = TRY(log->ReadAnchor());
    const std::vector<AuditSegment> segments =
        TRY(OpenAuditSegments(log->directory(), log->cipher().store_id()));
    // Files are removed after the manifest was told: what it kept while they were opened is there.
    if (TRY(log->ReadAnchor()).first != anchor.first) continue;
    Walk walk(log->cipher(), anchor);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      // Whoever dropped this one died before he had removed it.
      const bool dropped = i + 1 < segments.size() && segments[i + 1].first <= anchor.first &&
                           segments[i + 1].first > segments[i].first;
      if (!dropped) TRY(walk.Take(segments[i], i + 1 == segments.size()));
    }
    return walk.Finish();
  }
}

}  // namespace certfs
