// Goal: each row of the rules table is found where it is broken, in every role that it says something about.
// Method: one case a cell of the table (rule_cases.cc), over files that stock openssl made
// (tests/vectors/generate.sh), judged at one fixed moment; and the question whether a cell has no case.

#include "crypto/rules.h"

#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <set>

#include "tests/crypto/rule_cases.h"

namespace certfs {
namespace {

using namespace test;

std::string_view NameOf(Role role) {
  constexpr std::string_view kNames[kRoleCount] = {"server_leaf", "leaf", "intermediate", "anchor",
                                                   "key",         "list", "loose_list",   "request"};
  return kNames[static_cast<std::size_t>(role)];
}

class RuleTest : public testing::TestWithParam<std::size_t> {};

TEST_P(RuleTest, IsFoundInItsRole) {
  const RuleCase& row = RuleCases()[GetParam()];
  const Rule& rule = RuleById(row.rule);
  EXPECT_EQ(rule.For(row.role), row.severity);
  const Verdict verdict = JudgeCase(row);
  const Finding* const found = FindingOf(row, verdict);
  ASSERT_NE(found, nullptr) << "not among:\n" << All(verdict);
  EXPECT_EQ(found->severity, row.severity) << All(verdict);
  if (row.severity != Severity::kRefuse) return;
  const auto refusal = verdict.refusal();
  ASSERT_TRUE(refusal.has_value());
  EXPECT_NE(refusal->message().find(row.rule), std::string::npos) << refusal->message();
  // What decides is never of a later stage.
  EXPECT_LE(RuleById(refusal->rule()).stage, rule.stage) << All(verdict);
}

INSTANTIATE_TEST_SUITE_P(Table, RuleTest, testing::Range<std::size_t>(0, RuleCases().size()),
                         [](const testing::TestParamInfo<std::size_t>& each) {
                           const RuleCase& row = RuleCases()[each.param];
                           std::string name = std::string(row.rule) + "_" + std::string(NameOf(row.role)) +
                                              "_" + std::to_string(each.param);
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

// Fails for a row, or one role of it, that no case breaks.
TEST(Rules, EveryCellOfTheTableHasACase) {
  const std::map<std::pair<std::string_view, Role>, const char*> excused{
      {{"serial-reused", Role::kServerLeaf}, "found by the store, which knows what else is stored"},
      {{"serial-reused", Role::kLeaf}, "the same"},
      {{"serial-reused", Role::kIntermediate}, "the same"},
      {{"serial-reused", Role::kAnchor}, "the same"},
      {{"chain-broken", Role::kServerLeaf},
       "for what a later verifier may find; every fault of ours has a row"},
      {{"chain-broken", Role::kLeaf}, "the same"},
  };
  std::set<std::pair<std::string_view, Role>> shown;
  for (const RuleCase& row : RuleCases()) {
    if (FindingOf(row, JudgeCase(row)) != nullptr) shown.insert({row.rule, row.role});
  }
  for (const Rule& rule : Rules()) {
    for (std::size_t i = 0; i < kRoleCount; ++i) {
      const auto role = static_cast<Role>(i);
      if (rule.For(role) == Severity::kNone) continue;
      const bool is_shown = shown.contains({rule.id, role});
      EXPECT_NE(is_shown, excused.contains({rule.id, role})) << rule.id << " as " << NameOf(role);
    }
  }
}

// What keeps to every rule has no finding at all.
TEST(Rules, GoodFilesHaveNoFindings) {
  using enum Role;
  const struct {
    const char* name;
    Role role;
  } rows[] = {{"chain.pem", kServerLeaf},
              {"chain.pem", kLeaf},
              {"chain-of-eight.pem", kServerLeaf},
              {"root.pem", kAnchor},
              {"other-root.pem", kAnchor},
              {"issuing.pem", kAnchor},
              {"leaf.key", kKey},
              {"leaf-sec1.key", kKey},
              {"leaf.key.der", kKey},
              {"ed25519.key", kKey},
              {"rsa2048.key", kKey},
              {"rsa2048-pkcs1.key", kKey},
              {"crl-5.pem", kRevocationList},
              {"crl-5.der", kLooseList},
              {"crl-6.pem", kRevocationList}};
  for (const auto& row : rows) {
    const Verdict verdict = JudgeCase(RuleCase{"", row.role, Severity::kNone, Vector(row.name)});
    EXPECT_TRUE(verdict.findings().empty()) << row.name << ":\n" << All(verdict);
  }
}

// The errno follows from the stage: who reads "Key has expired" looks at dates alone.
TEST(Rules, TheErrorSaysTheStage) {
  for (const Rule& rule : Rules()) {
    switch (rule.stage) {
      case Stage::kParse:
        if (rule.id == "too-large") {
          EXPECT_EQ(rule.code, ErrorCode::kTooLarge);
        } else if (rule.id == "encrypted-key") {
          EXPECT_EQ(rule.code, ErrorCode::kPasswordRequired);
        } else {
          EXPECT_EQ(rule.code, ErrorCode::kMalformed) << rule.id;
        }
        break;
      case Stage::kKind:
        EXPECT_EQ(rule.code, rule.id == "not-a-ca" ? ErrorCode::kRejected : ErrorCode::kMalformed) << rule.id;
        break;
      case Stage::kRevocation:
        EXPECT_EQ(rule.code, ErrorCode::kRevoked) << rule.id;
        break;
      case Stage::kDates:
        EXPECT_EQ(rule.code, ErrorCode::kExpired) << rule.id;
        break;
      case Stage::kMatch:
      case Stage::kChain:
      case Stage::kRest:
        EXPECT_EQ(rule.code, ErrorCode::kRejected) << rule.id;
        break;
    }
  }
}

TEST(Rules, IdsAreUniqueAndRowsSayWhatTheyAre) {
  std::set<std::string_view> ids;
  for (const Rule& rule : Rules()) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
    EXPECT_FALSE(rule.summary.empty()) << rule.id;
    bool used = false;
    for (const Severity severity : rule.severity) used = used || severity != Severity::kNone;
    EXPECT_TRUE(used) << rule.id;
  }
}

// One finding of each stage, added in the opposite order: parse, kind, match, chain, revocation, dates, rest.
TEST(Rules, StagesDecideInTheirOrder) {
  const std::string_view order[] = {"unreadable", "wrong-kind", "key-mismatch", "untrusted-issuer",
                                    "revoked",    "expired",    "weak-key"};
  Verdict verdict;
  for (std::size_t i = std::size(order); i-- > 0;) {
    verdict.Add(RuleById(order[i]), Role::kServerLeaf, "it");
    EXPECT_EQ(verdict.refusal()->rule(), order[i]);
    EXPECT_EQ(verdict.refusal()->code(), RuleById(order[i]).code);
  }
  ASSERT_EQ(verdict.findings().size(), std::size(order));
  for (std::size_t i = 0; i < std::size(order); ++i) EXPECT_EQ(verdict.findings()[i].rule->id, order[i]);
}

}  // namespace
}  // namespace certfs
