// Goal: a removal or renaming is remembered for the process that made it, for a minute, in bounded memory.
// Method: invented processes and moments.

#include "fs/volume/first_halves.h"

#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr Member kCertificate = Member::kCertificate;

class FirstHalvesTest : public testing::Test {
 protected:
  static RemovedFile Of(Number entry, std::size_t size = 10) {
    RemovedFile file;
    file.entry = entry;
    file.member = kCertificate;
    file.bytes = SecretBytes(size);
    return file;
  }
  bool Take(Number entry, std::int32_t thread) {
    return halves_.TakeRemoved(entry, kCertificate, thread, now_).has_value();
  }

  Instant now_{};
  InventedProcesses processes_;
  FirstHalves halves_{processes_};
};

TEST_F(FirstHalvesTest, AreOneProcesssOwn) {
  processes_.process_of[11] = 10;  // A thread of it.
  halves_.Removed(10, Of(20), now_);
  EXPECT_FALSE(Take(20, 12));
  EXPECT_FALSE(Take(21, 10));
  EXPECT_TRUE(Take(20, 11));
  EXPECT_FALSE(Take(20, 10));  // Once.
  halves_.RenamedAway(20, kCertificate, 11, now_);
  EXPECT_TRUE(halves_.IsAway(20, kCertificate, 10, now_));
  EXPECT_FALSE(halves_.IsAway(20, Member::kKey, 10, now_));
  EXPECT_FALSE(halves_.IsAway(20, kCertificate, 12, now_));
  EXPECT_TRUE(halves_.IsAwayForAny(20, now_));
  EXPECT_FALSE(halves_.IsAwayForAny(21, now_));
  EXPECT_FALSE(Take(20, 10));  // It was not removed.
}

TEST_F(FirstHalvesTest, EndWithAReplacementOrAMinuteLater) {
  halves_.Removed(10, Of(20), now_);
  halves_.RenamedAway(21, kCertificate, 10, now_);
  halves_.Replaced(20, kCertificate);
  EXPECT_FALSE(Take(20, 10));
  EXPECT_TRUE(halves_.IsAway(21, kCertificate, 10, now_));
  halves_.Replaced(21, kCertificate);
  EXPECT_FALSE(halves_.IsAwayForAny(21, now_));
  halves_.Removed(10, Of(20), now_);
  halves_.RenamedAway(21, kCertificate, 10, now_);
  now_ += kSecondHalfAwaited + std::chrono::seconds(1);
  EXPECT_FALSE(Take(20, 10));
  EXPECT_FALSE(halves_.IsAway(21, kCertificate, 10, now_));
}

TEST_F(FirstHalvesTest, TheOldestGoFirst) {
  for (Number entry = 0; entry <= FirstHalves::kItemsMax; ++entry) halves_.Removed(10, Of(100 + entry), now_);
  EXPECT_FALSE(Take(100, 10));
  EXPECT_TRUE(Take(101, 10));
  halves_.Removed(10, Of(50, FirstHalves::kBytesMax - 10), now_);  // One other stays beside it.
  EXPECT_TRUE(Take(50, 10));
  halves_.Removed(10, Of(51, FirstHalves::kBytesMax + 1), now_);
  EXPECT_FALSE(Take(51, 10));
  EXPECT_TRUE(Take(100 + FirstHalves::kItemsMax, 10));
}

}  // namespace
}  // namespace certfs::test
