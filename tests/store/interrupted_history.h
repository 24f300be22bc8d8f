// What the suites share that interrupt a scripted history: what it comes to without interruption, and the
// judgement of what an interruption left.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "store/audit_verification.h"
#include "store/examination.h"
#include "tests/store/scripted_history.h"
#include "tests/support/points.h"

namespace certfs {

// The states of a history: before its first step, and after each.
inline std::vector<std::string> StatesOf(ScriptedHistory& history, const std::filesystem::path& directory) {
  const auto keystore = Must(Keystore::Open(directory, TestSecret(), history.clock()));
  std::vector<std::string> states{ScriptedHistory::StateOf(*keystore)};
  for (std::size_t step = 0; step < history.size(); ++step) {
    const auto taken = history.Take(step, *keystore);
    if (!taken.has_value()) ADD_FAILURE() << history.name(step) << ": " << taken.error().message();
    states.push_back(ScriptedHistory::StateOf(*keystore));
    EXPECT_NE(states[step], states[step + 1]) << history.name(step) << " changes nothing";
  }
  return states;
}

// What went with an interruption: of the audit log the power takes lines that nothing vouches for yet.
enum class Lost { kNothing, kPower };

// Opens what an interruption left, which has to verify, and returns how many steps of the history it holds:
// `acknowledged`, or the one more that was under way. Nothing, and a failure, if it holds anything else. The
// history then goes on from there by one step.
inline std::optional<std::size_t> Recover(const std::filesystem::path& directory, ScriptedHistory& history,
                                          const std::vector<std::string>& states, std::size_t acknowledged,
                                          Lost lost = Lost::kNothing) {
  {
    const auto examined = KeystoreExamination::Open(directory, TestSecret(), history.clock());
    if (!examined.has_value()) {
      ADD_FAILURE() << "it cannot be examined: " << examined.error().message();
      return std::nullopt;
    }
    const VerificationReport report = Must(examined.value()->Verify({}));
    EXPECT_EQ(report.unreferenced, 0U);
    for (const Damage& damage : report.damages) ADD_FAILURE() << damage.subject << ": " << damage.detail;
    const AuditReport audit = Must(VerifyAudit(examined.value()->keystore()));
    for (const AuditFinding& finding : audit.findings) {
      if (finding.anchored || lost == Lost::kNothing) ADD_FAILURE() << "audit log: " << finding.what;
    }
  }
  const auto keystore = Keystore::Open(directory, TestSecret(), history.clock());
  if (!keystore.has_value()) {
    ADD_FAILURE() << "it cannot be opened: " << keystore.error().message();
    return std::nullopt;
  }
  const std::string state = ScriptedHistory::StateOf(*keystore.value());
  std::size_t held = acknowledged;
  if (state != states[held] && held + 1 < states.size()) ++held;
  if (state != states[held]) {
    std::size_t other = 0;
    while (other < states.size() && states[other] != state) ++other;
    ADD_FAILURE() << "after " << acknowledged << " acknowledged steps it holds "
                  << (other < states.size() ? std::to_string(other) + " of them"
                                            : "what it never held: " + state.substr(0, 4000));
    return std::nullopt;
  }
  if (held < history.size()) {
    const auto taken = history.Take(held, *keystore.value());
    if (!taken.has_value())
      ADD_FAILURE() << "it does not go on with " << history.name(held) << ": " << taken.error().message();
    if (history.is_repeatable()) {
      EXPECT_TRUE(ScriptedHistory::StateOf(*keystore.value()) == states[held + 1]) << "it goes on otherwise";
    }
  }
  return held;
}

}  // namespace certfs
