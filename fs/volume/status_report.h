// The parts of status/report.html. Private to fs/.
//
// One page that needs nothing else: no script, no font, no picture from elsewhere. All that comes from the
// stores is escaped (Escaped); what is not is ours.
//
// Pure. Thread-safety: free functions over their arguments.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/volume/status_texts.h"

namespace certfs::report {

// What of an entry, or of whatever else findings name, is worst; by the subject of the finding.
using Urgencies = std::map<std::string, Urgency>;

// What the parts are made from.
struct Page {
  const StatusFacts& facts;
  Urgencies urgencies;

  // Nothing for what there is nothing to say about; findings of the lowest kind say nothing.
  std::optional<Urgency> UrgencyOf(const std::string& path) const;
};

// --- Parts (status_report_*.cc): HTML, or the style sheet

std::string Findings(const Page& page);
std::string Timeline(const Page& page);
std::string Chains(const Page& page);
std::string Stores(const Page& page);
std::string_view Style();

// --- Pieces

// ShownText for an element or an attribute in double quotes.
std::string Escaped(std::string_view text);

// A section with its heading.
std::string Section(std::string_view id, std::string_view title, const std::string& body);

// A list that is long stands folded, under what it says.
std::string Folded(bool folded, const std::string& summary, const std::string& body);

// The sign and the word of an urgency; of none, that all is well. Never the colour alone.
std::string Badge(std::optional<Urgency> urgency);

// "in 12 days", "today", "3 days ago".
std::string DistanceText(std::int64_t days);

// The day, and how far that is.
std::string EndText(std::chrono::sys_days today, std::chrono::sys_seconds end);

// "1 entry", "2 entries".
std::string Counted(std::size_t count, std::string_view one, std::string_view many);

// A name of subjectAltName as people write it: hosts and addresses without the word for their kind.
std::string PlainName(const std::string& name);

// What people call a certificate: its common name, else the first of its names, else its subject.
std::string LabelOf(const InspectedCertificate& certificate);

}  // namespace certfs::report
