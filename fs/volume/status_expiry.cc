// status/expiry.txt: a line for each entry that ends, soonest first.

#include <algorithm>
#include <string>

#include "fs/volume/status_texts.h"

namespace certfs {

namespace {

std::string Column(std::string text, std::size_t width, bool right) {
  const std::string padding(width - std::min(width, text.size()), ' ');
  return right ? padding + text : text + padding;
}

std::string KindOf(const InspectedEntry& entry) {
  if (entry.list) return "CRL";
  return entry.chain.front()->authority ? "CA" : "cert";
}

}  // namespace

std::string ExpiryText(const StatusFacts& facts) {
  constexpr std::size_t kDays = 6;
  constexpr std::size_t kEnd = 20;  // Of "2026-11-28T00:00:00Z".
  constexpr std::size_t kKind = 4;
  std::string text = "# days  end                   kind  entry; soonest first, days left as of " +
                     DateText(facts.today) + " (UTC)\n";
  for (const Ending& each : EndingsOf(*facts.inspection)) {
    const std::string days = each.end ? std::to_string(DaysLeft(facts.today, *each.end)) : "-";
    text += Column(days, kDays, true) + "  " +
            Column(each.end ? FormatTimestamp(*each.end) : "-", kEnd, false) + "  " +
            Column(KindOf(*each.entry), kKind, false) + "  " + ShownText(each.path) + "\n";
  }
  return text;
}

}  // namespace certfs
