// Goal: which entry gets what of a file, and what stays out with which words; every name makes an alias.
// Method: bundles of the vectors planned for each kind of store; a table of names.

#include "tools/import_plan.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/must.h"
#include "tests/support/vectors.h"

namespace certfs {
namespace {

using namespace std::string_view_literals;

std::string Text(const std::string& name) {
  const Bytes bytes = test::Vector(name);
  return {bytes.begin(), bytes.end()};
}

struct Planned {
  std::string steps;  // "alias: key certificates list" of those that it gets.
  std::string left;
  std::string error;
};

Planned Plan(const std::string& pem, const std::string& target_text, const std::string& name = {}) {
  ImportTarget target = Must(ParseImportTarget(target_text));
  target.name = name;
  target.file = "dir/file.pem";
  auto plan = PlanImport(Must(ReadBundle(AsBytes(pem), SecretBytes())), target);
  Planned planned;
  if (!plan.has_value()) {
    planned.error = std::string(ToString(plan.error().code())) + ": " + plan.error().message();
    return planned;
  }
  for (const ImportStep& step : plan.value().steps) {
    planned.steps += step.alias.text() + ":" + (step.pkcs8.empty() ? "" : " key") +
                     (step.certificates.empty() ? "" : " certificates") + (step.list.empty() ? "" : " list") +
                     "\n";
  }
  for (const std::string& each : plan.value().left) planned.left += each + "\n";
  return planned;
}

const std::string& Everything() {
  static const std::string text = Text("chain.pem") + Text("leaf.key") + Text("root.pem") +
                                  Text("other-root.pem") + Text("crl-5.pem") + Text("ed25519.key");
  return text;
}

TEST(ImportPlan, KeysGoToWhatHoldsPairs) {
  for (const char* store : {"machine", "MACHINE_SSL_CERT", "whatever"}) {
    const Planned planned = Plan(Everything(), store);
    EXPECT_EQ(planned.steps, "www.example.com: key certificates\nfile: key\n") << planned.error;
    EXPECT_NE(planned.left.find("certificate \"Vector Root\": goes with no key"), std::string::npos)
        << planned.left;
    EXPECT_NE(planned.left.find("certfs import 'dir/file.pem' TRUSTED_ROOTS_CRLS takes it"),
              std::string::npos);
  }
}

TEST(ImportPlan, CertificatesOfNoKeyGoToTrustedRoots) {
  const Planned planned = Plan(Everything(), "TRUSTED_ROOTS");
  EXPECT_EQ(planned.steps, "Vector Root: certificates\nOther Root: certificates\n") << planned.error;
  EXPECT_NE(planned.left.find("key \"www.example.com\": TRUSTED_ROOTS holds no keys"), std::string::npos);
}

TEST(ImportPlan, ListsGoToTheirStoreByEitherName) {
  for (const char* store : {"TRUSTED_ROOTS_CRLS", "TRUSTED_ROOT_CRLS"}) {
    EXPECT_EQ(Plan(Everything(), store).steps, "Vector Root: list\n");
  }
}

TEST(ImportPlan, OneEntryTakesOne) {
  const Planned several = Plan(Everything(), "machine/web");
  EXPECT_TRUE(several.error.starts_with("invalid-argument: ")) << several.error;
  EXPECT_NE(several.error.find("\"www.example.com\""), std::string::npos) << several.error;
  EXPECT_NE(several.error.find("without a name"), std::string::npos) << several.error;
  EXPECT_EQ(Plan(Everything(), "machine/web", "www.example.com").steps, "web: key certificates\n");
  EXPECT_EQ(Plan(Text("leaf.key"), "machine/web").steps, "web: key\n");
}

TEST(ImportPlan, NothingForTheStore) {
  EXPECT_TRUE(Plan(Text("root.pem"), "machine")
                  .error.starts_with("not-found: dir/file.pem: holds nothing for machine"));
  EXPECT_TRUE(Plan(Text("leaf.key"), "TRUSTED_ROOTS").error.starts_with("not-found: "));
  EXPECT_TRUE(Plan(Text("leaf.key"), "TRUSTED_ROOTS_CRLS").error.starts_with("not-found: "));
  EXPECT_TRUE(Plan(Text("leaf.key"), "machine", "x")
                  .error.starts_with("not-found: dir/file.pem: nothing in it is called"));
  for (const char* store : {"APPLMGMT_PASSWORD", "BACKUP_STORE"}) {
    EXPECT_TRUE(Plan(Text("leaf.key"), store).error.starts_with("invalid-argument: ")) << store;
  }
}

TEST(ImportPlan, Targets) {
  EXPECT_EQ(Must(ParseImportTarget("machine/web")).alias->text(), "web");
  EXPECT_FALSE(Must(ParseImportTarget("machine")).alias.has_value());
  for (const char* text : {"", "a/b/c", "/x", "machine/", "machine/.x", "a@b"}) {
    const auto target = ParseImportTarget(text);
    ASSERT_FALSE(target.has_value()) << text;
    EXPECT_EQ(target.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(ImportPlan, AliasesOfNames) {
  const std::string umlauts = [] {
    std::string text;
    for (int i = 0; i < 61; ++i) text += "ä";
    return text;
  }();
  struct Case {
    std::string name;
    std::string alias;
  };
  for (const Case& each :
       {Case{"web", "web"}, Case{"Web Server 1", "Web Server 1"}, Case{"wéb", "wéb"},
        Case{" .. /etc/passwd ", "-etc-passwd"}, Case{"a@b", "a-b"}, Case{"a\nb\x7F", "a-b-"},
        Case{"a\xFFz", "a-z"}, Case{"...", "imported"}, Case{"", "imported"}, Case{"  ", "imported"},
        Case{"CN=Acme/O=x", "CN=Acme-O=x"}, Case{std::string("a\0b", 3), "a-b"},
        Case{std::string(300, 'x'), std::string(120, 'x')}, Case{umlauts, umlauts.substr(2)}}) {
    EXPECT_EQ(MakeAlias(each.name).text(), each.alias);
  }
}

TEST(ImportPlan, AliasesAreTakenOnce) {
  std::vector<std::string> taken;
  const auto take = [&](const std::string& name) { return TakeAlias(MakeAlias(name), taken).text(); };
  EXPECT_EQ(take("web"), "web");
  EXPECT_EQ(take("WEB"), "WEB-2") << "case makes no difference";
  EXPECT_EQ(take("web"), "web-3");
  EXPECT_EQ(take("web-2"), "web-2-2");
  const std::string longest(120, 'x');
  EXPECT_EQ(take(longest), longest);
  EXPECT_EQ(take(longest), longest.substr(2) + "-2");
  const std::string wide = std::string(119, 'x') + "ä";
  EXPECT_EQ(take(wide), std::string(119, 'x')) << "cut in front of what does not fit";
}

}  // namespace
}  // namespace certfs
