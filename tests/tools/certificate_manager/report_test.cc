// Goal: people and programs are shown the same plan and the same end. Method: one plan, printed both ways.

#include "tools/certificate_manager/report.h"

#include <gtest/gtest.h>

#include <sstream>

namespace certfs {
namespace {

Plan Example() {
  Plan plan;
  plan.operation = Operation::kRootNew;
  plan.root_words = "CN=Old -> CN=New";
  plan.entries.push_back(
      {"web/a", CertificateWords{"CN=a", "01", "2027-01-01T00:00:00Z"}, "new", {"a remark"}});
  plan.entries.push_back({"web/b", std::nullopt, "new", {}, false});
  plan.notes = {"something else"};
  return plan;
}

TEST(Report, ForPeople) {
  const Service web{"web", {"*"}, {"true"}, {}};
  const std::vector<const Service*> services{&web};
  std::ostringstream out;
  PrintPlan(Example(), services, out);
  EXPECT_EQ(out.str(),
            "4. Regenerate a new Root Certificate of the authority and replace all certificates\n"
            "root: CN=Old -> CN=New\n"
            "web/a\n  now: CN=a, serial number 01, until 2027-01-01T00:00:00Z\n  new: new\n  note: a remark\n"
            "web/b: holds just that already\n  now: nothing\n  new: new\n"
            "something else\n"
            "services to reload: web\n");
}

TEST(Report, LongPlansAreCutShort) {
  Plan plan;
  for (int i = 0; i < 60; ++i) plan.entries.push_back({"web/" + std::to_string(i), std::nullopt, "x", {}});
  std::ostringstream out;
  PrintPlan(plan, {}, out);
  EXPECT_NE(out.str().find("web/49\n"), std::string::npos);
  EXPECT_EQ(out.str().find("web/50\n"), std::string::npos);
  EXPECT_NE(out.str().find("and 10 more entries"), std::string::npos);
  EXPECT_EQ(ReportJson(plan, {}, nullptr)["entries"].size(), 60u);
}

TEST(Report, ForPrograms) {
  const Service web{"web", {"*"}, {"true"}, {}};
  const std::vector<const Service*> services{&web};
  Json json = ReportJson(Example(), services, nullptr);
  EXPECT_EQ(json["operation"], "root-new");
  EXPECT_EQ(json["number"], 4);
  EXPECT_EQ(json["entries"][0]["before"]["serial"], "01");
  EXPECT_TRUE(json["entries"][1]["before"].is_null());
  EXPECT_EQ(json["services"], Json::array({"web"}));
  EXPECT_TRUE(json["dry_run"] == true && json["done"] == false && json["error"].is_null());

  Outcome outcome;
  outcome.rolled_back = true;
  outcome.failure = Error(ErrorCode::kRejected, "profile-name", "no");
  outcome.notes = {"and more"};
  json = ReportJson(Example(), services, &outcome);
  EXPECT_TRUE(json["dry_run"] == false && json["done"] == false && json["rolled_back"] == true);
  EXPECT_EQ(json["error"], (Json{{"code", "rejected"}, {"rule", "profile-name"}, {"message", "no"}}));
  EXPECT_EQ(json["notes"], Json::array({"something else", "and more"}));
  std::ostringstream out;
  PrintOutcome(outcome, out);
  EXPECT_EQ(out.str(),
            "certificate-manager: no\ncertificate-manager: and more\n"
            "certificate-manager: everything is as it was before\n");
}

TEST(Report, ProgressAsItHasAlwaysBeen) {
  EXPECT_EQ(StatusLine(100, "All tasks completed successfully"),
            "Status : 100% Completed [All tasks completed successfully]");
}

}  // namespace
}  // namespace certfs
