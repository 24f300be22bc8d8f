// DataWatch: when it calls, and what it says.
//
// Goal: commits by others are looked at when they come; looks that keep failing neither fill the log nor take
// the time. Method: the rule by itself, and one watch of a file that the test writes.

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "fs/fuse/data_watch.h"
#include "tests/store/table_fixture.h"

namespace certfs::test {
namespace {

using std::chrono::milliseconds;
using News = Retries::News;

TEST(Retries, GrowApartAndSayOnce) {
  Retries retries;
  const Result<void> failure = Error(ErrorCode::kNoMemory, "none");
  EXPECT_EQ(retries.wait(), std::nullopt);
  EXPECT_EQ(retries.Note({}), News::kNone);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(retries.Note(failure), News::kFails);
    EXPECT_EQ(retries.wait(), Retries::kFirst);
    EXPECT_EQ(retries.Note(failure), News::kNone);
    EXPECT_EQ(retries.wait(), 2 * Retries::kFirst);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(retries.Note(failure), News::kNone);
    EXPECT_EQ(retries.wait(), Retries::kLast);
    EXPECT_EQ(retries.Note({}), News::kWorksAgain);
    EXPECT_EQ(retries.wait(), std::nullopt);
    EXPECT_EQ(retries.Note({}), News::kNone);
  }
}

TEST(Retries, BusyIsLookedAtSoonAndNoNews) {
  Retries retries;
  const Result<void> busy = Error(ErrorCode::kBusy, "in the middle");
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(retries.Note(busy), News::kNone);
    EXPECT_EQ(retries.wait(), Retries::kFirst);
  }
  EXPECT_EQ(retries.Note({}), News::kNone);
}

TEST(DataWatch, LooksAgainUntilItWorksAndSaysItTwice) {
  ::testing::internal::CaptureStdout();  // Where the log goes unless somebody says otherwise.
  const TemporaryDirectory directory;
  std::ofstream file(directory.path() / "data.mdb");
  std::atomic<int> looks = 0;
  constexpr int kFailures = 3;
  {
    const auto watch = Must(DataWatch::Start(directory.path(), [&]() -> Result<void> {
      if (++looks <= kFailures) return Error(ErrorCode::kIo, "cannot be read");
      return {};
    }));
    file << "written" << std::flush;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (looks <= kFailures && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(milliseconds(5));
  }
  const std::string log = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(looks, kFailures + 1);
  std::size_t lines = 0;
  for (const char c : log) lines += c == '\n' ? 1 : 0;
  EXPECT_EQ(lines, 2U) << log;
}

}  // namespace
}  // namespace certfs::test
