// Goal: the bar says how far it is, in the room that there is.
// Method: a table of lines; that nothing is drawn where stderr is no terminal, every test of the tools shows.

#include "tools/progress.h"

#include <gtest/gtest.h>

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

}  // namespace

}  // namespace certfs
