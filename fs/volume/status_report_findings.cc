// The findings of status/report.html, one group for each kind, with what to do.

#include <algorithm>
#include <array>

#include "crypto/rules.h"
#include "fs/volume/status_report.h"

namespace certfs::report {

namespace {

constexpr std::size_t kShown = 6;     // Of a group, before the rest is folded.
constexpr std::size_t kListed = 200;  // Of a group, at all: status/health.json has every one.

struct Title {
  std::string_view id;
  std::string_view words;
};
constexpr auto kTitles = std::to_array<Title>({
    {"expiring", "Ends soon"},
    {"damaged", "Cannot be read"},
    {"backup-never-read", "The keystore was never backed up"},
    {"export-password-unset", "No export password is set"},
    {"authority-damaged", "The certificate authority is damaged"},
    {"ca-never-backed-up", "The certificate authority was never backed up"},
    {"ca-backup-stale", "The backup of the certificate authority is old"},
    {"ca-expired", "The certificate authority has expired"},
    {"ca-expires", "The certificate authority ends soon"},
    {"crl-not-signed", "A CRL could not be signed"},
    {"retiring-authority", "A retiring authority still has live certificates"},
    {"replacement-unfinished", "The replacement of the root is not finished"},
    {"revoked-live", "Revoked, and still live"},
    {"expired-live", "Expired, and still live"},
    {"distrusted-live", "Issued by a root that is trusted no more"},
});

const Rule* FindRule(std::string_view id) {
  for (const Rule& rule : Rules()) {
    if (rule.id == id) return &rule;
  }
  return nullptr;
}

std::string TitleOf(std::string_view id) {
  const auto* const own =
      std::find_if(kTitles.begin(), kTitles.end(), [&](const Title& each) { return each.id == id; });
  if (own != kTitles.end()) return std::string(own->words);
  const Rule* const rule = FindRule(id);
  std::string words(rule != nullptr ? rule->summary : id);
  if (!words.empty() && words[0] >= 'a' && words[0] <= 'z') words[0] = static_cast<char>(words[0] - 32);
  return words;
}

// What the title does not say already.
std::string_view DetailOf(const Concern& each) {
  const Rule* const rule = FindRule(each.id);
  std::string_view detail = each.detail;
  if (rule == nullptr || !detail.starts_with(rule->summary)) return detail;
  detail.remove_prefix(rule->summary.size());
  return detail.substr(std::min(detail.size(), detail.find_first_not_of(": ")));
}

std::string Item(const Concern& each) {
  std::string item = "<li><p class=\"subject\"><bdi>" + Escaped(each.subject) + "</bdi></p><p>" +
                     Escaped(DetailOf(each)) + "</p>";
  if (!each.action.empty()) item += "<p class=\"action\"><code>" + Escaped(each.action) + "</code></p>";
  return item + "</li>\n";
}

std::string Items(const std::vector<const Concern*>& group, std::size_t from, std::size_t until) {
  std::string items = "<ul>\n";
  for (std::size_t i = from; i < until; ++i) items += Item(*group[i]);
  return items + "</ul>\n";
}

std::string Group(const std::vector<const Concern*>& group) {
  const Concern& first = *group.front();
  std::string html = "<article class=\"group " + std::string(ToString(first.urgency)) + "\">\n<h3>" +
                     Badge(first.urgency) + " <span class=\"title\">" + Escaped(TitleOf(first.id)) +
                     "</span> <code>" + Escaped(first.id) + "</code></h3>\n";
  const std::size_t shown = std::min(group.size(), kShown);
  const std::size_t listed = std::min(group.size(), kListed);
  html += Items(group, 0, shown);
  if (shown < listed)
    html += Folded(true, std::to_string(listed - shown) + " more", Items(group, shown, listed));
  if (listed < group.size())
    html += "<p class=\"rest\">And " + std::to_string(group.size() - listed) +
            " more: <code>status/health.json</code> has them all.</p>\n";
  return html + "</article>\n";
}

}  // namespace

std::string Findings(const Page& page) {
  // In the order in which the first of each kind comes: worst first.
  std::vector<std::vector<const Concern*>> groups;
  for (const Concern& each : page.facts.concerns) {
    const auto known = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return group.front()->id == each.id && group.front()->urgency == each.urgency;
    });
    if (known == groups.end()) {
      groups.push_back({&each});
    } else {
      known->push_back(&each);
    }
  }
  if (groups.empty()) return "<p>There is nothing to do.</p>\n";
  std::string html;
  for (const auto& group : groups) html += Group(group);
  return html;
}

}  // namespace certfs::report
