#include "tools/certificate_manager/execution.h"

#include <utility>

namespace certfs {

namespace {

constexpr std::uint64_t kStepEntries = 50;

// After so many steps that left as many entries as there were, something is wrong: what else changes
// meanwhile may well keep their number for one or two.
constexpr int kStandstillsMax = 10;

// How far an operation is when only the services are left.
constexpr int kWrittenPercent = 85;

class Execution {
 public:
  Execution(const Plan& plan, const Surroundings& around) : plan_(plan), around_(around) {}

  Outcome Run(bool keep);

 private:
  Result<void> Write();
  Result<void> ChangeRoot();
  Result<void> Step();
  Result<void> TakeBack();
  void RollBack(Error why, bool reloaded);
  void Say(int percent, std::string_view doing) const { around_.progress(percent, doing); }

  const Plan& plan_;
  const Surroundings& around_;
  Outcome outcome_;
  bool made_authority_ = false;
  bool replacing_ = false;  // The root is being replaced, or has been.
  bool wrote_ = false;      // The sections are written.
  bool interrupted_ = false;
};

Result<void> Execution::ChangeRoot() {
  for (const ControlCommand& command : plan_.root) {
    TRY(around_.ask(command));
    (plan_.steps ? replacing_ : made_authority_) = true;
  }
  return {};
}

// Has the entries re-issued, or taken back, until none is left.
Result<void> Execution::Step() {
  ControlCommand command("replace-root-step");
  command.Word(std::to_string(kStepEntries));
  std::optional<std::uint64_t> before;
  std::uint64_t failed = 0;
  int standstills = 0;
  for (;;) {
    if (around_.interrupted()) {
      interrupted_ = true;
      return Error(ErrorCode::kCancelled, "interrupted");
    }
    const Json answer = TRY(around_.ask(command));
    const Json& replacement = FieldOf(answer, "replacement");
    if (!replacement.is_object()) break;
    const std::uint64_t left = NumberOf(replacement, "left");
    const std::uint64_t total = NumberOf(replacement, "total");
    failed = NumberOf(replacement, "failed");
    standstills = before && left >= *before ? standstills + 1 : 0;
    if (standstills > kStandstillsMax) {
      return Error(ErrorCode::kInternal, "the replacement of the root does not get on: " +
                                             std::to_string(left) + " entries are left");
    }
    before = left;
    const std::uint64_t done = total > left ? total - left : 0;
    Say(total == 0 ? 0 : static_cast<int>(kWrittenPercent * done / total), "Re-issuing certificates...");
  }
  if (failed > 0) {
    outcome_.notes.push_back(
        std::to_string(failed) +
        " entries could not be re-issued and keep what they have; status/health.json names them");
  }
  return {};
}

Result<void> Execution::Write() {
  // What was written last is taken back first: the root before it still stands then.
  if (plan_.reverts_entries) TRY(around_.ask(ControlCommand("revert")));
  TRY(ChangeRoot());
  if (!plan_.sections.empty()) {
    TRY(around_.ask(plan_.WriteEntries(false)));
    wrote_ = true;
  }
  if (plan_.steps) TRY(Step());
  return {};
}

Result<void> Execution::TakeBack() {
  if (wrote_) TRY(around_.ask(ControlCommand("revert")));
  if (!replacing_) return {};
  TRY(around_.ask(ControlCommand("replace-root-back")));
  return Step();
}

void Execution::RollBack(Error why, bool reloaded) {
  outcome_.failure = std::move(why);
  Say(0, "Operation failed, performing automatic rollback");
  const auto back = TakeBack();
  if (!back.has_value()) {
    outcome_.resumable = replacing_;
    outcome_.notes.push_back("the rollback failed: " + back.error().message());
    return;
  }
  outcome_.rolled_back = true;
  if (made_authority_) {
    outcome_.rolled_back = false;
    outcome_.notes.push_back("the authority that was made stays; the entries are as they were");
  }
  if (!reloaded) return;
  const auto again = around_.reload(plan_.Changed());
  if (!again.has_value()) outcome_.notes.push_back("after the rollback, too: " + again.error().message());
}

Outcome Execution::Run(bool keep) {
  const std::string doing = std::string(RowOf(plan_.operation).doing) + "...";
  Say(0, doing);
  auto written = Write();
  if (!written.has_value() && interrupted_) {
    outcome_.failure = std::move(written).error();
    outcome_.resumable = true;
    return std::move(outcome_);
  }
  if (!written.has_value()) {
    if (plan_.rolls_back) {
      RollBack(std::move(written).error(), false);
    } else {
      outcome_.failure = std::move(written).error();
      outcome_.resumable = plan_.steps;
    }
    return std::move(outcome_);
  }
  Say(kWrittenPercent, "Reloading services...");
  auto reloaded = around_.reload(plan_.Changed());
  if (!reloaded.has_value() && !keep && plan_.rolls_back) {
    RollBack(std::move(reloaded).error(), true);
    return std::move(outcome_);
  }
  outcome_.done = true;
  if (!reloaded.has_value()) outcome_.failure = std::move(reloaded).error();
  Say(100, reloaded.has_value() ? "All tasks completed successfully" : "The certificates are replaced");
  return std::move(outcome_);
}

}  // namespace

Result<void> Validate(Plan& plan, const Situation& situation, const AuthorityCommand& ask) {
  if (plan.reverts_entries) {
    ControlCommand revert("revert");
    Complete(plan, TRY(ask(revert.Flag("plan"))));
  }
  if (plan.sections.empty()) return {};
  if (!situation.has_authority && !plan.root.empty()) {
    plan.notes.emplace_back(
        "the entries can be judged only once there is an authority; if one is refused, "
        "none is written");
    return {};
  }
  Complete(plan, TRY(ask(plan.WriteEntries(true))));
  return {};
}

Outcome Execute(const Plan& plan, const Surroundings& around, bool keep) {
  return Execution(plan, around).Run(keep);
}

}  // namespace certfs
