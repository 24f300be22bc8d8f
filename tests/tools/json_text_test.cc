// Goal: what the programs print as JSON is JSON, whatever names files and subjects have. Method: a name that
// is no UTF-8, by itself and in a report that shows one.

#include "tools/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tools/restore_report.h"

namespace certfs {
namespace {

constexpr auto kName = "bad\xff.cms";
constexpr auto kShown = "bad\xef\xbf\xbd.cms";

TEST(JsonText, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(JsonText(nlohmann::json{{"file", kName}}), std::string("{\n  \"file\": \"") + kShown + "\"\n}\n");
}

TEST(JsonText, ABackupOfAnyNameIsReported) {
  const auto report = nlohmann::json::parse(ContentsJson(kName, BackupContents()));
  EXPECT_EQ(report.at("file"), kShown);
}

}  // namespace
}  // namespace certfs
