// Goal: report.html and metrics.prom stay what they are whatever names the stores hold, and are useful with
// nothing, a little and a lot in them. Method: facts that a test makes up, hostile subjects among them; the
// pages are taken apart by hand. (What a browser and a validator say: tests/mount/status_test.py.)

#include <gtest/gtest.h>

#include <set>

#include "crypto/base/utf8.h"
#include "fs/volume/status_report.h"
#include "tests/support/vectors.h"

namespace certfs::test {
namespace {

using report::Escaped;

// A certificate of `name`, issued by `issuer`, which ends in so many days.
InspectedCertificatePointer CertificateOf(const std::string& name, char id, int days, bool authority) {
  auto certificate = std::make_shared<InspectedCertificate>();
  certificate->holder.fill(static_cast<std::uint8_t>(id));
  certificate->subject = "CN=" + name;
  certificate->common_name = name;
  certificate->issuer = "CN=Issuer";
  certificate->not_before = kVectorTime - std::chrono::days(300);
  certificate->not_after = kVectorTime + std::chrono::days(days);
  certificate->authority = authority;
  certificate->self_signed = authority && id == 'R';
  return certificate;
}

class Made {
 public:
  Made() {
    facts.version = "certfs test";
    facts.today = std::chrono::floor<std::chrono::days>(kVectorTime);
  }
  void Add(const std::string& store, const std::string& alias,
           const std::vector<InspectedCertificatePointer>& chain, char issuer) {
    auto entry = std::make_shared<InspectedEntry>();
    entry->alias = alias;
    entry->members = SetOf(Member::kCertificate);
    entry->chain = chain;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      entry->issuers.emplace_back();
      const bool last = i + 1 == chain.size();
      if (!last) entry->issuers.back() = chain[i + 1]->holder;
      if (last && issuer != 0) entry->issuers.back().fill(static_cast<std::uint8_t>(issuer));
    }
    entries_[store].push_back(entry);
  }
  void Concerned(const std::string& id, Urgency urgency, const std::string& subject) {
    facts.concerns.push_back({id, urgency, subject, "detail of " + subject, "certfs do " + subject, true});
  }
  const StatusFacts& Finish() {
    auto inspection = std::make_shared<Inspection>();
    for (const auto& [name, entries] : entries_) {
      auto store = std::make_shared<InspectedStore>();
      store->name = name;
      store->trust = name == "TRUSTED_ROOTS";
      store->open = true;
      store->entries = entries;
      inspection->stores.push_back(store);
    }
    facts.inspection = inspection;
    return facts;
  }

  StatusFacts facts;

 private:
  std::map<std::string, std::vector<InspectedEntryPointer>> entries_;
};

std::size_t Count(const std::string& text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size()))
    ++count;
  return count;
}

// Each element that is opened is closed, in the right order; attributes are quoted.
void ExpectBalanced(const std::string& html) {
  const std::set<std::string> kVoid{"meta", "rect", "!DOCTYPE"};
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const std::size_t end = html.find('>', at);
    ASSERT_NE(end, std::string::npos);
    std::string tag = html.substr(at + 1, end - at - 1);
    const bool closes = tag.starts_with("/");
    if (closes) tag.erase(0, 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /"));
    ASSERT_EQ(Count(tag, "\"") % 2, 0U) << tag;
    if (kVoid.contains(name)) continue;
    if (!closes) {
      open.push_back(name);
      continue;
    }
    ASSERT_FALSE(open.empty()) << name;
    ASSERT_EQ(open.back(), name) << html.substr(at > 200 ? at - 200 : 0, 300);
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
}

TEST(Page, IsUsefulWithNothing) {
  Made made;
  const std::string html = ReportHtml(made.Finish());
  ExpectBalanced(html);
  EXPECT_NE(html.find("Nothing needs attention."), std::string::npos);
  EXPECT_NE(html.find("There are no certificates and no CRLs."), std::string::npos);
  EXPECT_EQ(html.find("<svg"), std::string::npos);
}

TEST(Page, ShowsChainsFromTheRootDown) {
  Made made;
  const auto root = CertificateOf("The Root", 'R', 3000, true);
  const auto issuing = CertificateOf("The Issuing CA", 'I', 900, true);
  made.Add("TRUSTED_ROOTS", "root", {root}, 'R');
  made.Add("machine", "web", {CertificateOf("web.test", 'w', 20, false), issuing}, 'R');
  made.Add("machine", "lone", {CertificateOf("lone.test", 'l', 90, false)}, 0);
  const std::string html = ReportHtml(made.Finish());
  ExpectBalanced(html);
  const std::string tree = html.substr(html.find("id=\"chains\""));
  const std::size_t at[] = {tree.find("The Root"), tree.find("The Issuing CA"), tree.find("web.test")};
  EXPECT_LT(at[0], at[1]);
  EXPECT_LT(at[1], at[2]);
  EXPECT_EQ(Count(tree.substr(at[0], at[2] - at[0]), "<ul>"), 2U);  // Each one deeper.
  EXPECT_NE(tree.find("this issuer is not in TRUSTED_ROOTS"), std::string::npos);
}

// CAs that many certify stand there once, with all that they certify.
TEST(Page, CrossCertificatesDoNotMultiply) {
  constexpr int kLayers = 7;
  constexpr int kWide = 10;
  const auto id = [](int layer, int i) { return static_cast<char>(100 + layer * kWide + i); };
  Made made;
  for (int layer = 0; layer < kLayers; ++layer) {
    for (int i = 0; i < kWide; ++i) {
      const std::string name = "CA-" + std::to_string(layer) + "-" + std::to_string(i);
      const auto authority = CertificateOf(name, id(layer, i), 900, true);
      for (int by = 0; by < (layer == 0 ? 1 : kWide); ++by)
        made.Add("TRUSTED_ROOTS", name + "-by-" + std::to_string(by), {authority},
                 layer == 0 ? id(0, i) : id(layer - 1, by));
    }
  }
  made.Add("machine", "web", {CertificateOf("web.test", 'w', 20, false)}, id(kLayers - 1, 3));
  const std::string html = ReportHtml(made.Finish());
  ExpectBalanced(html);
  EXPECT_LT(html.size(), 600000U);
  const std::string tree = html.substr(html.find("id=\"chains\""));
  EXPECT_EQ(Count(tree.substr(0, tree.find("id=\"stores\"")), "machine/web"), 1U);
}

TEST(Page, ChainsInACircleAreShown) {
  Made made;
  const auto one = CertificateOf("Root One", '1', 3000, true);
  const auto two = CertificateOf("Root Two", '2', 3000, true);
  made.Add("TRUSTED_ROOTS", "one", {one}, '1');
  made.Add("TRUSTED_ROOTS", "one-by-two", {one}, '2');
  made.Add("TRUSTED_ROOTS", "two-by-one", {two}, '1');
  made.Add("machine", "a", {CertificateOf("a.test", 'a', 20, false)}, '1');
  made.Add("machine", "b", {CertificateOf("b.test", 'b', 20, false)}, '2');
  const std::string html = ReportHtml(made.Finish());
  ExpectBalanced(html);
  const std::string behind = html.substr(html.find("id=\"chains\""));
  const std::string tree = behind.substr(0, behind.find("id=\"stores\""));
  for (const char* const path : {"TRUSTED_ROOTS/two-by-one", "machine/a", "machine/b"})
    EXPECT_EQ(Count(tree, path), 1U) << path;
  EXPECT_EQ(Count(tree, "shown above"), 1U);
}

// Nothing is lost that lies deeper than is shown at once, and not all is listed of what is many.
TEST(Page, DeepAndWideChainsEnd) {
  Made deep;
  deep.Add("TRUSTED_ROOTS", "c0", {CertificateOf("c0", '\x01', 900, true)}, '\x01');
  for (char i = 1; i < 20; ++i) {
    const std::string name = "c" + std::to_string(static_cast<int>(i));
    deep.Add("TRUSTED_ROOTS", name, {CertificateOf(name, static_cast<char>(i + 1), 900, true)}, i);
  }
  deep.Add("machine", "web", {CertificateOf("web.test", 'w', 20, false)}, '\x14');
  std::string html = ReportHtml(deep.Finish());
  ExpectBalanced(html);
  html = html.substr(html.find("id=\"chains\""));
  EXPECT_EQ(Count(html.substr(0, html.find("id=\"stores\"")), "machine/web"), 1U);

  Made wide;
  wide.Add("TRUSTED_ROOTS", "root", {CertificateOf("root", '\x01', 900, true)}, '\x01');
  for (int i = 2; i < 152; ++i) {
    const std::string name = "CA-" + std::to_string(i);
    wide.Add("TRUSTED_ROOTS", name, {CertificateOf(name, static_cast<char>(i), 900, true)}, '\x01');
  }
  html = ReportHtml(wide.Finish());
  ExpectBalanced(html);
  html = html.substr(html.find("id=\"chains\""));
  html = html.substr(0, html.find("id=\"stores\""));
  EXPECT_EQ(Count(html, "TRUSTED_ROOTS/CA-"), 100U);
  EXPECT_NE(html.find("and 50 CAs"), std::string::npos);
}

TEST(Page, SaysWhatToDo) {
  Made made;
  made.Add("machine", "web", {CertificateOf("web.test", 'w', -3, false)}, 0);
  made.Concerned("expired", Urgency::kCritical, "machine/web");
  made.Concerned("backup-never-read", Urgency::kWarning, "backup/keystore.cms");
  const std::string html = ReportHtml(made.Finish());
  ExpectBalanced(html);
  EXPECT_NE(html.find("1 critical finding, 1 warning"), std::string::npos);
  EXPECT_NE(html.find("<code>certfs do machine/web</code>"), std::string::npos);
  EXPECT_NE(html.find("3 days ago"), std::string::npos);
  EXPECT_GE(Count(html, "Critical</span>"), 3U);  // Above, at the finding, and at the entry: in words.
}

TEST(Page, StaysReadableWithALot) {
  Made made;
  const auto root = CertificateOf("The Root", 'R', 3000, true);
  made.Add("TRUSTED_ROOTS", "root", {root}, 'R');
  for (int i = 0; i < 500; ++i) {
    const std::string name = "host-" + std::to_string(i);
    made.Add("machine", name, {CertificateOf(name, 'w', i, false)}, 'R');
    made.Concerned("expiring", Urgency::kWarning, "machine/" + name);
  }
  const std::string html = ReportHtml(made.Finish());
  ExpectBalanced(html);
  EXPECT_EQ(Count(html, "<th scope=\"row\">"), 10U + 501U);
  EXPECT_NE(html.find("And 300 more"), std::string::npos);
  EXPECT_NE(html.find("and 400 that end later"), std::string::npos);
  EXPECT_LT(html.size(), 500000U);
}

// The page loads nothing and runs nothing.
TEST(Page, NeedsNothingElse) {
  Made made;
  made.Add("machine", "web", {CertificateOf("web.test", 'w', 3, false)}, 0);
  const std::string html = ReportHtml(made.Finish());
  for (const char* const foreign :
       {"<script", "<link", "<img", "<iframe", "src=", "url(", "@import", "onload"})
    EXPECT_EQ(html.find(foreign), std::string::npos) << foreign;
  EXPECT_EQ(html.find("http"), std::string::npos);
}

TEST(Page, HostileNamesAreText) {
  Made made;
  const std::string hostile = "</style><script>alert(\"1\")</script>&\x01\xFF";
  made.Add(hostile, hostile, {CertificateOf(hostile, 'w', 3, false)}, 0);
  made.Concerned("expired", Urgency::kCritical, hostile);
  const std::string html = ReportHtml(made.Finish());
  ExpectBalanced(html);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(&quot;1&quot;)"), std::string::npos);
  EXPECT_EQ(html.find('\x01'), std::string::npos);
  EXPECT_EQ(html.find('\xFF'), std::string::npos);
}

TEST(Escaping, OfTextForHtml) {
  EXPECT_EQ(Escaped("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;'");
  EXPECT_EQ(Escaped("Zürich ✓"), "Zürich ✓");
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(Escaped("a\x80\nb"), "a" + replaced + replaced + "b");
  EXPECT_EQ(Escaped("\xE2\x80\xAEgnp.exe"), replaced + "gnp.exe");  // U+202E turns the direction.
  EXPECT_EQ(Escaped("\xE2\x81\xA6x"), replaced + "x");              // U+2066.
  EXPECT_EQ(Escaped("\xD8\x9Cx"), replaced + "x");                  // U+061C.
}

TEST(Escaping, OfLabels) {
  Made made;
  made.Add("machine", "a\\b\"c", {CertificateOf("x\ny", 'w', 3, false)}, 0);
  const std::string text = MetricsText(made.Finish());
  EXPECT_NE(text.find("alias=\"a\\\\b\\\"c\",subject=\"CN=x\xEF\xBF\xBDy\""), std::string::npos) << text;
}

// Control characters, C1 too, and what turns the direction, whichever file tells of it.
TEST(Escaping, OfWhatWouldMislead) {
  const std::string hostile = "a\xC2\x9B\xD8\x9C\xE2\x80\xAE\xFFz";
  Made made;
  made.Add("machine", "web", {CertificateOf(hostile, 'w', 3, false)}, 0);
  made.Concerned("expired", Urgency::kCritical, hostile);
  const StatusFacts& facts = made.Finish();
  for (const std::string& text :
       {HealthJson(facts), ExpiryText(facts), MetricsText(facts), ReportHtml(facts)}) {
    EXPECT_TRUE(IsUtf8(text));
    for (const char* const each : {"\xC2\x9B", "\xD8\x9C", "\xE2\x80\xAE"})
      EXPECT_EQ(text.find(each), std::string::npos) << text;
  }
  // Two names stay two: a series that is there twice spoils all of them.
  Made twins;
  twins.Add("machine", "a\xE2\x80\xAE", {CertificateOf("a", 'a', 3, false)}, 0);
  twins.Add("machine", "a\xE2\x80\xAD", {CertificateOf("a", 'a', 3, false)}, 0);
  const std::string metrics = MetricsText(twins.Finish());
  EXPECT_EQ(Count(metrics, "alias=\"a\xE2\x80\xAE\"") + Count(metrics, "alias=\"a\xE2\x80\xAD\""), 6U);
}

TEST(Metrics, HaveHelpAndTypeOnceEach) {
  Made made;
  made.Add("machine", "a", {CertificateOf("a", 'a', 3, false)}, 0);
  made.Add("machine", "b", {CertificateOf("b", 'b', 3, false)}, 0);
  const std::string text = MetricsText(made.Finish()) + CountersText(OperationCounts());
  EXPECT_EQ(Count(text, "# HELP certfs_certificate_not_after_seconds "), 1U);
  EXPECT_EQ(Count(text, "# HELP "), Count(text, "# TYPE "));
  EXPECT_EQ(Count(text, "# HELP "), 10U);
}

}  // namespace
}  // namespace certfs::test
