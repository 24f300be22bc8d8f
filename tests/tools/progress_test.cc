// Goal: the bar says how far it is, in the room that there is, and is drawn where somebody watches. Method: a
// table of lines; a pseudo terminal. That nothing is drawn where stderr is none, every test of the tools
// shows.

#include "tools/progress.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "crypto/base/descriptor.h"
#include "tests/support/in_child.h"

namespace certfs {

namespace {

struct Case {
  const char* name;
  std::uint64_t done;
  std::uint64_t total;
  std::size_t columns;
  const char* line;
};

class ProgressLineTest : public testing::TestWithParam<Case> {};

TEST_P(ProgressLineTest, Says) {
  const Case& tested = GetParam();
  const std::string line = ProgressLine("restoring", tested.done, tested.total, tested.columns);
  EXPECT_EQ(line, tested.line);
  EXPECT_LE(line.size(), tested.columns);
}

INSTANTIATE_TEST_SUITE_P(
    All, ProgressLineTest,
    testing::Values(Case{"Begins", 0, 10, 40, "restoring [                       ]   0%"},
                    Case{"HalfWay", 5, 10, 40, "restoring [###########            ]  50%"},
                    Case{"Ends", 10, 10, 40, "restoring [#######################] 100%"},
                    Case{"MoreThanWasSaid", 11, 10, 40, "restoring [#######################] 100%"},
                    Case{"NeverWiderThanNeeded", 1, 2, 400,
                         "restoring [####################                    ]  50%"},
                    Case{"NoRoomForABar", 5, 10, 20, "restoring  50%"},
                    Case{"NoRoomAtAll", 5, 10, 5, "resto"},
                    Case{"LargeNumbers", std::uint64_t{1} << 63, ~std::uint64_t{0}, 20, "restoring  50%"},
                    Case{"UnknownTotal", 7, 0, 40, "restoring 7"}),
    [](const testing::TestParamInfo<Case>& tested) { return tested.param.name; });

// What is to be seen on a terminal of 40 columns while `work` is done.
std::string SeenAtATerminal(const std::function<void()>& work) {
  return InChild([&] {
    int terminal = -1;
    int end = -1;
    const winsize size{24, 40, 0, 0};
    if (openpty(&terminal, &end, nullptr, nullptr, &size) != 0 || dup2(end, STDERR_FILENO) < 0)
      return std::string("no terminal");
    work();
    // A terminal gives what was written to it in its own time, and in pieces.
    constexpr char kEnd = '|';
    if (write(end, &kEnd, 1) != 1) return std::string("no end");
    std::string seen;
    for (char next = 0; read(terminal, &next, 1) == 1 && next != kEnd;) seen += next;
    return seen;
  });
}

TEST(Progress, IsDrawnForWhatTakesLongerThanASecond) {
  const std::string seen = SeenAtATerminal([] {
    Progress progress("restoring", 10);
    progress.Advance(4);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    progress.Advance(1);
    progress.Advance(1);  // Within a tenth of a second: not again.
  });
  EXPECT_EQ(seen, "\r\x1b[Krestoring [###########           ]  50%\r\x1b[K");
}

TEST(Progress, IsNotForWhatTakesLess) {
  EXPECT_EQ(SeenAtATerminal([] {
              Progress progress("restoring", 10);
              progress.Advance(4);
            }),
            "");
}

}  // namespace

}  // namespace certfs
