#include "fs/volume/status_files.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "fs/volume/status_texts.h"
#include "store/audit_log.h"

namespace certfs {

namespace {

// `text` as it is at `moment`.
StatusText ShownAt(Time moment, Fixed node, std::string_view text) {
  StatusText shown{ContentOf(node, text), moment};
  // Nobody else has it yet.
  std::const_pointer_cast<Content>(shown.content)->attributes.mtime = moment;
  return shown;
}

// --- What depends on the moment, and on the reader

Result<StatusText> ShowErrors(const StatusSources& from) {
  return ShownAt(from.keystore.Now(), Fixed::kErrorsLog, from.refusals.All());
}

Result<StatusText> ShowWhy(const StatusSources& from) {
  return ShownAt(from.keystore.Now(), Fixed::kWhy, from.refusals.Of(from.caller.uid));
}

Result<StatusText> ShowVersion(const StatusSources& from) {
  return ShownAt(from.keystore.Now(), Fixed::kVersion, from.options.version);
}

// --- What the stores hold, as far as the reader may know it

Result<StatusText> Show(const StatusSources& from, Fixed node, StatusReports::Make make) {
  const bool owner = from.caller.uid == 0 || from.caller.uid == from.options.uid;
  return from.reports.Show(node, make, owner ? Audience::kOwner : Audience::kEverybody, from.list_failure);
}

Result<StatusText> ShowHealth(const StatusSources& from) { return Show(from, Fixed::kHealth, HealthJson); }
Result<StatusText> ShowExpiry(const StatusSources& from) { return Show(from, Fixed::kExpiry, ExpiryText); }
Result<StatusText> ShowReport(const StatusSources& from) { return Show(from, Fixed::kReport, ReportHtml); }

Result<StatusText> ShowMetrics(const StatusSources& from) {
  const StatusText found = TRY(Show(from, Fixed::kMetrics, MetricsText));
  const std::string counters = CountersText(from.counts);
  const Time now = from.keystore.Now();
  if (from.wanted == Wanted::kSize) return StatusText{found.content, now, counters.size()};
  const Bytes& text = found.content->plain;
  auto content = std::make_shared<Content>();
  content->node = NodeId::Of(Fixed::kMetrics);
  content->attributes.mtime = now;
  content->plain.reserve(text.size() + counters.size());
  content->plain.assign(text.begin(), text.end());
  content->plain.insert(content->plain.end(), counters.begin(), counters.end());
  return StatusText{std::move(content), now};
}

// --- Who read a key, and who changed what

Result<StatusText> ShowAudit(const StatusSources& from) {
  auto content = std::make_shared<Content>();
  content->node = NodeId::Of(Fixed::kAudit);
  if (AuditLog* const log = from.keystore.audit()) content->audit = TRY(log->Text());
  const Time now = from.keystore.Now();
  content->attributes.mtime = now;
  return StatusText{std::move(content), now};
}

constexpr std::array kFiles{
    StatusFile{Fixed::kErrorsLog, "errors.log", 0640, ShowErrors},
    StatusFile{Fixed::kWhy, "why", 0444, ShowWhy},
    StatusFile{Fixed::kVersion, "version", 0444, ShowVersion},
    StatusFile{Fixed::kHealth, "health.json", 0444, ShowHealth},
    StatusFile{Fixed::kExpiry, "expiry.txt", 0444, ShowExpiry},
    StatusFile{Fixed::kMetrics, "metrics.prom", 0444, ShowMetrics},
    StatusFile{Fixed::kReport, "report.html", 0444, ShowReport},
    StatusFile{Fixed::kAudit, "audit.jsonl", 0600, ShowAudit},
};

}  // namespace

std::span<const StatusFile> StatusFiles() { return kFiles; }

const StatusFile* FindStatusFile(Fixed node) {
  const auto* const row =
      std::find_if(kFiles.begin(), kFiles.end(), [&](const StatusFile& each) { return each.node == node; });
  return row == kFiles.end() ? nullptr : row;
}

const StatusFile* FindStatusFile(std::string_view name) {
  const auto* const row =
      std::find_if(kFiles.begin(), kFiles.end(), [&](const StatusFile& each) { return each.name == name; });
  return row == kFiles.end() ? nullptr : row;
}

}  // namespace certfs
