// Goal: commands reach ca/control as one write of one line and its payload, and what comes back is an answer
// or an error in the mount's own words. Method: plain files in the place of the mount; the mount itself is
// asked by tests/mount.

#include "tools/control_client.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"
#include "tests/support/vectors.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

Mount At(const ScratchDirectory& scratch) { return {scratch / "", "keystore"}; }

TEST(ControlCommand, QuotesWhatHasTo) {
  EXPECT_EQ(ControlCommand("revoke").Word("0a1b").Word("keyCompromise").line(), "revoke 0a1b keyCompromise");
  EXPECT_EQ(ControlCommand("renew").Word("machine/a b").line(), "renew \"machine/a b\"");
  EXPECT_EQ(ControlCommand("x").Word("").line(), "x \"\"");
  EXPECT_EQ(ControlCommand("x").Word("a\"b\\c").line(), "x \"a\\\"b\\\\c\"");
  EXPECT_EQ(ControlCommand("list").Option("name", "a b").Option("limit", 5).Flag("force").line(),
            "list --name=\"a b\" --limit=5 --force");
  EXPECT_EQ(ControlCommand("renew").Word("--rekey").line(), "renew \"--rekey\"") << "no option";
}

TEST(Ask, SaysWhatIsMissing) {
  const ScratchDirectory scratch;
  auto answer = Ask(At(scratch), ControlCommand("show"));
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(answer.error().message().find("subtree=stores"), std::string::npos) << answer.error().message();
  std::filesystem::create_directory(scratch / "ca");
  answer = Ask(At(scratch), ControlCommand("show"));
  ASSERT_FALSE(answer.has_value());
  EXPECT_NE(answer.error().message().find("control"), std::string::npos);
}

TEST(Ask, WritesTheCommandAndReadsTheAnswer) {
  const ScratchDirectory scratch;
  std::filesystem::create_directory(scratch / "ca");
  // A plain file gives back what was written: here an object all the same.
  const auto file = scratch.Write("ca/control", "");
  const auto same = Ask(At(scratch), ControlCommand("{\"done\":"));
  EXPECT_FALSE(same.has_value());  // "{\"done\":\n" is no JSON.
  ControlCommand command("{\"done\":");
  const Json answer = Must(Ask(At(scratch), command.Payload(AsBytes("true}"))));
  EXPECT_EQ(AsText(test::ReadAll(file)), "{\"done\":\ntrue}");
  EXPECT_TRUE(FieldOf(answer, "done").get<bool>());
}

TEST(Ask, RefusesWhatWouldBeTwoCommandsOrTooLarge) {
  const ScratchDirectory scratch;
  const auto two = Ask(At(scratch), ControlCommand("renew").Word("machine/a\nrevoke"));
  ASSERT_FALSE(two.has_value());
  EXPECT_EQ(two.error().code(), ErrorCode::kInvalidArgument);
  ControlCommand command("import");
  const auto large = Ask(At(scratch), command.Payload(Bytes(std::size_t{1} << 20, 'x')));
  ASSERT_FALSE(large.has_value());
  EXPECT_EQ(large.error().code(), ErrorCode::kTooLarge);
}

TEST(Fields, AreEmptyWhereTheyAreNot) {
  const Json json{{"text", "a"}, {"number", 7}, {"null", nullptr}};
  EXPECT_EQ(TextOf(json, "text"), "a");
  EXPECT_EQ(TextOf(json, "number"), "");
  EXPECT_EQ(TextOf(json, "none"), "");
  EXPECT_EQ(NumberOf(json, "number"), 7U);
  EXPECT_EQ(NumberOf(json, "text"), 0U);
  EXPECT_TRUE(FieldOf(json, "none").is_null());
  EXPECT_TRUE(FieldOf(Json(), "text").is_null());
}

}  // namespace
}  // namespace certfs
