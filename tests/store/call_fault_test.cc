// Goal: whatever system call fails, a change is done whole or not at all and says which, what is there is
// served on, and once the disk is well again changes are made as before. Method: a history in which the first
// call fails that can, then the second, and so on, with each errno, or a write that is done by half; or in
// which everything fails from some call on. CERTFS_ROUNDS scales how many points are met; 10 meets each call
// with each errno.

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <thread>

#include "tests/store/call_tap.h"
#include "tests/store/interrupted_history.h"
#include "tests/store/memory_directory.h"

namespace certfs {
namespace {

constexpr std::size_t kPointsOfKind = 20;

struct FaultKind {
  const char* name;
  TapPlan::Act act;
  int error;
  bool lasting;
};
constexpr std::array kKinds{
    FaultKind{"EIO", TapPlan::Act::kFail, EIO, false},
    FaultKind{"ENOSPC", TapPlan::Act::kFail, ENOSPC, false},
    FaultKind{"EDQUOT", TapPlan::Act::kFail, EDQUOT, false},
    FaultKind{"EROFS", TapPlan::Act::kFail, EROFS, false},
    FaultKind{"EMFILE", TapPlan::Act::kFail, EMFILE, false},
    FaultKind{"ENOMEM", TapPlan::Act::kFail, ENOMEM, false},
    FaultKind{"half", TapPlan::Act::kShorten, 0, false},
    FaultKind{"EIO-on", TapPlan::Act::kFail, EIO, true},
    FaultKind{"ENOSPC-on", TapPlan::Act::kFail, ENOSPC, true},
    FaultKind{"EROFS-on", TapPlan::Act::kFail, EROFS, true},
};

// Whether an error says what the disk did. Its own words go with it.
bool IsTyped(const FaultKind& kind, const Error& error) {
  if (error.message().empty()) return false;
  // Lines that may be lost are that, whatever the disk said; its word is in the message.
  if (error.rule() == "audit-log" && error.code() == ErrorCode::kIo) return true;
  switch (kind.error) {
    case ENOSPC:
    case EDQUOT:
      return error.code() == ErrorCode::kNoSpace;
    case ENOMEM:
      return error.code() == ErrorCode::kNoMemory || error.code() == ErrorCode::kIo;
    case EROFS:
      return error.code() == ErrorCode::kReadOnly;
    default:
      return error.code() == ErrorCode::kIo;
  }
}

bool IsNoSpace(const FaultKind& kind) { return kind.error == ENOSPC || kind.error == EDQUOT; }

class CallFaults : public testing::TestWithParam<FaultKind> {
 protected:
  CallFaults() { CallTap::SkipSyncs(true); }
  ~CallFaults() override {
    CallTap::Ignore();
    CallTap::SkipSyncs(false);
  }

  TapPlan PlanFor(std::size_t at) const { return {at, GetParam().act, GetParam().error, GetParam().lasting}; }
  void Arm(std::size_t at) { CallTap::Arm(PlanFor(at)); }

  // How many calls of the history can fail in this way.
  std::size_t CountCalls() {
    template_.CopyTo(directory_);
    CallTap::Watch(directory_);
    Arm(std::numeric_limits<std::size_t>::max());
    states_ = StatesOf(history_, directory_);
    const std::size_t calls = CallTap::calls();
    CallTap::Ignore();
    return calls;
  }

  Result<void> Open() {
    keystore_.reset();
    keystore_ = TRY(Keystore::Open(directory_, TestSecret(), history_.clock()));
    return {};
  }
  // What the keystore shows at this moment, to whoever reads it beside the fault.
  std::string State() { return ScriptedHistory::StateOf(*keystore_); }

  // Plays the history with a fault at the call number `at`. Returns whether it was met.
  bool Meet(std::size_t at);
  // A step failed: says whether that is told as it is, and takes it again.
  void JudgeFailure(std::size_t step, const Error& error);

  ScriptedHistory history_{0};
  const Template template_;
  const MemoryDirectory memory_;
  const std::filesystem::path directory_ = memory_.path() / "keystore";
  std::vector<std::string> states_;
  std::unique_ptr<Keystore> keystore_;
};

void CallFaults::JudgeFailure(std::size_t step, const Error& error) {
  EXPECT_TRUE(IsTyped(GetParam(), error)) << ToString(error.code()) << ": " << error.message();
  if (HasFailure()) return;
  // With the fault still there, if it lasts.
  EXPECT_TRUE(State() == states_[step])
      << history_.name(step) << " failed (" << error.message() << "), but this is not the state before it";
  for (int i = 0; GetParam().lasting && i < 2; ++i) {
    const auto failed = history_.Take(step, *keystore_);
    ASSERT_FALSE(failed.has_value()) << "the disk takes nothing";
    EXPECT_TRUE(IsTyped(GetParam(), failed.error())) << failed.error().message();
    EXPECT_TRUE(State() == states_[step]);
  }
  CallTap::Arm({});
  const auto again = history_.Take(step, *keystore_);
  if (again.has_value()) return;
  // An audit log whose sync failed may have lost lines: nothing is changed until it is opened anew.
  EXPECT_EQ(again.error().rule(), "audit-log") << again.error().message();
  EXPECT_TRUE(State() == states_[step]);
  Must(Open());
  Must(history_.Take(step, *keystore_));
}

bool CallFaults::Meet(std::size_t at) {
  template_.CopyTo(directory_);
  CallTap::Watch(directory_);
  Arm(at);
  std::size_t step = 0;
  bool met = false;
  if (auto opened = Open(); !opened.has_value()) {
    EXPECT_TRUE(IsTyped(GetParam(), opened.error()))
        << ToString(opened.error().code()) << ": " << opened.error().message();
    met = true;
    CallTap::Arm({});
    Must(Open());
  }
  while (step < history_.size() && !met) {
    const auto taken = history_.Take(step, *keystore_);
    met = CallTap::met() != 0;
    if (!taken.has_value()) {
      EXPECT_TRUE(met) << "it failed without a fault";
      JudgeFailure(step, taken.error());
    } else if (met && IsNoSpace(GetParam()) && history_.is_removal(step)) {
      // What is removed goes also where its last state cannot be kept any more (keystore_fault_test.cc).
      EXPECT_TRUE(State() != states_[step]);
      keystore_.reset();
      return true;
    } else {
      EXPECT_TRUE(State() == states_[step + 1]) << history_.name(step) << " succeeded, and has not happened";
    }
    ++step;
    if (HasFailure()) break;
  }
  // Where it lasts, it is there while the keystore is closed, too.
  keystore_.reset();
  met = met || CallTap::met() != 0;
  CallTap::Ignore();
  if (!HasFailure()) Recover(directory_, history_, states_, step);
  return met;
}

TEST_P(CallFaults, AreToldAndNothingIsHalfDone) {
  const std::size_t calls = CountCalls();
  if (calls == 0) GTEST_SKIP() << "a sanitizer keeps the calls to itself that could fail in this way";
  const std::size_t points = std::min(calls, PointsToMeet(kPointsOfKind, kAllPoints));
  std::size_t met = 0;
  for (std::size_t i = 0; i < points && !HasFailure(); ++i) {
    const std::size_t at = 1 + i * calls / points;
    const std::string point = std::string(GetParam().name) + " at " + std::to_string(at);
    if (!IsWanted(point)) continue;
    SCOPED_TRACE(point);
    met += Meet(at) ? 1U : 0U;
  }
  if (OnlyPoint() == nullptr && !HasFailure()) {
    EXPECT_GE(met, points * 3 / 4);
  }
}

// Goal: whoever reads notices nothing while the keystore is opened anew after a failed write. Method: threads
// that read one file all the time, and changes of which each fails at another call.
TEST(CallFaultsBesideReaders, ReadersAreServedOn) {
  const Template made;
  const MemoryDirectory memory;
  const std::filesystem::path directory = memory.path() / "keystore";
  made.CopyTo(directory);
  CallTap::SkipSyncs(true);
  CallTap::Watch(directory);
  const auto keystore = Must(Keystore::Open(directory, TestSecret(), FixedClock().get()));
  const Number store = Must(Must(keystore->Snapshot())->FindStore(NameOf("machine")))->number;
  const Number entry = Must(keystore->CreateEntry(store, AliasOf("read"), kRoot, 0755)).number;
  Must(keystore->WriteFile(entry, Member::kSecret, AsBytes("served"), kRoot, {}));
  std::atomic<bool> done = false;
  std::atomic<std::size_t> reads = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        const auto snapshot = Must(keystore->Snapshot());
        EXPECT_EQ(ReadText(*snapshot, *Must(snapshot->FindEntryByNumber(entry)), Member::kSecret), "served");
        ++reads;
      }
    });
  }
  std::size_t failed = 0;
  for (std::size_t at = 1; at <= PointsToMeet(30, 300) || failed == 0; ++at) {
    // Only writes: the sync of the audit log fails for good.
    CallTap::Arm({at % 7 + 1, TapPlan::Act::kShorten});
    const auto outcome = keystore->CreateEntry(store, AliasOf("e" + std::to_string(at)), kRoot, 0755);
    failed += outcome.has_value() ? 0U : 1U;
    CallTap::Arm({});
    if (!outcome.has_value())
      Must(keystore->CreateEntry(store, AliasOf("e" + std::to_string(at)), kRoot, 0755));
  }
  const std::size_t before = reads;
  while (reads == before) std::this_thread::yield();
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(failed, 0U);
  CallTap::Ignore();
  CallTap::SkipSyncs(false);
}

INSTANTIATE_TEST_SUITE_P(Of, CallFaults, testing::ValuesIn(kKinds), [](const auto& tested) {
  std::string name = tested.param.name;
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace certfs
