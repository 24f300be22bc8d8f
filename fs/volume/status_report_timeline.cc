// When things end, in status/report.html: a bar for each month of the year to come, and for each year behind
// it; and in words what ends next.

#include <algorithm>
#include <array>

#include "fs/volume/status_report.h"

namespace certfs::report {

namespace {

using std::chrono::sys_days;
using std::chrono::year_month;

constexpr int kMonths = 12;
constexpr int kYears = 6;
constexpr std::size_t kNext = 10;  // How many the table names.

// How soon something ends: what its colour, and its pattern, say.
enum class Nearness { kEnded, kSoon, kLater };

struct Bucket {
  std::string label;
  sys_days until;  // The first day behind it.
  std::array<std::size_t, 3> counts{};
  std::size_t total() const { return counts[0] + counts[1] + counts[2]; }
};

std::string NameOf(const InspectedEntry& entry) {
  return entry.list ? "CRL of " + entry.list->issuer : LabelOf(*entry.chain.front());
}

std::string MonthLabel(year_month month) {
  constexpr std::array<std::string_view, 12> kNames{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return std::string(kNames[static_cast<unsigned>(month.month()) - 1]) + " " +
         std::to_string(static_cast<int>(month.year()));
}

std::vector<Bucket> BucketsFrom(sys_days today) {
  const std::chrono::year_month_day date(today);
  year_month month(date.year(), date.month());
  std::vector<Bucket> buckets{{"Ended", today, {}}};
  for (int i = 0; i < kMonths; ++i) {
    const year_month next = month + std::chrono::months(1);
    buckets.push_back({MonthLabel(month), sys_days(next / 1), {}});
    month = next;
  }
  // The rest of the last year, and those behind it.
  std::chrono::year year = month.year();
  for (int i = 0; i < kYears; ++i, ++year) {
    const bool rest = i == 0 && month.month() != std::chrono::January;
    buckets.push_back({(rest ? "Rest of " : "") + std::to_string(static_cast<int>(year)),
                       sys_days((year + std::chrono::years(1)) / 1 / 1),
                       {}});
  }
  buckets.push_back({"Later", sys_days::max(), {}});
  return buckets;
}

std::vector<Bucket> Filled(const StatusFacts& facts, const std::vector<Ending>& endings) {
  std::vector<Bucket> buckets = BucketsFrom(facts.today);
  auto bucket = buckets.begin();
  for (const Ending& each : endings) {
    const sys_days day = std::chrono::floor<std::chrono::days>(*each.end);
    while (day >= bucket->until) ++bucket;
    const Nearness nearness = day < facts.today                     ? Nearness::kEnded
                              : day - facts.today <= kExpiryWarning ? Nearness::kSoon
                                                                    : Nearness::kLater;
    ++bucket->counts[static_cast<std::size_t>(nearness)];
  }
  // Years in which nothing ends say nothing; months do.
  std::erase_if(buckets, [&](const Bucket& each) {
    const bool month = &each > &buckets.front() && &each <= &buckets[kMonths];
    return !month && each.total() == 0;
  });
  return buckets;
}

std::string Number(double value) {
  std::string text = std::to_string(value);
  return text.substr(0, text.find('.') + 3);
}

// A bar for each nearness, one behind the other, and how many there are; a thin line where nothing ends.
std::string Bars(const Bucket& bucket, std::size_t most) {
  constexpr double kWidest = 58;  // Per cent of the picture.
  constexpr std::array<std::string_view, 3> kStyles{"ended", "soon", "later"};
  if (bucket.total() == 0)
    return "<rect class=\"none\" x=\"0\" y=\"12\" width=\"" + Number(kWidest) + "%\" height=\"1\"/>";
  std::string bars;
  double x = 0;
  for (std::size_t i = 0; i < bucket.counts.size(); ++i) {
    if (bucket.counts[i] == 0) continue;
    const double width = kWidest * static_cast<double>(bucket.counts[i]) / static_cast<double>(most);
    bars += "<rect class=\"" + std::string(kStyles[i]) + "\" x=\"" + Number(x) + "%\" y=\"4\" width=\"" +
            Number(width) + "%\" height=\"18\" rx=\"3\"/>";
    x += width;
  }
  return bars + "<text class=\"count\" x=\"" + Number(x) + "%\" dx=\"7\" y=\"17\">" +
         std::to_string(bucket.total()) + "</text>";
}

// Widths are shares of the picture, heights pixels: letters keep their size on any screen.
std::string Picture(const std::vector<Bucket>& buckets) {
  constexpr int kRow = 26;
  std::size_t most = 1;
  for (const Bucket& each : buckets) most = std::max(most, each.total());
  std::string svg =
      "<svg class=\"chart\" role=\"img\" aria-label=\"How many entries end in each month, and in the years "
      "behind them\" style=\"height:" +
      std::to_string(kRow * static_cast<int>(buckets.size())) + "px\">\n";
  int y = 0;
  for (const Bucket& each : buckets) {
    svg += "<text class=\"when\" x=\"0\" y=\"" + std::to_string(y + 17) + "\">" + each.label +
           "</text><g transform=\"translate(96," + std::to_string(y) + ")\">" + Bars(each, most) + "</g>\n";
    y += kRow;
  }
  return svg + "</svg>\n";
}

std::string Next(const Page& page, const std::vector<Ending>& endings) {
  std::string rows;
  std::size_t count = 0;
  for (const Ending& each : endings) {
    if (*each.end < page.facts.today) continue;
    if (++count > kNext) break;
    rows += "<tr><th scope=\"row\"><bdi>" + Escaped(each.path) + "</bdi></th><td data-label=\"What\"><bdi>" +
            Escaped(NameOf(*each.entry)) + "</bdi></td><td data-label=\"Ends\">" +
            EndText(page.facts.today, *each.end) + "</td></tr>\n";
  }
  if (rows.empty()) return "";
  return "<table>\n<caption>Next to end</caption>\n<thead><tr><th scope=\"col\">Entry</th><th "
         "scope=\"col\">What</th><th scope=\"col\">Ends</th></tr></thead>\n<tbody>\n" +
         rows + "</tbody>\n</table>\n";
}

}  // namespace

std::string Timeline(const Page& page) {
  std::vector<Ending> endings = EndingsOf(*page.facts.inspection);
  std::erase_if(endings, [](const Ending& each) { return !each.end; });
  if (endings.empty()) return "<p>There are no certificates and no CRLs.</p>\n";
  return "<p class=\"legend\"><span class=\"key ended\">ended</span> <span class=\"key soon\">ends within 30 "
         "days</span> <span class=\"key later\">ends later</span></p>\n" +
         Picture(Filled(page.facts, endings)) + Next(page, endings);
}

}  // namespace certfs::report
