// Goal: a write-open of a live file is led to an inode of its own, once, and nobody else is ever led there.
// Method: the calls that the kernel makes, in order and out of it, over a volume in memory.

#include "fs/fuse/redirect.h"

#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

class RedirectTest : public testing::Test {
 protected:
  RedirectTest() {
    entry_ = tree_.MakeDirectory("stores/machine", "web").id;
    Must(tree_.Put(kRoot, "stores/machine/web/cert.pem", Vector("leaf.pem")));
    live_ = tree_.At("stores/machine/web/cert.pem").id;
  }

  Tree tree_;
  Redirect redirect_{tree_.volume};
  NodeId entry_;
  NodeId live_;
  Instant start_ = Instant{} + std::chrono::hours(1);
};

TEST_F(RedirectTest, LeadsTheThreadThatOpened) {
  EXPECT_EQ(redirect_.OpenLive(kUser, live_, start_).code(), ErrorCode::kStale);
  const auto staging = redirect_.Find(kUser, entry_, "cert.pem", start_);
  ASSERT_TRUE(staging);
  EXPECT_TRUE(staging->is_staging());
  // Until it is opened it shows the live file.
  const Node shown = Must(tree_.volume.GetAttributes(kUser, *staging, 0));
  EXPECT_EQ(shown.size, Vector("leaf.pem").size());
  redirect_.Arrived(kUser, *staging);
  const HandleId handle = Must(tree_.volume.Open(kUser, *staging, kReplace));
  EXPECT_FALSE(redirect_.Find(kUser, entry_, "cert.pem", start_));
  tree_.volume.Release(*staging, handle);
}

TEST_F(RedirectTest, LeadsNobodyElseAndNowhereElse) {
  EXPECT_EQ(redirect_.OpenLive(kUser, live_, start_).code(), ErrorCode::kStale);
  EXPECT_FALSE(redirect_.Find(kRoot, entry_, "cert.pem", start_));
  EXPECT_FALSE(redirect_.Find(kUser, entry_, "key.pem", start_));
  EXPECT_FALSE(redirect_.Find(kUser, NodeId::Of(Fixed::kStores), "cert.pem", start_));
}

// A file opened through /proc/self/fd, or a bind mount of a single file: no lookup follows.
TEST_F(RedirectTest, ASecondOpenWithoutALookupIsRefusedWithWords) {
  EXPECT_EQ(redirect_.OpenLive(kUser, live_, start_).code(), ErrorCode::kStale);
  const Error refused = redirect_.OpenLive(kUser, live_, start_);
  EXPECT_EQ(refused.code(), ErrorCode::kNotPermitted);
  EXPECT_EQ(refused.rule(), "no-way-to-stage");
  EXPECT_NE(tree_.listener.refusals.back().find("stores/machine/web/cert.pem"), std::string::npos);
  // It starts over then.
  EXPECT_EQ(redirect_.OpenLive(kUser, live_, start_).code(), ErrorCode::kStale);
}

// The thread was killed, or its lookup went elsewhere, and its number is used again.
TEST_F(RedirectTest, ANoteThatNobodyFollowedExpires) {
  EXPECT_EQ(redirect_.OpenLive(kUser, live_, start_).code(), ErrorCode::kStale);
  const auto staging = redirect_.Find(kUser, entry_, "cert.pem", start_);
  ASSERT_TRUE(staging);
  const auto late = start_ + Redirect::kNoteLife + std::chrono::seconds(1);
  EXPECT_FALSE(redirect_.Find(kUser, entry_, "cert.pem", late));
  EXPECT_EQ(redirect_.OpenLive(kUser, live_, late).code(), ErrorCode::kStale);
  EXPECT_EQ(Failure(tree_.volume.GetAttributes(kUser, *staging, 0)), ErrorCode::kStale);
}

// A leftover note once made that thread's next read empty.
TEST_F(RedirectTest, AReaderThatMeetsAStagingInodeIsSentBackToTheLiveFile) {
  EXPECT_EQ(redirect_.OpenLive(kUser, live_, start_).code(), ErrorCode::kStale);
  const auto staging = redirect_.Find(kUser, entry_, "cert.pem", start_);
  ASSERT_TRUE(staging);
  redirect_.Arrived(kUser, *staging);
  EXPECT_EQ(Failure(tree_.volume.Open(kUser, *staging, kRead)), ErrorCode::kStale);
  EXPECT_FALSE(redirect_.Find(kUser, entry_, "cert.pem", start_));
  EXPECT_EQ(Must(tree_.Get(kUser, "stores/machine/web/cert.pem")), TextOf("leaf.pem"));
}

TEST_F(RedirectTest, ThereIsNothingToLeadToForWhatIsGone) {
  Must(tree_.volume.Unlink(kRoot, entry_, "cert.pem"));
  EXPECT_EQ(redirect_.OpenLive(kUser, live_, start_).code(), ErrorCode::kStale);
  EXPECT_FALSE(redirect_.Find(kUser, entry_, "cert.pem", start_));
}

// Callers from outside our pid namespace all show as thread 0.
TEST_F(RedirectTest, ThreadsThatCannotBeToldApartLeaveNoInodeBehind) {
  const Caller unseen{1000, 1000, 0};
  EXPECT_EQ(redirect_.OpenLive(unseen, live_, start_).code(), ErrorCode::kStale);
  const auto first = redirect_.Find(unseen, entry_, "cert.pem", start_);
  EXPECT_EQ(redirect_.OpenLive(unseen, live_, start_).code(), ErrorCode::kStale);
  const auto second = redirect_.Find(unseen, entry_, "cert.pem", start_);
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  EXPECT_EQ(Failure(tree_.volume.GetAttributes(unseen, *first, 0)), ErrorCode::kStale);
}

}  // namespace
}  // namespace certfs::test
