// Goal: what a daemon notes on its connection's page its successor reads, and nothing that no daemon can have
// noted. Method: one Connection after another over one page, and a page that somebody else has written to.

#include "fs/fuse/connection.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "tests/support/must.h"

namespace certfs {
namespace {

class ConnectionTest : public testing::Test {
 protected:
  std::unique_ptr<Connection> Open() {
    return Must(Connection::Open({Descriptor(open("/dev/null", O_RDWR | O_CLOEXEC)),
                                  Descriptor(fcntl(page_.number(), F_DUPFD_CLOEXEC, 0))}));
  }
  static Instant Ago(int seconds) { return std::chrono::steady_clock::now() - std::chrono::seconds(seconds); }

  const Descriptor page_ = Must(Connection::NewPage());
};

TEST_F(ConnectionTest, NotesOutliveTheDaemon) {
  const NodeId live = NodeId::OfFile(20, Member::kCertificate, 3);
  const NodeId staging = NodeId::OfFile(20, Member::kKey, 4);
  {
    const auto daemon = Open();
    EXPECT_EQ(daemon->incarnation(), 1U);
    daemon->Keep({100, live, staging, Ago(3)});
    daemon->Keep({101, live, staging, Ago(2)});
    daemon->Drop(101);
    daemon->KeepPair({100, 20, Member::kCertificate, 3, Ago(3), false});
    daemon->KeepPair({100, 20, Member::kCertificate, 3, Ago(3), true});
    daemon->KeepPair({100, 21, Member::kKey, 5, Ago(1), false});
    daemon->DropPair(100, 21);
  }
  const auto successor = Open();
  EXPECT_EQ(successor->incarnation(), 2U);
  EXPECT_FALSE(successor->is_resumed());
  const auto kept = successor->Kept();
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].thread, 100);
  EXPECT_EQ(kept[0].live, live);
  EXPECT_EQ(kept[0].staging, staging);
  const auto pairs = successor->KeptPairs();
  ASSERT_EQ(pairs.size(), 1U);
  EXPECT_EQ(pairs[0].entry, 20U);
  EXPECT_EQ(pairs[0].opened, Member::kCertificate);
  EXPECT_EQ(pairs[0].revision, 3U);
  EXPECT_TRUE(pairs[0].ended);
}

TEST_F(ConnectionTest, TheOldestNoteGivesItsPlace) {
  const auto daemon = Open();
  constexpr int kMany = 200;
  for (int i = 0; i < kMany; ++i) {
    daemon->Keep({1000 + i, NodeId(), NodeId(), Ago(kMany - i)});
    daemon->KeepPair({7, static_cast<Number>(20 + i), Member::kKey, 1, Ago(kMany - i), false});
  }
  const auto kept = daemon->Kept();
  ASSERT_GT(kept.size(), 8U);
  ASSERT_LT(kept.size(), static_cast<std::size_t>(kMany));
  const int first = 1000 + kMany - static_cast<int>(kept.size());
  for (const RedirectNote& note : kept) EXPECT_GE(note.thread, first);
  const auto pairs = daemon->KeptPairs();
  ASSERT_GT(pairs.size(), 1U);
  ASSERT_LT(pairs.size(), static_cast<std::size_t>(kMany));
  for (const PairNote& note : pairs) EXPECT_GE(note.entry, 20 + kMany - pairs.size());
}

TEST_F(ConnectionTest, WhatNobodyCanHaveNotedIsNone) {
  struct stat status {};
  ASSERT_EQ(fstat(page_.number(), &status), 0);
  constexpr off_t kBehindMagic = 8;
  for (const char byte : {'\xff', '\x7f', '\x80'}) {
    SCOPED_TRACE(static_cast<int>(byte));
    const std::string garbage(static_cast<std::size_t>(status.st_size - kBehindMagic), byte);
    ASSERT_EQ(pwrite(page_.number(), garbage.data(), garbage.size(), kBehindMagic),
              static_cast<ssize_t>(garbage.size()));
    const auto successor = Open();
    EXPECT_FALSE(successor->is_resumed());
    EXPECT_TRUE(successor->Kept().empty());
    EXPECT_TRUE(successor->KeptPairs().empty());
  }
}

TEST_F(ConnectionTest, APageOfAnotherKindIsRefused) {
  ASSERT_EQ(pwrite(page_.number(), "CERTFSM0", 8, 0), 8);
  const auto opened = Connection::Open({Descriptor(open("/dev/null", O_RDWR | O_CLOEXEC)),
                                        Descriptor(fcntl(page_.number(), F_DUPFD_CLOEXEC, 0))});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace certfs
