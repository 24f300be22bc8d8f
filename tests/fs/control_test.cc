// Goal: a command of ca/control is read as fs/README.md says, and what is none is refused with the reason.
// Method: tables of lines and payloads, without an authority.

#include <gtest/gtest.h>

#include <set>

#include "fs/control/commands.h"
#include "fs/control/payload.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"

namespace certfs::control {
namespace {

using test::Vector;

TEST(CommandLine, WordsOptionsAndPayload) {
  const std::string text = "issue  --name=web \"two words\" --plan --x=\"a \\\"b\\\" \\\\c\"\npayload\n";
  const CommandLine line = Must(CommandLine::Parse(AsBytes(text)));
  EXPECT_EQ(line.words, (std::vector<std::string>{"issue", "two words"}));
  EXPECT_EQ(line.Value("name"), "web");
  EXPECT_EQ(line.Value("x"), "a \"b\" \\c");
  EXPECT_TRUE(line.Has("plan"));
  EXPECT_FALSE(line.Value("absent"));
  // A word that begins with a quote is no option: tools/control_client.cc sends such words so.
  EXPECT_EQ(Must(CommandLine::Parse(AsBytes("renew \"--rekey\""))).words,
            (std::vector<std::string>{"renew", "--rekey"}));
  EXPECT_EQ(AsText(line.payload), "payload\n");
}

TEST(CommandLine, ATrailingNewlineIsNoPayload) {
  for (const std::string text : {"show", "show\n", "show\r\n", "show\n\n  \n"}) {
    const CommandLine line = Must(CommandLine::Parse(AsBytes(text)));
    EXPECT_EQ(line.words, std::vector<std::string>{"show"});
    EXPECT_TRUE(line.payload.empty());
  }
}

TEST(CommandLine, WhatIsNoneIsMalformed) {
  for (const std::string text : {"", "\n", "   ", "--plan", "a \"b", "a \"\\n\"", "a\tb", "a\xFF"}) {
    const auto line = CommandLine::Parse(AsBytes(text));
    ASSERT_FALSE(line.has_value()) << text;
    EXPECT_EQ(line.error().code(), ErrorCode::kMalformed) << text;
    EXPECT_EQ(line.error().rule(), "control") << text;
  }
  const auto large = CommandLine::Parse(Bytes(kCommandBytesMax + 1, 'a'));
  ASSERT_FALSE(large.has_value());
  EXPECT_EQ(large.error().code(), ErrorCode::kTooLarge);
}

TEST(CommandLine, NumbersHaveBounds) {
  const CommandLine line = Must(CommandLine::Parse(AsBytes("x --a=30d --b=30 --c=-1 --d=1x --e=99 --f=")));
  EXPECT_EQ(Must(line.Number("a", 1, 40, 'd')), 30U);
  EXPECT_EQ(Must(line.Number("b", 1, 40, 'd')), 30U);
  EXPECT_FALSE(Must(line.Number("none", 1, 40)));
  for (const char* option : {"a", "c", "d", "e", "f"})
    EXPECT_FALSE(line.Number(option, 1, 40).has_value()) << option;
}

TEST(ControlTable, EachCommandHasOneRow) {
  std::set<std::string_view> names;
  for (const CommandRow& row : CommandTable()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_NE(row.run, nullptr);
  }
  EXPECT_EQ(names.size(), 18U);
}

TEST(OrderText, ConfigRequestAndProfile) {
  const OrderText order =
      Must(ParseOrder(AsBytes("# c\nProfile = client\nName = web\nHostname = a.example.com\n")));
  EXPECT_EQ(order.profile, "client");
  ASSERT_TRUE(order.config);
  EXPECT_EQ(order.config->hosts, std::vector<std::string>{"a.example.com"});
  EXPECT_FALSE(order.request);
}

TEST(OrderText, ErrorsNameTheLineOfTheWhole) {
  const auto wrong = ParseOrder(AsBytes("profile = server\n\nName = web\nCity = x\n"));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_NE(wrong.error().message().find("line 4"), std::string::npos) << wrong.error().message();
  const auto section =
      ParseEntryOrders(AsBytes("[machine/a]\nName = web\n[machine/b]\nName = web\nCity = x\n"));
  ASSERT_FALSE(section.has_value());
  EXPECT_NE(section.error().message().find("[machine/b]"), std::string::npos) << section.error().message();
  EXPECT_NE(section.error().message().find("line 5"), std::string::npos) << section.error().message();
}

TEST(OrderText, NothingAndTwoProfilesAreRefused) {
  for (const std::string text :
       {"", "# only this\n", "profile = a\n", "profile = a\nprofile = b\nName = x\n"})
    EXPECT_FALSE(ParseOrder(AsBytes(text)).has_value()) << text;
}

TEST(EntryOrders, SectionsOfBothKinds) {
  const std::string text = "# first\n[machine/a]\nprofile = client\nName = web\n[vpxd/b c]\n" +
                           std::string(AsText(Vector("leaf.pem"))) + std::string(AsText(Vector("leaf.key")));
  const auto orders = Must(ParseEntryOrders(AsBytes(text)));
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(orders[0].issue.profile, "client");
  EXPECT_TRUE(orders[0].issue.config);
  EXPECT_EQ(orders[1].store.text(), "vpxd");
  EXPECT_EQ(orders[1].alias.text(), "b c");
  EXPECT_NE(AsText(orders[1].certificate).find("BEGIN CERTIFICATE"), std::string_view::npos);
  EXPECT_EQ(AsText(orders[1].certificate).find("PRIVATE KEY"), std::string_view::npos);
  EXPECT_NE(AsText(orders[1].key.Reveal()).find("PRIVATE KEY"), std::string_view::npos);
}

TEST(EntryOrders, WhatIsNoSectionIsRefused) {
  for (const std::string text :
       {"", "Name = web\n", "[machine]\nName = web\n", "[/a]\nName = web\n", "[machine/a]\n"})
    EXPECT_FALSE(ParseEntryOrders(AsBytes(text)).has_value()) << text;
}

TEST(Material, KeysCertificatesAndWhatHasNoPlace) {
  const std::string pair = std::string(AsText(Vector("leaf.key"))) + std::string(AsText(Vector("leaf.pem")));
  const Material material = Must(ParseKeyAndChain(AsBytes(pair)));
  EXPECT_TRUE(material.key);
  EXPECT_EQ(material.certificates.size(), 1U);
  EXPECT_FALSE(ParseKeyAndChain(Vector("leaf.pem")).has_value());
  EXPECT_FALSE(ParseKeyAndChain(Vector("leaf.key")).has_value());
  EXPECT_FALSE(ParseMaterial(AsBytes(pair + pair)).has_value());
  EXPECT_FALSE(ParseMaterial(AsBytes("text")).has_value());
}

}  // namespace
}  // namespace certfs::control
