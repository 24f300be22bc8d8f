// status/report.html: the page around its parts.

#include "fs/volume/status_report.h"

#include <algorithm>
#include <array>

namespace certfs {

namespace report {

std::optional<Urgency> Page::UrgencyOf(const std::string& path) const {
  const auto found = urgencies.find(path);
  return found == urgencies.end() ? std::nullopt : std::optional(found->second);
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char each : ShownText(text)) {
    if (each == '&') {
      out += "&amp;";
    } else if (each == '<') {
      out += "&lt;";
    } else if (each == '>') {
      out += "&gt;";
    } else if (each == '"') {
      out += "&quot;";
    } else {
      out += each;
    }
  }
  return out;
}

std::string Section(std::string_view id, std::string_view title, const std::string& body) {
  const std::string name(id);
  return "<section aria-labelledby=\"" + name + "\">\n<h2 id=\"" + name + "\">" + std::string(title) +
         "</h2>\n" + body + "</section>\n";
}

std::string Folded(bool folded, const std::string& summary, const std::string& body) {
  if (!folded) return body;
  return "<details>\n<summary>" + summary + "</summary>\n" + body + "</details>\n";
}

std::string Badge(std::optional<Urgency> urgency) {
  struct Form {
    std::string_view style, sign, word;
  };
  constexpr std::array<Form, 3> kForms{
      {{"critical", "✕", "Critical"}, {"warning", "!", "Warning"}, {"info", "i", "Note"}}};
  const Form form = urgency ? kForms[static_cast<std::size_t>(*urgency)] : Form{"good", "✓", "OK"};
  return "<span class=\"badge " + std::string(form.style) + "\"><span class=\"sign\" aria-hidden=\"true\">" +
         std::string(form.sign) + "</span>" + std::string(form.word) + "</span>";
}

std::string DistanceText(std::int64_t days) {
  if (days == 0) return "today";
  const std::string count = Counted(static_cast<std::size_t>(days < 0 ? -days : days), "day", "days");
  return days < 0 ? count + " ago" : "in " + count;
}

std::string EndText(std::chrono::sys_days today, std::chrono::sys_seconds end) {
  return "<span class=\"ending\"><span class=\"date\">" +
         DateText(std::chrono::floor<std::chrono::days>(end)) + "</span> <span class=\"distance\">" +
         DistanceText(DaysLeft(today, end)) + "</span></span>";
}

std::string Counted(std::size_t count, std::string_view one, std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

std::string PlainName(const std::string& name) {
  const std::size_t colon = name.find(':');
  const std::string_view kind = std::string_view(name).substr(0, colon);
  return kind == "DNS" || kind == "IP Address" ? name.substr(colon + 1) : name;
}

std::string LabelOf(const InspectedCertificate& certificate) {
  if (!certificate.common_name.empty()) return certificate.common_name;
  if (!certificate.names.empty()) return PlainName(certificate.names.front());
  return certificate.subject.empty() ? "no name" : certificate.subject;
}

namespace {

// What the tiles at the top tell.
struct Totals {
  std::size_t certificates = 0;
  std::size_t authorities = 0;
  std::size_t lists = 0;
  std::size_t keys = 0;
  std::string next;  // The entry that ends next, from today on.
  std::optional<std::chrono::sys_seconds> next_end;
};

Totals TotalsOf(const StatusFacts& facts) {
  Totals totals;
  for (const auto& store : facts.inspection->stores) {
    for (const auto& entry : store->entries) {
      if (entry->list) ++totals.lists;
      if ((entry->members & SetOf(Member::kKey)) != 0) ++totals.keys;
      if (entry->chain.empty()) continue;
      const InspectedCertificate& leaf = *entry->chain.front();
      ++(leaf.authority ? totals.authorities : totals.certificates);
      if (leaf.not_after < facts.today || (totals.next_end && *totals.next_end <= leaf.not_after)) continue;
      totals.next_end = leaf.not_after;
      totals.next = PathOf(*store, *entry);
    }
  }
  return totals;
}

std::string Tile(std::string_view label, const std::string& value, const std::string& note) {
  return "<li class=\"tile\"><span class=\"label\">" + std::string(label) +
         "</span> <strong class=\"value\">" + value + "</strong>" +
         (note.empty() ? "" : " <span class=\"note\">" + note + "</span>") + "</li>\n";
}

std::string BackupText(const StatusFacts& facts) {
  if (facts.keystore_backed_up == Time{}) return "never";
  const auto day = std::chrono::floor<std::chrono::days>(facts.keystore_backed_up);
  return DistanceText((day - facts.today).count());
}

std::string Summary(const StatusFacts& facts) {
  const Totals totals = TotalsOf(facts);
  std::string tiles = "<ul class=\"tiles\">\n";
  tiles += Tile("Certificates", std::to_string(totals.certificates),
                Counted(totals.keys, "private key", "private keys"));
  tiles += Tile("CA certificates", std::to_string(totals.authorities), Counted(totals.lists, "CRL", "CRLs"));
  tiles += totals.next_end ? Tile("Next to expire", DistanceText(DaysLeft(facts.today, *totals.next_end)),
                                  "<bdi>" + Escaped(totals.next) + "</bdi>")
                           : Tile("Next to expire", "none", "");
  tiles += Tile("Last backup", BackupText(facts), "of the keystore");
  return tiles + "</ul>\n";
}

std::string Headline(const StatusFacts& facts) {
  std::array<std::size_t, 3> counts{};
  for (const Concern& each : facts.concerns) ++counts[static_cast<std::size_t>(each.urgency)];
  constexpr std::array<std::string_view, 3> kOne{"critical finding", "warning", "note"};
  constexpr std::array<std::string_view, 3> kMany{"critical findings", "warnings", "notes"};
  std::string words;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != 0) words += (words.empty() ? "" : ", ") + Counted(counts[i], kOne[i], kMany[i]);
  }
  const std::optional<Urgency> worst = counts[0] != 0   ? std::optional(Urgency::kCritical)
                                       : counts[1] != 0 ? std::optional(Urgency::kWarning)
                                                        : std::nullopt;
  return "<p class=\"state\">" + Badge(worst) + " <span>" +
         (words.empty() ? std::string("Nothing needs attention.") : words) + "</span></p>\n";
}

}  // namespace

}  // namespace report

std::string ReportHtml(const StatusFacts& facts) {
  using namespace report;
  Page page{facts, {}};
  for (const Concern& each : facts.concerns) {
    // They come worst first.
    if (each.urgency != Urgency::kInfo) page.urgencies.emplace(each.subject, each.urgency);
  }
  const std::string date = DateText(facts.today);
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Certificate stores, " +
      date + "</title>\n<style>\n" + std::string(Style()) + "</style>\n</head>\n<body>\n";
  html +=
      "<header>\n<p class=\"product\">certfs</p>\n<h1>Certificate stores</h1>\n<p class=\"asof\">As of "
      "<time>" +
      date + "</time> (UTC)</p>\n" + Headline(facts) +
      "<nav aria-label=\"Sections\"><a href=\"#findings\">Findings</a> <a href=\"#timeline\">Expiry</a> "
      "<a href=\"#chains\">Chains</a> <a href=\"#stores\">Stores</a></nav>\n</header>\n<main>\n";
  html += Summary(facts);
  html += Section("findings", "Findings", Findings(page));
  html += Section("timeline", "Expiry", Timeline(page));
  html += Section("chains", "Chains", Chains(page));
  html += Section("stores", "Stores", Stores(page));
  html += "</main>\n<footer>\n";
  if (facts.hides) html += "<p>Entries that not everybody may read are left out.</p>\n";
  html += "<p>Made by " + Escaped(facts.version) +
          ". Days are of the calendar, times UTC. Paths in commands begin at the mount.</p>\n"
          "</footer>\n</body>\n</html>\n";
  return html;
}

}  // namespace certfs
