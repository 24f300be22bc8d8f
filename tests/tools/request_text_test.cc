// Goal: values of the command line stand in the place of the file's, and what is wrong is said of whoever
// said it. Method: a table of files and what is put over them.

#include "tools/request_text.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

RequestText Over(const std::string& file, const std::string& key, const std::string& value) {
  const ScratchDirectory scratch;
  RequestText request = Must(RequestText::Read(scratch.Write("a.cfg", file)));
  request.Set(key, value, "--" + key);
  return request;
}

TEST(RequestText, PutsValuesInTheirPlace) {
  EXPECT_EQ(Over("Name = a\nCountry = US\n", "Name", "b").text(), "Name = b\nCountry = US\n");
  EXPECT_EQ(Over("  nAmE=a", "Name", "b").text(), "Name = b");
  EXPECT_EQ(Over("# Name = a\n", "Name", "b").text(), "# Name = a\nName = b\n");
  EXPECT_EQ(Over("Country = US", "Name", "b").text(), "Country = US\nName = b\n");
  EXPECT_EQ(Over("\xEF\xBB\xBFName = a\n", "Name", "b").text(), "Name = b\n");
  EXPECT_EQ(Over("", "Name", "b").text(), "Name = b\n");
}

TEST(RequestText, SaysWhoIsWrong) {
  const auto option = Over("Name = a\nCountry = US\n", "Country", "USA").Parse();
  ASSERT_FALSE(option.has_value());
  EXPECT_TRUE(option.error().message().starts_with("--Country: ")) << option.error().message();
  const auto line = Over("Name = a\nCountry = USA\n", "Hostname", "b.c").Parse();
  ASSERT_FALSE(line.has_value());
  EXPECT_NE(line.error().message().find("a.cfg: line 2: "), std::string::npos) << line.error().message();
  EXPECT_EQ(line.error().code(), ErrorCode::kMalformed);
}

TEST(RequestText, LeavesTheProfileToTheAuthority) {
  const RequestText request = Over("Profile = client\nName = a\nCountry = USA", "Hostname", "b.c");
  EXPECT_TRUE(request.text().starts_with("Profile = client\n"));
  const auto parsed = request.Parse();
  ASSERT_FALSE(parsed.has_value());
  EXPECT_NE(parsed.error().message().find("line 3: "), std::string::npos) << parsed.error().message();
  EXPECT_EQ(Must(Over("profile=client\nName = a\n", "Hostname", "b.c").Parse()).name, "a");
}

// No value begins a line of its own.
TEST(RequestText, KeepsAValueOnItsLine) {
  EXPECT_FALSE(Over("Name = a\n", "Name", "b\nCountry = US").Parse().has_value());
}

TEST(RequestText, SaysWhatCannotBeRead) {
  const ScratchDirectory scratch;
  const auto missing = RequestText::Read(scratch / "none");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace certfs
