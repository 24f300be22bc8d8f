// Goal: a process that is between the two halves of a pair while it is replaced gets the pair that it began
// with, and nobody else gets anything old. Method: lookups and opens of invented processes around commits.

#include "fs/volume/pins.h"

#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr auto kCert = "stores/machine/web/cert.pem";
constexpr auto kKey = "stores/machine/web/key.pem";
const Caller kReader{33, 33, 300};
const Caller kReadersOtherThread{33, 33, 301};

// A file of entry `entry`; a key has `size` bytes.
ContentPointer Made(Number entry, Member member, Revision revision, std::size_t size = 0) {
  auto made = std::make_shared<Content>();
  made->node = NodeId::OfFile(entry, member, revision);
  if (member == Member::kKey) made->secret = SecretBytes(size);
  return made;
}
std::vector<ContentPointer> MadePair(Number entry, Revision revision, std::size_t size = 0) {
  return {Made(entry, Member::kCertificate, revision), Made(entry, Member::kKey, revision, size)};
}

class PinsTest : public testing::Test {
 protected:
  PinsTest() {
    tree_.processes.process_of = {{300, 300}, {301, 300}};
    tree_.MakeDirectory("stores/machine", "web");
    Must(tree_.Put(kRoot, kKey, Vector("leaf.key")));
    Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
    tree_.now += std::chrono::minutes(1);
  }

  // Opens `path` as the kernel does, and returns the revision that it got.
  Revision OpenedRevision(const Caller& caller, std::string_view path) {
    const NodeId node = Must(tree_.Find(caller, path)).id;
    const HandleId handle = Must(tree_.volume.Open(caller, node, kRead));
    tree_.volume.Release(node, handle);
    return node.revision();
  }
  // A renewal for the same key, which gives both files a new revision.
  void Renew() {
    ++renewals_;
    Must(tree_.Put(kRoot, kCert,
                   AsBytes("# renewal " + std::to_string(renewals_) + "\n" + TextOf("leaf.pem"))));
  }

  Tree tree_;
  int renewals_ = 0;
};

TEST_F(PinsTest, TheSecondHalfIsOfTheRevisionOfTheFirst) {
  for (const auto& [first, second] : {std::pair{kCert, kKey}, std::pair{kKey, kCert}}) {
    const Revision began = OpenedRevision(kReader, first);
    Renew();
    tree_.now += std::chrono::milliseconds(1500);
    EXPECT_EQ(OpenedRevision(kReader, second), began) << second;
    EXPECT_EQ(OpenedRevision(kUser, second), began + 1) << second;
    // The next pair is the newest again.
    EXPECT_EQ(OpenedRevision(kReader, first), began + 1);
    EXPECT_EQ(OpenedRevision(kReader, second), began + 1);
    tree_.now += std::chrono::minutes(1);
  }
}

TEST_F(PinsTest, ItReadsTheBytesThatItBeganWith) {
  OpenedRevision(kReader, kKey);
  Renew();
  Renew();
  EXPECT_EQ(Must(tree_.Get(kReader, kCert)), TextOf("leaf.pem"));
  EXPECT_EQ(Must(tree_.Get(kReader, kCert)), "# renewal 2\n" + TextOf("leaf.pem"));
}

TEST_F(PinsTest, TheFirstHalfAgainIsTheNewest) {
  const Revision began = OpenedRevision(kReader, kCert);
  Renew();
  EXPECT_EQ(OpenedRevision(kReader, kCert), began + 1);
  EXPECT_EQ(OpenedRevision(kReader, kKey), began + 1);
}

TEST_F(PinsTest, ThreadsOfOneProcessShareAPair) {
  const Revision began = OpenedRevision(kReader, kCert);
  Renew();
  EXPECT_EQ(OpenedRevision(kReadersOtherThread, kKey), began);
  // Both halves were open before this commit, a thread each.
  OpenedRevision(kReader, kCert);
  const Revision both = OpenedRevision(kReadersOtherThread, kKey);
  Renew();
  EXPECT_EQ(OpenedRevision(kReader, kCert), both + 1);
  EXPECT_EQ(OpenedRevision(kReader, kKey), both + 1);
}

TEST_F(PinsTest, NobodyIsHeldForLong) {
  const Revision began = OpenedRevision(kReader, kCert);
  tree_.now += std::chrono::milliseconds(1500);
  Renew();
  tree_.now += std::chrono::milliseconds(1000);
  EXPECT_EQ(OpenedRevision(kReader, kKey), began + 1);  // 2.5 s after the first half.
  OpenedRevision(kReader, kCert);
  tree_.now += std::chrono::milliseconds(2500);
  Renew();
  EXPECT_EQ(OpenedRevision(kReader, kKey), began + 2);
}

TEST_F(PinsTest, WhoeverCommitsReadsWhatItWrote) {
  OpenedRevision(kRoot, kCert);
  const Revision before = OpenedRevision(kReader, kCert);
  Renew();
  EXPECT_EQ(OpenedRevision(kRoot, kKey), before + 1);
  EXPECT_EQ(OpenedRevision(kReader, kKey), before);
}

TEST_F(PinsTest, ARotationInBetweenChangesNothingForWhoIsPinned) {
  const Revision began = OpenedRevision(kReader, kCert);
  for (int i = 0; i < 500; ++i) Renew();
  EXPECT_EQ(OpenedRevision(kReader, kKey), began);
}

TEST_F(PinsTest, NamesMayBeCachedOnceItIsQuiet) {
  EXPECT_FALSE(tree_.At(kCert).volatile_name);
  Renew();
  EXPECT_TRUE(tree_.At(kCert).volatile_name);
  EXPECT_TRUE(tree_.At(kKey).volatile_name);
  tree_.now += std::chrono::seconds(3);
  EXPECT_FALSE(tree_.At(kCert).volatile_name);
}

// An open that saw the old revision as live, and a commit that came before it was noted.
TEST_F(PinsTest, AnOpenThatACommitOvertookIsPinnedToo) {
  Pins pins(tree_.processes, nullptr);
  const std::vector<ContentPointer> old = MadePair(20, 5);
  pins.Replacing(20, 5, old, kRoot.thread, tree_.instant());
  pins.Opened(20, 5, Member::kCertificate, kReader, tree_.instant());
  EXPECT_EQ(pins.Find(20, Member::kKey, kReader, tree_.instant()), old[1]);
  EXPECT_EQ(pins.Find(20, Member::kCertificate, kReader, tree_.instant()), nullptr);
  EXPECT_EQ(pins.Find(20, Member::kKey, kUser, tree_.instant()), nullptr);
  EXPECT_EQ(pins.Find(21, Member::kKey, kReader, tree_.instant()), nullptr);
}

// An open of the new revision, before anybody was told that the old one was replaced.
TEST_F(PinsTest, AnOpenThatOvertookTheTellingIsNotForgotten) {
  Pins pins(tree_.processes, nullptr);
  pins.Opened(20, 6, Member::kKey, kReader, tree_.instant());
  pins.Replacing(20, 5, MadePair(20, 5), kRoot.thread, tree_.instant());
  const std::vector<ContentPointer> next = MadePair(20, 6);
  pins.Replacing(20, 6, next, kRoot.thread, tree_.instant());
  EXPECT_EQ(pins.Find(20, Member::kCertificate, kReader, tree_.instant()), next[0]);
}

// Whoever gets no processor for longer than that keeps its order: what follows is a pair again.
TEST_F(PinsTest, AHalfThatCameLateBeginsNoPair) {
  Pins pins(tree_.processes, nullptr);
  const auto opens = [&](Member member) { pins.Opened(20, 5, member, kReader, tree_.instant()); };
  opens(Member::kCertificate);
  tree_.now += std::chrono::seconds(3);
  opens(Member::kKey);
  opens(Member::kCertificate);
  const std::vector<ContentPointer> old = MadePair(20, 5);
  pins.Replacing(20, 5, old, kRoot.thread, tree_.instant());
  EXPECT_EQ(pins.Find(20, Member::kKey, kReader, tree_.instant()), old[1]);
  // What began long before is none of it any more, and nothing of it is kept.
  tree_.now += std::chrono::seconds(11);
  opens(Member::kKey);
  const std::vector<ContentPointer> next = MadePair(20, 5);
  pins.Replacing(20, 5, next, kRoot.thread, tree_.instant());
  EXPECT_EQ(pins.Find(20, Member::kCertificate, kReader, tree_.instant()), next[0]);
  EXPECT_EQ(old[1].use_count(), 1);
}

// How many bytes of `contents` somebody keeps.
std::size_t KeptBytes(const std::vector<std::weak_ptr<const Content>>& contents) {
  std::size_t bytes = 0;
  for (const auto& each : contents) {
    if (const ContentPointer content = each.lock()) bytes += content->bytes().size();
  }
  return bytes;
}

TEST_F(PinsTest, LargeKeysThatAreReplacedAgainAndAgainAreNotAllKept) {
  constexpr std::size_t kLarge = std::size_t{1} << 20;
  Pins pins(tree_.processes, nullptr);
  pins.Opened(20, 1, Member::kCertificate, kReader, tree_.instant());
  std::vector<std::weak_ptr<const Content>> all;
  for (Revision revision = 1; revision <= 20; ++revision) {
    for (const Number entry : {20, 21}) {
      const std::vector<ContentPointer> pair = MadePair(entry, revision, kLarge);
      all.insert(all.end(), pair.begin(), pair.end());
      pins.Replacing(entry, revision, pair, kRoot.thread, tree_.instant());
    }
    EXPECT_LE(KeptBytes(all), Pins::kBytesMax) << revision;
  }
  EXPECT_EQ(KeptBytes(all), Pins::kBytesMax);
  // Who is pinned is served before those who might have been overtaken.
  const ContentPointer pinned = pins.Find(20, Member::kKey, kReader, tree_.instant());
  ASSERT_NE(pinned, nullptr);
  EXPECT_TRUE(pinned->node.HasRevision(1));
  pins.Opened(21, 20, Member::kCertificate, kUser, tree_.instant());
  EXPECT_NE(pins.Find(21, Member::kKey, kUser, tree_.instant()), nullptr);
  pins.Opened(21, 10, Member::kCertificate, kUser, tree_.instant());
  EXPECT_EQ(pins.Find(21, Member::kKey, kUser, tree_.instant()), nullptr);
}

TEST_F(PinsTest, HoweverManyArePinnedThereIsAnEnd) {
  constexpr std::size_t kLarge = std::size_t{1} << 20;
  Pins pins(tree_.processes, nullptr);
  std::vector<std::weak_ptr<const Content>> all;
  for (Revision revision = 1; revision <= 20; ++revision) {
    const auto thread = static_cast<std::int32_t>(1000 + revision);
    pins.Opened(20, revision, Member::kCertificate, Caller{33, 33, thread}, tree_.instant());
    const std::vector<ContentPointer> pair = MadePair(20, revision, kLarge);
    all.insert(all.end(), pair.begin(), pair.end());
    pins.Replacing(20, revision, pair, kRoot.thread, tree_.instant());
    EXPECT_LE(KeptBytes(all), Pins::kBytesMax + kLarge) << revision;  // `pair` has the newest.
  }
  EXPECT_EQ(pins.Find(20, Member::kKey, Caller{33, 33, 1001}, tree_.instant()), nullptr);
  EXPECT_NE(pins.Find(20, Member::kKey, Caller{33, 33, 1020}, tree_.instant()), nullptr);
}

// A clock that goes back shows whether anything was left.
TEST_F(PinsTest, WhatWasReplacedIsForgottenThoughNobodyComes) {
  const NodeId old = tree_.At(kKey).id;
  const Revision began = OpenedRevision(kReader, kCert);
  Renew();
  for (const bool due : {false, true}) {
    const auto later = std::chrono::milliseconds(due ? 2001 : 2000);
    tree_.now += later;
    tree_.volume.DropExpired();
    tree_.now -= later;
    EXPECT_EQ(Must(tree_.Find(kReader, kKey)).id == old, !due);
    EXPECT_EQ(tree_.volume.GetAttributes(kUser, old, 0).has_value(), !due);
  }
  EXPECT_EQ(OpenedRevision(kReader, kKey), began + 1);
}

TEST_F(PinsTest, ABindMountKeepsItsRevision) {
  const Node old = tree_.At(kKey);
  tree_.volume.Named(old);
  Renew();
  tree_.now += std::chrono::minutes(1);
  tree_.volume.DropExpired();
  EXPECT_TRUE(tree_.volume.GetAttributes(kUser, old.id, 0).has_value());
  tree_.volume.Forget(old.id, 1);
  EXPECT_FALSE(tree_.volume.GetAttributes(kUser, old.id, 0).has_value());
}

TEST_F(PinsTest, AnEntryWithoutAPairHasNone) {
  tree_.MakeDirectory("stores/machine", "lone");
  Must(tree_.Put(kRoot, "stores/machine/lone/cert.pem", Vector("leaf.pem")));
  const Revision began = OpenedRevision(kReader, "stores/machine/lone/cert.pem");
  Must(tree_.Put(kRoot, "stores/machine/lone/cert.pem", Vector("chain.pem")));
  EXPECT_EQ(OpenedRevision(kReader, "stores/machine/lone/cert.pem"), began + 1);
}

}  // namespace
}  // namespace certfs::test
