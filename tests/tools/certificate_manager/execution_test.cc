// Goal: what an operation asks of the authority, in which order, and that whatever fails is taken back, as
// far as it had come. Method: an authority that answers by a script, and services that fail when told.

#include "tools/certificate_manager/execution.h"

#include <gtest/gtest.h>

#include "tests/tools/certificate_manager/scripted_authority.h"

namespace certfs {
namespace {

constexpr auto kStep = "replace-root-step 50";
constexpr auto kWrite = "write-entries root-new";

// Unsigned, as numbers are that were read.
Json Left(std::uint64_t left, std::uint64_t failed = 0) {
  return Json{{"replacement",
               {{"phase", "reissuing"}, {"total", std::uint64_t{100}}, {"left", left}, {"failed", failed}}}};
}
Json Ended() { return Json{{"replacement", nullptr}}; }

struct Done {
  Outcome outcome;
  std::vector<std::string> said;
  std::vector<std::vector<std::string>> reloads;
};

struct Circumstances {
  int reloads_that_fail = 0;
  bool keep = false;
  int interrupted_after = 1000;  // Looks.
};

Done Do(const Plan& plan, ScriptedAuthority& authority, Circumstances circumstances = {}) {
  Done run;
  Surroundings around;
  around.ask = authority.command();
  around.reload = [&](std::span<const std::string> changed) -> Result<void> {
    run.reloads.emplace_back(changed.begin(), changed.end());
    if (static_cast<int>(run.reloads.size()) > circumstances.reloads_that_fail) return {};
    return Error(ErrorCode::kRejected, "web: was not reloaded");
  };
  around.progress = [&](int percent, std::string_view doing) {
    run.said.push_back(std::to_string(percent) + " " + std::string(doing));
  };
  around.interrupted = [&] { return --circumstances.interrupted_after < 0; };
  run.outcome = Execute(plan, around, circumstances.keep);
  return run;
}

// One entry, written in one commit.
Plan Entries(Operation operation = Operation::kMachineSsl) {
  Plan plan;
  plan.operation = operation;
  plan.sections.push_back({"MACHINE_SSL_CERT/__MACHINE_CERT", "server", "Name = x\n", {}});
  plan.entries.push_back({"MACHINE_SSL_CERT/__MACHINE_CERT", std::nullopt, "", {}});
  return plan;
}

// The same with a new root.
Plan Root() {
  Plan plan = Entries(Operation::kRootNew);
  plan.root.emplace_back("replace-root");
  plan.steps = true;
  return plan;
}

using Lines = std::vector<std::string>;

TEST(Execution, OneCommitThenTheServices) {
  ScriptedAuthority authority;
  const Done run = Do(Entries(), authority);
  EXPECT_TRUE(run.outcome.done && !run.outcome.failure);
  EXPECT_EQ(authority.asked(), Lines{"write-entries machine-ssl"});
  EXPECT_EQ(run.reloads, (std::vector<Lines>{{"MACHINE_SSL_CERT/__MACHINE_CERT"}}));
  EXPECT_EQ(run.said, (Lines{"0 Replacing Machine SSL certificate...", "85 Reloading services...",
                             "100 All tasks completed successfully"}));
}

TEST(Execution, ARefusalLeavesNothingBehind) {
  ScriptedAuthority authority;
  authority.Refuse("write-entries machine-ssl", Error(ErrorCode::kRejected, "profile-name", "no"));
  const Done run = Do(Entries(), authority);
  EXPECT_TRUE(!run.outcome.done && run.outcome.rolled_back);
  EXPECT_EQ(run.outcome.failure->rule(), "profile-name");
  EXPECT_EQ(authority.asked(), Lines{"write-entries machine-ssl"}) << "there is nothing to take back";
  EXPECT_TRUE(run.reloads.empty());
  EXPECT_EQ(run.said.back(), "0 Operation failed, performing automatic rollback");
}

TEST(Execution, AServiceThatFailsTakesItBackAndIsToldAgain) {
  ScriptedAuthority authority;
  const Done run = Do(Entries(), authority, {.reloads_that_fail = 1});
  EXPECT_TRUE(!run.outcome.done && run.outcome.rolled_back);
  EXPECT_EQ(authority.asked(), (Lines{"write-entries machine-ssl", "revert"}));
  EXPECT_EQ(run.reloads.size(), 2u);
  EXPECT_TRUE(run.outcome.notes.empty());
  EXPECT_EQ(run.outcome.failure->message(), "web: was not reloaded");
}

TEST(Execution, AServiceThatFailsAgainIsSaid) {
  ScriptedAuthority authority;
  const Done run = Do(Entries(), authority, {.reloads_that_fail = 2});
  EXPECT_TRUE(run.outcome.rolled_back);
  EXPECT_EQ(run.outcome.notes, Lines{"after the rollback, too: web: was not reloaded"});
}

TEST(Execution, KeepLeavesTheCertificates) {
  ScriptedAuthority authority;
  const Done run = Do(Entries(), authority, {.reloads_that_fail = 1, .keep = true});
  EXPECT_TRUE(run.outcome.done && !run.outcome.rolled_back && run.outcome.failure);
  EXPECT_EQ(authority.asked(), Lines{"write-entries machine-ssl"});
  EXPECT_EQ(run.said.back(), "100 The certificates are replaced");
}

TEST(Execution, ARollbackThatFailsIsSaid) {
  ScriptedAuthority authority;
  authority.Refuse("revert", Error(ErrorCode::kStale, "changed-since", "somebody changed x/y"));
  const Done run = Do(Entries(), authority, {.reloads_that_fail = 1});
  EXPECT_TRUE(!run.outcome.done && !run.outcome.rolled_back && !run.outcome.resumable);
  EXPECT_EQ(run.outcome.notes, Lines{"the rollback failed: somebody changed x/y"});
  EXPECT_EQ(run.reloads.size(), 1u);
}

TEST(Execution, ANewRootGoesByStepsToItsEnd) {
  ScriptedAuthority authority;
  authority.Answer(kStep, Left(50));
  authority.Answer(kStep, Left(3, 2));
  authority.Answer(kStep, Ended());
  const Done run = Do(Root(), authority);
  EXPECT_TRUE(run.outcome.done && !run.outcome.failure);
  EXPECT_EQ(authority.asked(), (Lines{"replace-root", kWrite, kStep, kStep, kStep}));
  EXPECT_EQ(run.said[1], "42 Re-issuing certificates...");
  ASSERT_EQ(run.outcome.notes.size(), 1u);
  EXPECT_TRUE(run.outcome.notes.front().starts_with("2 entries could not be re-issued"));
}

TEST(Execution, ARootThatFailsIsTakenBackAsFarAsItHadCome) {
  {
    ScriptedAuthority authority;
    authority.Refuse("replace-root", Error(ErrorCode::kBusy, "no"));
    EXPECT_TRUE(Do(Root(), authority).outcome.rolled_back);
    EXPECT_EQ(authority.asked(), Lines{"replace-root"});
  }
  {
    ScriptedAuthority authority;
    authority.Refuse(kWrite, Error(ErrorCode::kRejected, "no"));
    authority.Answer(kStep, Ended());
    EXPECT_TRUE(Do(Root(), authority).outcome.rolled_back);
    EXPECT_EQ(authority.asked(), (Lines{"replace-root", kWrite, "replace-root-back", kStep}));
  }
  {
    ScriptedAuthority authority;
    authority.Answer(kStep, Left(50));
    authority.Refuse(kStep, Error(ErrorCode::kNoSpace, "full"));
    authority.Answer(kStep, Ended());
    EXPECT_TRUE(Do(Root(), authority).outcome.rolled_back);
    EXPECT_EQ(authority.asked(),
              (Lines{"replace-root", kWrite, kStep, kStep, "revert", "replace-root-back", kStep}));
  }
  {
    ScriptedAuthority authority;
    authority.Answer(kStep, Ended());
    const Done run = Do(Root(), authority, {.reloads_that_fail = 1});
    EXPECT_TRUE(run.outcome.rolled_back);
    EXPECT_EQ(authority.asked(),
              (Lines{"replace-root", kWrite, kStep, "revert", "replace-root-back", kStep}));
    EXPECT_EQ(run.reloads.size(), 2u);
  }
}

TEST(Execution, StepsThatDoNotGetOnEnd) {
  ScriptedAuthority authority;
  authority.Answer(kStep, Left(50));
  const Done run = Do(Root(), authority);
  EXPECT_EQ(run.outcome.failure->code(), ErrorCode::kInternal);
  EXPECT_TRUE(run.outcome.resumable && !run.outcome.rolled_back) << "neither does the way back";
}

TEST(Execution, AnInterruptedReplacementStaysWhereItIs) {
  ScriptedAuthority authority;
  authority.Answer(kStep, Left(50));
  authority.Answer(kStep, Left(40));
  const Done run = Do(Root(), authority, {.interrupted_after = 1});
  EXPECT_TRUE(run.outcome.resumable && !run.outcome.rolled_back && !run.outcome.done);
  EXPECT_EQ(authority.asked(), (Lines{"replace-root", kWrite, kStep}));
  EXPECT_TRUE(run.reloads.empty());

  ScriptedAuthority later;
  later.Answer(kStep, Ended());
  Plan rest;
  rest.operation = Operation::kRootNew;
  rest.steps = true;
  rest.rolls_back = false;
  EXPECT_TRUE(Do(rest, later).outcome.done);
  EXPECT_EQ(later.asked(), Lines{kStep});
}

TEST(Execution, AnAuthorityThatWasMadeStays) {
  ScriptedAuthority authority;
  authority.Refuse(kWrite, Error(ErrorCode::kRejected, "no"));
  Plan plan = Entries(Operation::kRootNew);
  plan.root.emplace_back("init");
  const Done run = Do(plan, authority);
  EXPECT_EQ(authority.asked(), (Lines{"init", kWrite}));
  EXPECT_FALSE(run.outcome.rolled_back);
  EXPECT_EQ(run.outcome.notes, Lines{"the authority that was made stays; the entries are as they were"});
}

TEST(Execution, ARevertIsNotReverted) {
  Plan plan;
  plan.operation = Operation::kRevert;
  plan.reverts_entries = true;
  plan.rolls_back = false;
  ScriptedAuthority authority;
  Done run = Do(plan, authority, {.reloads_that_fail = 1});
  EXPECT_TRUE(run.outcome.done && run.outcome.failure);
  EXPECT_EQ(authority.asked(), Lines{"revert"});

  plan.steps = true;
  plan.root.emplace_back("replace-root-back");
  ScriptedAuthority refusing;
  refusing.Refuse("replace-root-back", Error(ErrorCode::kNotFound, "no"));
  run = Do(plan, refusing);
  EXPECT_TRUE(!run.outcome.done && !run.outcome.rolled_back);
  EXPECT_EQ(refusing.asked(), (Lines{"revert", "replace-root-back"}));
}

TEST(Execution, ValidationAsksAndChangesNothing) {
  Situation situation;
  situation.has_authority = true;
  ScriptedAuthority authority;
  authority.Answer("write-entries root-new --plan",
                   Json::parse(R"({"entries": [{"store": "MACHINE_SSL_CERT", "alias": "__MACHINE_CERT",
                                    "changed": true, "findings": ["a remark"]}]})"));
  Plan plan = Root();
  ASSERT_TRUE(Validate(plan, situation, authority.command()).has_value());
  EXPECT_EQ(authority.asked(), Lines{"write-entries root-new --plan"});
  EXPECT_EQ(plan.entries.front().findings, Lines{"a remark"});

  ScriptedAuthority refusing;
  refusing.Refuse("write-entries root-new --plan", Error(ErrorCode::kRejected, "weak-key", "no"));
  EXPECT_EQ(Validate(plan, situation, refusing.command()).error().rule(), "weak-key");

  ScriptedAuthority reverting;
  reverting.Answer("revert --plan", Json::parse(R"({"entries": ["vpxd/vpxd"], "operation": "machine-ssl"})"));
  Plan revert;
  revert.operation = Operation::kRevert;
  revert.reverts_entries = true;
  ASSERT_TRUE(Validate(revert, situation, reverting.command()).has_value());
  EXPECT_EQ(revert.Changed(), Lines{"vpxd/vpxd"});

  // Where there is no authority yet, there is nobody to ask.
  situation.has_authority = false;
  ScriptedAuthority none;
  ASSERT_TRUE(Validate(plan, situation, none.command()).has_value());
  EXPECT_TRUE(none.asked().empty());
  EXPECT_EQ(plan.notes.size(), 1u);
}

}  // namespace
}  // namespace certfs
