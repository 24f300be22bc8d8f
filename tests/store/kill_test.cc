// Goal: kill -9 loses nothing that was acknowledged, leaves nothing half-done, and the keystore goes on.
// Method: a child plays a history and is killed before and after every system call by which it changes a
// file, or at any time; what it leaves is compared with the states of the history. CERTFS_ROUNDS=10 meets
// 10,000 points.

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <limits>
#include <random>

#include "tests/store/call_tap.h"
#include "tests/store/interrupted_history.h"
#include "tests/store/memory_directory.h"

namespace certfs {
namespace {

constexpr std::size_t kPoints = 250;
constexpr std::size_t kPointsOfSoak = 10'000;
constexpr std::size_t kTimes = 60;
constexpr std::size_t kTimesOfSoak = 1000;

// Plays the history from the step `first` on and says so after each. Never returns.
[[noreturn]] void Play(const std::filesystem::path& directory, ScriptedHistory& history, std::size_t first,
                       const TapPlan& plan, int acknowledgements) {
  CallTap::SkipSyncs(true);
  CallTap::Watch(directory);
  CallTap::Arm(plan);
  const auto play = [&]() -> Result<void> {
    const auto keystore = TRY(Keystore::Open(directory, TestSecret(), history.clock()));
    for (std::size_t step = first; step < history.size(); ++step) {
      TRY(history.Take(step, *keystore));
      const char byte = '.';
      if (write(acknowledgements, &byte, 1) != 1) return Error(ErrorCode::kIo, "nobody listens");
    }
    return {};
  };
  const auto played = play();
  if (!played.has_value()) fprintf(stderr, "the killed one: %s\n", played.error().message().c_str());
  _exit(played.has_value() ? 0 : 1);
}

// A process that plays, and dies of the plan, or of Kill.
class Player {
 public:
  Player(const std::filesystem::path& directory, ScriptedHistory& history, std::size_t first,
         const TapPlan& plan) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    process_ = fork();
    if (process_ == 0) {
      close(ends[0]);
      Play(directory, history, first, plan, ends[1]);
    }
    close(ends[1]);
    from_ = ends[0];
  }
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;
  ~Player() { close(from_); }

  void Kill() const { kill(process_, SIGKILL); }
  // Waits for its end. Returns how many steps it acknowledged.
  std::size_t Wait() {
    std::array<char, 256> bytes{};
    std::size_t acknowledged = 0;
    for (ssize_t size = 0; (size = read(from_, bytes.data(), bytes.size())) > 0;)
      acknowledged += static_cast<std::size_t>(size);
    int status = 0;
    EXPECT_EQ(waitpid(process_, &status, 0), process_);
    was_killed_ = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    EXPECT_TRUE(was_killed_ || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << "status " << status;
    return acknowledged;
  }
  bool was_killed() const { return was_killed_; }

 private:
  pid_t process_ = -1;
  int from_ = -1;
  bool was_killed_ = false;
};

class Kill : public testing::Test {
 protected:
  Kill() { CallTap::SkipSyncs(true); }
  ~Kill() override {
    CallTap::Ignore();
    CallTap::SkipSyncs(false);
  }

  // At how many calls the history of that seed can be ended.
  std::size_t CallsOf(ScriptedHistory& history) {
    template_.CopyTo(directory_);
    CallTap::Watch(directory_);
    CallTap::Arm({std::numeric_limits<std::size_t>::max(), TapPlan::Act::kDieBefore});
    states_ = StatesOf(history, directory_);
    const std::size_t calls = CallTap::calls();
    CallTap::Ignore();
    return calls;
  }

  const Template template_;
  const MemoryDirectory memory_;
  const std::filesystem::path directory_ = memory_.path() / "keystore";
  std::vector<std::string> states_;
};

TEST_F(Kill, AtEveryCallLosesNothing) {
  std::size_t left = PointsToMeet(kPoints, kPointsOfSoak);
  std::size_t met = 0;
  for (unsigned seed = 0; left > 0 && !HasFatalFailure(); ++seed) {
    ScriptedHistory history(seed);
    const std::size_t points = 2 * CallsOf(history);
    ASSERT_GT(points, 2 * history.size());
    // Fewer than there are lie apart, elsewhere for each seed.
    const std::size_t apart = std::max<std::size_t>(1, points / left);
    for (std::size_t at = seed % apart; at < points && left > 0; at += apart, --left) {
      const bool after = at % 2 == 1;
      const std::string point =
          "kill " + std::to_string(seed) + (after ? " after " : " before ") + std::to_string(at / 2 + 1);
      if (!IsWanted(point)) continue;
      SCOPED_TRACE(point);
      template_.CopyTo(directory_);
      Player player(directory_, history, 0,
                    {at / 2 + 1, after ? TapPlan::Act::kDieAfter : TapPlan::Act::kDieBefore});
      const std::size_t acknowledged = player.Wait();
      met += player.was_killed() ? 1U : 0U;
      Recover(directory_, history, states_, acknowledged);
      if (HasFailure()) return;
    }
  }
  if (OnlyPoint() == nullptr) {
    EXPECT_GE(met, PointsToMeet(kPoints, kPointsOfSoak) * 9 / 10) << "most points were never reached";
  }
}

// It dies on its way up, too, and what one leaves the next one begins with.
TEST_F(Kill, AgainAndAgainLosesNothing) {
  std::mt19937 random(7);
  ScriptedHistory history(0);
  CallsOf(history);
  template_.CopyTo(directory_);
  std::size_t done = 0;
  std::size_t killed = 0;
  for (std::size_t time = 0; time < PointsToMeet(kTimes, kTimesOfSoak); ++time) {
    SCOPED_TRACE("time " + std::to_string(time) + ", " + std::to_string(done) + " steps were done");
    const bool at_a_call = time % 2 == 0;
    TapPlan plan;
    if (at_a_call)
      plan = {random() % 80 + 1, random() % 2 == 0 ? TapPlan::Act::kDieBefore : TapPlan::Act::kDieAfter};
    Player player(directory_, history, done, plan);
    if (!at_a_call) {
      usleep(static_cast<useconds_t>(random() % 20'000));  // Any moment will do.
      player.Kill();
    }
    done += player.Wait();
    killed += player.was_killed() ? 1U : 0U;
    const auto held = Recover(directory_, history, states_, done);
    if (!held) return;
    done = std::min(*held + 1, history.size());  // Recovering took one more.
    if (done < history.size()) continue;
    template_.CopyTo(directory_);
    done = 0;
  }
  EXPECT_GT(killed, PointsToMeet(kTimes, kTimesOfSoak) / 2);
}

}  // namespace
}  // namespace certfs
