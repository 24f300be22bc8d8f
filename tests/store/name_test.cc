#include "store/name.h"

#include <gtest/gtest.h>

#include "tests/store/table_fixture.h"

namespace certfs {

namespace {

TEST(Name, TakesGoodNames) {
  const std::string good[] = {"a",
                              "A B",
                              "www.example.org",
                              "-",
                              "~",
                              "a.",
                              "x..y",
                              "M\xC3\xBCller",
                              "\xE2\x82\xAC",
                              "\xF0\x9F\x94\x92",
                              "\xF4\x8F\xBF\xBF",
                              "\xED\x9F\xBF",
                              "\xEE\x80\x80",
                              "\xC2\xA0",
                              std::string(120, 'x'),
                              "a\\b",
                              "%00",
                              "\xE0\xA0\x80",
                              "\xF0\x90\x80\x80"};
  for (const std::string& name : good) {
    const auto alias = Alias::Parse(name);
    ASSERT_TRUE(alias.has_value()) << name;
    EXPECT_EQ(alias.value().text(), name);
    EXPECT_TRUE(StoreName::Parse(name).has_value()) << name;
  }
}

TEST(Name, RefusesBadNames) {
  using namespace std::string_literals;
  const std::string bad[] = {"",
                             ".",
                             "..",
                             ".hidden",
                             "a/b",
                             "/",
                             "a@b",
                             "@",
                             "a\nb",
                             "\t",
                             "a\x7F",
                             "a\0b"s,
                             "\0"s,
                             "\xC2\x80",
                             "a\xC2\x9F",
                             "\x80",
                             "\xFF",
                             "\xC0\xAF",
                             "\xC1\xBF",
                             "\xE0\x80\x80",
                             "\xC3",
                             "\xE2\x82",
                             "\xF0\x9F\x94",
                             "\xED\xA0\x80",
                             "\xED\xBF\xBF",
                             "\xF4\x90\x80\x80",
                             "\xF5\x80\x80\x80",
                             "\xF0\x80\x80\x80",
                             "\xE9t",
                             "ok\xE2\x82"};
  for (const std::string& name : bad) {
    EXPECT_EQ(CodeOf(Alias::Parse(name)), ErrorCode::kMalformed) << ToHex(AsBytes(name));
    EXPECT_EQ(CodeOf(StoreName::Parse(name)), ErrorCode::kMalformed) << ToHex(AsBytes(name));
  }
}

TEST(Name, KnowsItsLengthInBytes) {
  EXPECT_TRUE(Alias::Parse(std::string(120, 'x')).has_value());
  EXPECT_EQ(CodeOf(Alias::Parse(std::string(121, 'x'))), ErrorCode::kNameTooLong);
  EXPECT_TRUE(StoreName::Parse(std::string(128, 'x')).has_value());
  EXPECT_EQ(CodeOf(StoreName::Parse(std::string(129, 'x'))), ErrorCode::kNameTooLong);
  EXPECT_EQ(CodeOf(Alias::Parse("a" + std::string(120, '/'))), ErrorCode::kNameTooLong);
}

TEST(Name, FoldsAsciiAlone) {
  EXPECT_EQ(FoldName("AbcXYZ-019[`{"), "abcxyz-019[`{");
  EXPECT_EQ(FoldName("M\xC3\x9CLLER"), "m\xC3\x9Cller");
  EXPECT_EQ(FoldName(""), "");
}

TEST(Name, KeepsTheCaseGiven) {
  EXPECT_NE(AliasOf("Www"), AliasOf("www"));
  EXPECT_EQ(AliasOf("Www").text(), "Www");
  EXPECT_EQ(Alias().text(), "");
}

}  // namespace

}  // namespace certfs
