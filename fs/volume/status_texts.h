// The texts of status/ that follow from what was found in the stores, one function each. Private to fs/.
//
// Pure: the same facts give the same bytes. Thread-safety: free functions over their arguments.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/operation_counts.h"
#include "fs/volume/status_facts.h"

namespace certfs {

std::string HealthJson(const StatusFacts& facts);   // status_health.cc
std::string ExpiryText(const StatusFacts& facts);   // status_expiry.cc
std::string ReportHtml(const StatusFacts& facts);   // status_report.cc
std::string MetricsText(const StatusFacts& facts);  // status_metrics.cc: all but the counters, which are
// these. Numbers stand in columns of one width: how long the text is says nothing about how often it was
// looked at, and stat does not change what it has just told.
std::string CountersText(const OperationCounts& counts);

// --- What they have in common (status_texts.cc)

// What came from outside (a certificate, a CRL, a name), as people may be shown it: what is no UTF-8, control
// characters, and what would turn the direction of the text around it are U+FFFD each.
std::string ShownText(std::string_view text);

// How many days are left of something, counted in days of the calendar (UTC): 0 on its last one, negative
// behind it.
std::int64_t DaysLeft(std::chrono::sys_days today, std::chrono::sys_seconds end);

// "2026-11-28".
std::string DateText(std::chrono::sys_days day);

// What has a certificate or a CRL, and when that ends: soonest first, what has no end last. Borrows from the
// inspection.
struct Ending {
  const InspectedEntry* entry;
  std::string path;
  std::optional<std::chrono::sys_seconds> end;
};
std::vector<Ending> EndingsOf(const Inspection& inspection);

}  // namespace certfs
