// Goal: which names are scratch, whose it is, how much of it there may be, and when it goes. Method: a table
// of the names that tools use, and a ScratchTable whose clock the test moves.

#include "fs/volume/scratch.h"

#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr std::uint32_t kAlice = 1;
constexpr std::uint32_t kBob = 2;
constexpr std::uint32_t kDaemon = 77;

TEST(ScratchName, IsOneThatToolsUse) {
  for (const char* const name :
       {".cert.pem.kX3fQz", ".cert.pem.swp", ".~tmp~", "4913", "sedA1b2C3", "XXa8f1", "tmp.Yq81", "tmpab12",
        "#cert.pem#", ".#cert.pem", "cert.pem~", "key.pem.bak", "secret.lock", "crl.pem-new", "request.cfg~",
        "cert.pem.XXXXXX"}) {
    EXPECT_TRUE(IsScratchName(name)) << name;
  }
  for (const char* const name : {"", ".", "..", "cert.pem", "key.pem", "notes.txt", "CERT.PEM", "cert.pemx",
                                 "cert.der", "next", "49130", "my-sed", "secrets"}) {
    EXPECT_FALSE(IsScratchName(name)) << name;
  }
}

class ScratchTableTest : public testing::Test {
 protected:
  ScratchPointer Add(const std::string& name, std::uint32_t uid = kAlice) {
    ScratchPointer made = table_.Make(NodeId::OfStaging(++last_), uid);
    auto added = table_.Add({directory_, name, uid}, made, now_);
    if (!added.has_value()) return nullptr;
    return made;
  }
  ScratchPointer Find(const std::string& name, std::uint32_t uid = kAlice) {
    return table_.Find({directory_, name, uid}, now_);
  }

  const NodeId directory_ = NodeId::OfDirectory(40);
  std::uint64_t last_ = 0;
  Instant now_{};
  WriterShares shares_{kDaemon};
  ScratchTable table_{shares_};
};

TEST_F(ScratchTableTest, EachUserHasNamesOfItsOwn) {
  const auto mine = Add("tmp1");
  const auto theirs = Add("tmp1", kBob);
  EXPECT_EQ(Find("tmp1"), mine);
  EXPECT_EQ(Find("tmp1", kBob), theirs);
  EXPECT_EQ(Find("tmp1", 3), nullptr);
  EXPECT_EQ(Add("tmp1"), nullptr);  // It is taken.
  ASSERT_EQ(table_.In(directory_, kAlice, now_).size(), 1U);
  EXPECT_EQ(table_.In(directory_, kAlice, now_).front().file, mine);
  EXPECT_TRUE(table_.In(NodeId::OfDirectory(41), kAlice, now_).empty());
}

TEST_F(ScratchTableTest, GoesTenMinutesAfterItsLastUse) {
  Add("tmp1");
  now_ += kScratchKept;
  EXPECT_NE(Find("tmp1"), nullptr);  // That was a use.
  now_ += kScratchKept;
  EXPECT_NE(Find("tmp1"), nullptr);
  now_ += kScratchKept + std::chrono::seconds(1);
  table_.DropExpired(now_);
  EXPECT_EQ(Find("tmp1"), nullptr);
}

TEST_F(ScratchTableTest, IsInUseWhileItIsOpen) {
  const NodeId node = Add("tmp1")->node;
  table_.Opened(table_.FindNode(node, now_));
  now_ += kScratchKept * 3;
  ASSERT_NE(Find("tmp1"), nullptr);
  EXPECT_TRUE(table_.Remove({directory_, "tmp1", kAlice}, now_));
  EXPECT_NE(table_.FindNode(node, now_), nullptr);
  table_.Closed(node, now_);
  EXPECT_EQ(table_.FindNode(node, now_), nullptr);
}

TEST_F(ScratchTableTest, WhatGoesGivesItsMemoryBack) {
  const std::size_t half = ScratchTable::kBytesOfUserMax / 2;
  for (int round = 0; round < 8; ++round) {
    ScratchPointer file = Add("tmp1");
    ASSERT_NE(file, nullptr);
    ASSERT_TRUE(file->bytes.Resize(half)) << round;
    file.reset();
    now_ += kScratchKept + std::chrono::seconds(1);
    table_.DropExpired(now_);
  }
}

TEST_F(ScratchTableTest, OneUserLeavesRoomForOthersAndAllForWriters) {
  std::vector<ScratchPointer> held;
  const auto fill = [&](std::uint32_t uid) {
    for (int i = 0; i < 64; ++i) {
      const auto file = table_.Make(NodeId::OfStaging(++last_), uid);
      if (!file->bytes.Resize(std::size_t{1} << 20)) return;
      held.push_back(file);
    }
  };
  fill(kAlice);
  EXPECT_EQ(held.size(), ScratchTable::kBytesOfUserMax >> 20);
  fill(kBob);
  fill(3);
  EXPECT_EQ(held.size(), ScratchTable::kBytesMax >> 20);
  ByteQuota& writers = shares_.Of(kDaemon);
  EXPECT_TRUE(writers.Take(std::size_t{8} << 20));
  writers.Give(std::size_t{8} << 20);
}

// What is open counts, whether or not it still has a name: nobody gets a second share by taking names away.
TEST_F(ScratchTableTest, WhatIsOpenWithoutANameCounts) {
  std::vector<ScratchPointer> held;
  for (;;) {
    ScratchPointer file = Add("tmp");
    ASSERT_NE(file, nullptr);
    table_.Opened(file);
    if (!file->bytes.Resize(1)) {
      table_.Closed(file->node, now_);
      break;
    }
    held.push_back(std::move(file));
    ASSERT_TRUE(table_.Remove({directory_, "tmp", kAlice}, now_));
    ASSERT_LE(held.size(), ScratchTable::kBytesOfUserMax / WriterShares::kBytesMin);
  }
  EXPECT_EQ(held.size(), ScratchTable::kBytesOfUserMax / WriterShares::kBytesMin);
  EXPECT_TRUE(Add("tmp", kBob)->bytes.Resize(1));
  const NodeId first = held.front()->node;
  held.front().reset();
  table_.Closed(first, now_);
  EXPECT_TRUE(Add("tmp2")->bytes.Resize(1));
}

class WriterSharesTest : public testing::Test {
 protected:
  // How many MiB `uid` gets beyond what is held.
  std::size_t Fill(std::uint32_t uid) {
    std::size_t taken = 0;
    while (shares_.Of(uid).Take(std::size_t{1} << 20)) ++taken;
    taken_[uid] += taken;
    return taken;
  }
  void Empty(std::uint32_t uid) {
    for (; taken_[uid] != 0; --taken_[uid]) shares_.Of(uid).Give(std::size_t{1} << 20);
  }

  WriterShares shares_{kDaemon};
  std::map<std::uint32_t, std::size_t> taken_;
};

TEST_F(WriterSharesTest, AUserTakesAQuarterAndLeavesTheRest) {
  EXPECT_EQ(Fill(kAlice), 4U);
  EXPECT_EQ(Fill(kAlice), 0U);
  EXPECT_EQ(Fill(kBob), 4U);
  EXPECT_EQ(Fill(0), 8U);
  Empty(kAlice);
  EXPECT_EQ(Fill(3), 4U);
}

TEST_F(WriterSharesTest, AllUsersTogetherLeaveRootSomething) {
  std::size_t together = 0;
  for (std::uint32_t uid = 1000; uid < 1020; ++uid) together += Fill(uid);
  EXPECT_EQ(together, 12U);
  EXPECT_EQ(Fill(0), 4U);
  EXPECT_EQ(Fill(kDaemon), 0U);  // Its share is root's.
  Empty(0);
  EXPECT_EQ(Fill(kDaemon), 4U);
}

TEST_F(WriterSharesTest, RootLeavesTheUsersSomething) {
  EXPECT_EQ(Fill(0), 12U);
  EXPECT_EQ(Fill(kDaemon), 0U);
  EXPECT_EQ(Fill(kAlice), 4U);
}

// What does not fit anywhere is taken nowhere.
TEST_F(WriterSharesTest, ARefusalTakesNothing) {
  ByteQuota small{std::size_t{2} << 20};
  ByteQuota both{std::size_t{8} << 20, &small, &shares_.Of(kAlice)};
  EXPECT_FALSE(both.Take(std::size_t{3} << 20));  // Too much for `small`.
  EXPECT_TRUE(both.Take(std::size_t{2} << 20));
  both.Give(std::size_t{2} << 20);
  EXPECT_EQ(Fill(kAlice), 4U);
  EXPECT_FALSE(both.Take(std::size_t{1} << 20));  // Too much for Alice.
  EXPECT_TRUE(small.Take(std::size_t{2} << 20));
}

// What is tiny counts for what it costs.
TEST_F(WriterSharesTest, NothingCountsForLessThanAKiB) {
  std::vector<std::unique_ptr<StagedBytes>> held;
  for (;;) {
    auto bytes = std::make_unique<StagedBytes>(shares_.Of(kAlice));
    if (!bytes->Resize(1)) break;
    held.push_back(std::move(bytes));
    ASSERT_LE(held.size(), WriterShares::kOfUserMax / WriterShares::kBytesMin);
  }
  EXPECT_EQ(held.size(), WriterShares::kOfUserMax / WriterShares::kBytesMin);
  EXPECT_FALSE(held.front()->Resize(WriterShares::kBytesMin + 1));
  EXPECT_TRUE(held.front()->Resize(WriterShares::kBytesMin));
  held.back().reset();
  EXPECT_TRUE(held.front()->Resize(WriterShares::kBytesMin + 1));
  held.front()->Clear();
  EXPECT_TRUE(held.front()->Assign(Bytes(2 * WriterShares::kBytesMin)));
  held.clear();
  EXPECT_EQ(Fill(kAlice), 4U);
}

TEST_F(WriterSharesTest, OpenWritersAreCountedWhateverTheyWrote) {
  std::size_t writers = 0;
  while (shares_.WritersOf(kAlice).Take(1)) ++writers;
  EXPECT_EQ(writers, WriterShares::kWritersOfUserMax);
  EXPECT_TRUE(shares_.WritersOf(kBob).Take(1));
  EXPECT_TRUE(shares_.WritersOf(0).Take(WriterShares::kWritersOfOwnersMax));
  EXPECT_FALSE(shares_.WritersOf(kDaemon).Take(1));
  EXPECT_EQ(Fill(kAlice), 4U);
}

}  // namespace
}  // namespace certfs::test
