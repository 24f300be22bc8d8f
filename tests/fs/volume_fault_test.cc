// Goal: whatever call of the table fails during an operation of the volume, the operation is done and says
// so, or is not done and says so; what is live is served on, nothing is left behind, and the next attempt
// goes well. Method: every operation over a table that fails its first call, its second, and so on, until
// none fails; the whole tree before and after, and that of a volume where nothing failed. CERTFS_ROUNDS=10
// fails with every code.

#include <array>
#include <regex>
#include <set>
#include <sstream>

#include "fs/control/commands.h"
#include "tests/fs/faulted_operations.h"
#include "tests/support/points.h"

namespace certfs::test {
namespace {

constexpr std::size_t kCallsMax = 2000;
constexpr std::array kCodes{ErrorCode::kIo, ErrorCode::kNoSpace, ErrorCode::kCorrupt, ErrorCode::kBusy,
                            ErrorCode::kNoMemory};

// Of the second code, which calls fail.
constexpr std::size_t kStep = 3;

using Effect = FaultedOperation::Effect;

std::string Show(const Volume::Held& held) {
  return std::to_string(held.handles) + " handles, " + std::to_string(held.stagings) + " stagings, " +
         std::to_string(held.scratch) + " scratch files, " + std::to_string(held.staged_bytes) + " bytes";
}

class VolumeFaults : public testing::TestWithParam<std::size_t> {
 protected:
  std::unique_ptr<FaultedVolume> Make() const {
    auto volume = std::make_unique<FaultedVolume>();
    operation_.prepare(*volume);
    return volume;
  }
  bool Changes() const { return operation_.effect == Effect::kChanges; }

  // Every `step`th call fails with `code`, in turn.
  void MeetCode(ErrorCode code, std::size_t step);
  // Says whether the operation succeeded although a call failed, or without.
  struct Outcome {
    bool succeeded = false;
    bool met = false;
  };
  // `before` is the state of the volume, and becomes that afterwards.
  Outcome Meet(FaultedVolume& at, std::string& before, std::size_t call, ErrorCode code);

  const FaultedOperation operation_ = FaultedOperations()[GetParam()];
  std::string shape_;  // After the operation, where nothing failed, and
  Volume::Held held_;  // what it left then.
};

// What returns to where it was touches directories on its way.
std::string WithoutTimes(const std::string& state) {
  return std::regex_replace(state, std::regex(" at [0-9]+"), "");
}

// The lines of a state or shape that have `prefix`, or those that do not.
std::string Lines(const std::string& shape, std::string_view prefix, bool with) {
  std::istringstream lines(shape);
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(prefix) == with) found += line + '\n';
  }
  return found;
}
std::string WithoutKept(const std::string& shape) { return Lines(shape, "stores/BACKUP_STORE", false); }

// What of a shape is the same whatever is damaged: a state of that cannot be kept, and an anchor of the
// authority that cannot be read is put once more.
std::string WithoutAmends(const std::string& shape) {
  const std::string rest = Lines(WithoutKept(shape), "stores/TRUSTED_ROOTS ", false);
  return Lines(rest, "stores/TRUSTED_ROOTS/HEX-2", false);
}

// Whether `entries`, of which at least one was passed over, are each as before or as expected, and the rest
// is as before or as expected. What counts certificates follows the entries.
bool PassedOver(const std::vector<std::string>& entries, const std::string& before, const std::string& after,
                const std::string& expected) {
  bool some = false;
  std::string rest[3] = {before, after, expected};
  for (const std::string& entry : entries) {
    const std::string files = Lines(after, entry + "/", true);
    const bool stayed = files == Lines(before, entry + "/", true);
    if (!stayed && files != Lines(expected, entry + "/", true)) return false;
    some |= stayed;
  }
  for (std::string& each : rest) {
    for (const std::string& entry : entries) each = Lines(each, entry + "/", false);
    each = Lines(Lines(each, "ca/issued/", false), "the ledger has", false);
  }
  return some && (rest[1] == rest[0] || rest[1] == rest[2]);
}

VolumeFaults::Outcome VolumeFaults::Meet(FaultedVolume& at, std::string& before, std::size_t call,
                                         ErrorCode code) {
  const Volume::Held held = at.tree.volume.GetHeld();
  std::string shape_before = operation_.entries.empty() ? std::string() : at.Shape();
  at.faults.fail_at = call;
  at.faults.code = code;
  at.faults.failed = 0;
  const auto outcome = operation_.act(at);
  const bool met = std::exchange(at.faults, Faults{}).failed != 0;
  const std::string after = at.State();
  const std::string was = std::exchange(before, after);
  if (!outcome.has_value()) {
    EXPECT_TRUE(met) << "it failed without a fault: " << outcome.error().message();
    // What is damaged may be as good as not there.
    if (code != ErrorCode::kCorrupt) {
      EXPECT_EQ(ToString(outcome.error().code()), ToString(code)) << outcome.error().message();
    }
    EXPECT_TRUE(after == was || WithoutTimes(after) == WithoutTimes(at.or_else))
        << "half done after \"" << outcome.error().message() << "\". Before:\n"
        << was << "\nafter:\n"
        << after;
    if (after == was) {
      EXPECT_EQ(Show(at.tree.volume.GetHeld()), Show(held)) << "something is left behind";
    }
    return {false, met};
  }
  if (Changes()) {
    const bool each_by_itself = code == ErrorCode::kCorrupt && !operation_.entries.empty();
    EXPECT_TRUE(after != was || each_by_itself) << "nothing was done, and success was told";
    std::string shape = at.Shape();
    std::string expected = shape_;
    for (std::string* const each : {&shape, &expected, &shape_before}) {
      if (code == ErrorCode::kCorrupt) *each = WithoutAmends(*each);
      if (code == ErrorCode::kNoSpace && operation_.removes) *each = WithoutKept(*each);
    }
    if (!at.or_else.empty()) {
      shape = WithoutTimes(shape);
      expected = WithoutTimes(expected);
    }
    EXPECT_TRUE(shape == expected ||
                (each_by_itself && PassedOver(operation_.entries, shape_before, shape, expected)))
        << "done in part. Where nothing fails:\n"
        << expected << "\nhere:\n"
        << shape;
    EXPECT_EQ(Show(at.tree.volume.GetHeld()), Show(held_)) << "something is left behind";
  } else {
    EXPECT_EQ(after, was);
    EXPECT_EQ(Show(at.tree.volume.GetHeld()), Show(held)) << "something is left behind";
  }
  // A verdict is reached without the anchor that is damaged.
  if (operation_.effect == Effect::kReads && code != ErrorCode::kCorrupt) {
    EXPECT_EQ(outcome.value(), Must(operation_.act(at))) << "it read something else";
  }
  return {true, met};
}

void VolumeFaults::MeetCode(ErrorCode code, std::size_t step) {
  std::unique_ptr<FaultedVolume> volume;
  std::string state;
  for (std::size_t call = 1;; call += step) {
    ASSERT_LT(call, kCallsMax);
    const std::string point =
        std::to_string(GetParam()) + " " + std::string(ToString(code)) + " " + std::to_string(call);
    if (OnlyPoint() != nullptr && !IsWanted(point)) {
      if (call + step >= kCallsMax) return;
      continue;
    }
    SCOPED_TRACE(operation_.name + ", point " + point);
    if (!volume) {
      volume = Make();
      state = volume->State();
    }
    const Outcome outcome = Meet(*volume, state, call, code);
    if (HasFailure() || OnlyPoint() != nullptr) return;
    if (outcome.succeeded && !outcome.met) {
      EXPECT_TRUE(call > 1 || operation_.effect == Effect::kTells) << "there were no calls to fail";
      return;
    }
    // What it changed is changed, and what it read is at hand by now.
    if (outcome.succeeded || operation_.once) volume.reset();
  }
}

TEST_P(VolumeFaults, AreToldAndNothingIsHalfDone) {
  if (Changes()) {
    const auto volume = Make();
    Must(operation_.act(*volume));
    shape_ = volume->Shape();
    held_ = volume->tree.volume.GetHeld();
  }
  const std::size_t codes = OnlyPoint() != nullptr ? kCodes.size() : PointsToMeet(1, kCodes.size());
  for (std::size_t i = 0; i < std::min(codes, kCodes.size()) && !HasFailure(); ++i) {
    // EIO always, and another one, elsewhere for each operation.
    const bool every = codes >= kCodes.size() || OnlyPoint() != nullptr;
    // Sanitized code has time for some, and for fewer where each attempt takes a volume of its own.
    const std::size_t sparse = RoundsFactor() >= 1 ? 1 : operation_.once ? 31 : 5;
    const std::size_t step = operation_.stride * sparse * (i == 0 ? 1 : kStep);
    MeetCode(kCodes[every || i == 0 ? i : 1 + GetParam() % (kCodes.size() - 1)], every ? 1 : step);
  }
}

std::vector<std::size_t> Numbers() {
  std::vector<std::size_t> numbers(FaultedOperations().size());
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  return numbers;
}

// A new command without an operation here is found; views and files of status/ have theirs by their tables.
TEST(FaultedOperations, HaveEveryCommand) {
  std::set<std::string, std::less<>> words;
  for (const FaultedOperation& each : FaultedOperations())
    words.insert(each.name.substr(0, each.name.find_first_of(" \n")));
  for (const control::CommandRow& row : control::CommandTable())
    EXPECT_TRUE(words.contains(row.name)) << "no call fails during " << row.name;
}

INSTANTIATE_TEST_SUITE_P(Of, VolumeFaults, testing::ValuesIn(Numbers()));

}  // namespace
}  // namespace certfs::test
