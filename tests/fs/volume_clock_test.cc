// Goal: how long anything is remembered does not depend on the wall clock, by which files and verdicts go.
// Method: the wall clock is set an hour forward or back in the middle of each lifetime, which then lasts as
// long as ever.

#include "fs/volume/first_halves.h"
#include "fs/volume/pins.h"
#include "fs/volume/scratch.h"
#include "fs/volume/superseded.h"
#include "fs/volume/went_live.h"
#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr auto kCert = "stores/machine/web/cert.pem";
constexpr auto kKey = "stores/machine/web/key.pem";
constexpr auto kMoment = std::chrono::milliseconds(1);

class VolumeClockTest : public testing::TestWithParam<std::chrono::hours> {
 protected:
  VolumeClockTest() {
    entry_ = tree_.MakeDirectory("stores/machine", "web").id;
    Must(tree_.Put(kRoot, kKey, Vector("leaf.key")));
    Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
    tree_.now += std::chrono::minutes(1);
  }

  void SetWallClock() { tree_.SetWallClock(GetParam()); }
  void Renew() {
    Must(tree_.Put(kRoot, kCert, AsBytes("# " + std::to_string(++renewed_) + "\n" + TextOf("leaf.pem"))));
  }
  bool IsThere(std::string_view path) { return tree_.Find(kRoot, path).has_value(); }

  Tree tree_;
  NodeId entry_;
  int renewed_ = 0;
};

TEST_P(VolumeClockTest, WhoIsBetweenTheHalvesOfAPair) {
  const NodeId old = tree_.At(kKey).id;
  Must(tree_.Get(kUser, kCert));
  Renew();
  SetWallClock();
  tree_.now += kPinned;
  EXPECT_EQ(Must(tree_.Find(kUser, kKey)).id, old);
  tree_.now += kMoment;
  EXPECT_NE(Must(tree_.Find(kUser, kKey)).id, old);
  EXPECT_FALSE(tree_.At(kKey).volatile_name);
}

TEST_P(VolumeClockTest, WhatACommitReplaced) {
  const NodeId old = tree_.At(kKey).id;
  Renew();
  SetWallClock();
  tree_.now += kSupersededKept;
  tree_.volume.DropExpired();
  EXPECT_TRUE(tree_.volume.GetAttributes(kUser, old, 0).has_value());
  EXPECT_EQ(Failure(tree_.volume.Open(kUser, old, kRead)), ErrorCode::kStale);
  SetWallClock();
  EXPECT_EQ(Must(tree_.ReadNode(kUser, old)), TextOf("leaf.key"));  // It was told to look again already.
  tree_.now += kMoment;
  EXPECT_FALSE(tree_.volume.GetAttributes(kUser, old, 0).has_value());
}

// Goal: whoever gets no processor between being told to look again and opening what he finds is not told so
// twice, which would reach him; nor if he was told about something else before, and never looked again.
// Method: the file is replaced between all of that, and longer ago than what a commit replaced is kept for.
TEST_P(VolumeClockTest, WhoLooksAgainSlowly) {
  const NodeId old = tree_.At(kKey).id;
  Renew();
  tree_.now += kSupersededKept + kMoment;
  for (const char* const when : {"first", "told before"}) {
    SCOPED_TRACE(when);
    EXPECT_EQ(Failure(tree_.volume.Open(kUser, old, kRead)), ErrorCode::kStale);
    if (std::string_view(when) == "first") {
      EXPECT_EQ(Failure(tree_.volume.Open(kUser, old, kRead)), ErrorCode::kStale);  // Nobody has it.
    }
    SetWallClock();
    tree_.now += kLooksAgainWithin / 2;
    const Node found = Must(tree_.Find(kUser, kKey));
    const std::string certificate = Must(tree_.Get(kRoot, kCert));
    Renew();
    tree_.now += kLooksAgainWithin / 4;
    tree_.volume.DropExpired();
    EXPECT_EQ(Must(tree_.ReadNode(kUser, found.id)), TextOf("leaf.key"));
    // And the other half of the same pair.
    EXPECT_EQ(Must(tree_.Get(kUser, kCert)), certificate);
    // He finds nothing: the next time he is told for the first time.
    EXPECT_EQ(Failure(tree_.volume.Open(kUser, old, kRead)), ErrorCode::kStale);
    EXPECT_EQ(Failure(tree_.Find(kUser, "stores/machine/web/none")), ErrorCode::kNotFound);
  }
}

// Nor is what he finds kept for ever, should he never open it: it may be a key.
TEST_P(VolumeClockTest, WhoNeverOpensWhatHeFound) {
  const NodeId old = tree_.At(kKey).id;
  Renew();
  tree_.now += kSupersededKept + kMoment;
  EXPECT_EQ(Failure(tree_.volume.Open(kUser, old, kRead)), ErrorCode::kStale);
  const Node found = Must(tree_.Find(kUser, kKey));
  Renew();
  SetWallClock();
  tree_.now += kLooksAgainWithin + kMoment;
  tree_.volume.DropExpired();
  EXPECT_EQ(Failure(tree_.volume.Open(kUser, found.id, kRead)), ErrorCode::kStale);
}

TEST_P(VolumeClockTest, Scratch) {
  const std::string path = "stores/machine/web/.cert.pem.tmp";
  Must(tree_.Put(kRoot, path, Vector("leaf.pem")));
  SetWallClock();
  tree_.now += kScratchKept;
  tree_.volume.DropExpired();
  EXPECT_TRUE(IsThere(path));  // That was a use.
  SetWallClock();
  tree_.now += kScratchKept + kMoment;
  EXPECT_FALSE(IsThere(path));
}

TEST_P(VolumeClockTest, AFirstHalf) {
  for (const bool in_time : {true, false}) {
    Must(tree_.volume.Unlink(kRoot, entry_, "cert.pem"));
    SetWallClock();
    tree_.now += kSecondHalfAwaited;
    if (!in_time) tree_.now += kMoment;
    EXPECT_FALSE(tree_.Put(kRoot, kCert, AsBytes("-----BEGIN nothing")).has_value());
    EXPECT_EQ(IsThere(kCert), in_time);
  }
}

TEST_P(VolumeClockTest, ANameInNextThatWentLive) {
  const std::string next = "stores/machine/web/next";
  tree_.MakeDirectory("stores/machine/web", "next");
  Must(tree_.Put(kRoot, next + "/key.pem", Vector("leaf.key")));
  Must(tree_.Put(kRoot, next + "/cert.pem", Vector("chain.pem")));
  SetWallClock();
  tree_.now += kNameKept;
  EXPECT_TRUE(IsThere(next + "/cert.pem"));
  tree_.now += kMoment;
  EXPECT_FALSE(IsThere(next + "/cert.pem"));
}

TEST_P(VolumeClockTest, TheTimesOfFilesAreTheWallClocks) {
  SetWallClock();
  Renew();
  EXPECT_EQ(tree_.At(kCert).attributes.mtime, tree_.now);
  Must(tree_.Put(kRoot, "stores/machine/web/.t", Vector("leaf.pem")));
  EXPECT_EQ(tree_.At("stores/machine/web/.t").attributes.mtime, tree_.now);
}

INSTANTIATE_TEST_SUITE_P(Set, VolumeClockTest, testing::Values(std::chrono::hours(1), std::chrono::hours(-1)),
                         [](const auto& set) { return set.param.count() > 0 ? "Forward" : "Back"; });

}  // namespace
}  // namespace certfs::test
