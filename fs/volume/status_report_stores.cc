// The stores and their entries, in status/report.html.

#include <algorithm>

#include "fs/volume/status_report.h"

namespace certfs::report {

namespace {

constexpr std::size_t kUnfolded = 25;  // Entries of a store, before they are folded.

std::string KindOf(const InspectedEntry& entry) {
  const auto has = [&](Member member) { return (entry.members & SetOf(member)) != 0; };
  if (!entry.damage.empty()) return "damaged";
  if (has(Member::kRevocationList)) return "CRL";
  if (has(Member::kSecret)) return "secret";
  if (has(Member::kCertificate))
    return has(Member::kKey)                ? "certificate, key"
           : entry.chain.empty()            ? "certificate"
           : entry.chain.front()->authority ? "CA certificate"
                                            : "certificate";
  return has(Member::kKey) ? "key" : "empty";
}

// At most a few of its names: a certificate may have hundreds.
std::string NamesOf(const InspectedCertificate& certificate) {
  constexpr std::size_t kNames = 3;
  std::string names;
  for (std::size_t i = 0; i < std::min(certificate.names.size(), kNames); ++i)
    names += (names.empty() ? "" : ", ") + PlainName(certificate.names[i]);
  if (certificate.names.size() > kNames)
    names += ", and " + std::to_string(certificate.names.size() - kNames) + " more";
  return names;
}

std::string WhatOf(const InspectedEntry& entry) {
  if (entry.list)
    return "<bdi>" + Escaped(entry.list->issuer) + "</bdi><span class=\"note\">revokes " +
           Counted(entry.list->revoked, "certificate", "certificates") + "</span>";
  if (entry.chain.empty()) return "&ndash;";
  const InspectedCertificate& leaf = *entry.chain.front();
  const std::string names = NamesOf(leaf);
  return "<bdi>" + Escaped(LabelOf(leaf)) + "</bdi><span class=\"note\"><bdi>" +
         Escaped(names.empty() ? "issued by " + leaf.issuer : names) + "</bdi></span>";
}

std::string EndsOf(const Page& page, const InspectedEntry& entry) {
  const auto end = entry.end();
  return end ? EndText(page.facts.today, *end) : "&ndash;";
}

std::string Row(const Page& page, const InspectedStore& store, const InspectedEntry& entry) {
  const auto urgency = page.UrgencyOf(PathOf(store, entry));
  const bool judged = entry.dated() || !entry.damage.empty();
  return "<tr><th scope=\"row\"><bdi>" + Escaped(entry.alias) + "</bdi></th><td data-label=\"Holds\">" +
         KindOf(entry) + "</td><td data-label=\"What\">" + WhatOf(entry) + "</td><td data-label=\"Ends\">" +
         EndsOf(page, entry) + "</td><td data-label=\"State\">" +
         (judged || urgency ? Badge(urgency) : std::string("&ndash;")) + "</td></tr>\n";
}

}  // namespace

std::string Stores(const Page& page) {
  std::string html;
  std::string empty;
  for (const auto& store : page.facts.inspection->stores) {
    const std::string name = "<bdi>" + Escaped(store->name) + "</bdi>";
    if (store->entries.empty()) {
      empty += (empty.empty() ? "" : ", ") + name;
      continue;
    }
    std::string table =
        "<table class=\"entries\">\n<thead><tr><th scope=\"col\">Alias</th><th scope=\"col\">Holds</th><th "
        "scope=\"col\">What</th><th scope=\"col\">Ends</th><th "
        "scope=\"col\">State</th></tr></thead>\n<tbody>\n";
    for (const auto& entry : store->entries) table += Row(page, *store, *entry);
    table += "</tbody>\n</table>\n";
    const std::string count = Counted(store->entries.size(), "entry", "entries");
    html += "<section class=\"store\">\n<h3>" + name + " <span class=\"count\">" + count + "</span></h3>\n" +
            Folded(store->entries.size() > kUnfolded, "Show " + count, table) + "</section>\n";
  }
  if (!empty.empty()) html += "<p class=\"empty\">Without entries: " + empty + ".</p>\n";
  return html;
}

}  // namespace certfs::report
