// Whom a commit wakes: the Replaced notices of a Volume.
//
// Goal: every node that a commit replaces, and that somebody may watch, is named once, with what it was.
// Method: a volume over a keystore in memory, the kernel's part played by Named and Forget.

#include "fs/volume/seen_entries.h"
#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

class VolumeWatchTest : public ::testing::Test {
 protected:
  VolumeWatchTest() { tree.MakeDirectory("stores/machine", "web"); }

  Result<void> Put(const std::string& file, const std::string& vector) {
    return tree.Put(kRoot, "stores/machine/web/" + file, Vector(vector));
  }
  // What was told since the last call.
  std::vector<Listener::Replacement> Told() { return std::exchange(tree.listener.replaced, {}); }

  Tree tree;
};

TEST_F(VolumeWatchTest, ANewFileIsTheKernelsToTell) {
  Must(Put("key.pem", "leaf.key"));
  EXPECT_TRUE(Told().empty());
}

TEST_F(VolumeWatchTest, AReplacementIsToldWithWhatItReplaced) {
  Must(Put("cert.pem", "leaf.pem"));
  const Node entry = tree.At("stores/machine/web");
  const Node before = tree.At("stores/machine/web/cert.pem");
  Must(Put("cert.pem", "chain.pem"));
  EXPECT_EQ(Told(), (std::vector<Listener::Replacement>{{entry.id, "cert.pem", before.id}}));
  // The same again changes nothing.
  Must(Put("cert.pem", "chain.pem"));
  EXPECT_TRUE(Told().empty());
  // So does what is refused.
  EXPECT_TRUE(Failure(Put("cert.pem", "leaf.key")).has_value());
  EXPECT_TRUE(Told().empty());
}

TEST_F(VolumeWatchTest, ThePartnerComesAlongIfTheKernelHoldsIt) {
  Must(Put("key.pem", "leaf.key"));
  const Node entry = tree.At("stores/machine/web");
  const Node key = tree.At("stores/machine/web/key.pem");
  tree.volume.Named(key);
  EXPECT_TRUE(tree.volume.IsHeld(key.id));
  Must(Put("cert.pem", "leaf.pem"));
  EXPECT_EQ(Told(), (std::vector<Listener::Replacement>{{entry.id, "key.pem", key.id}}));
  tree.volume.Forget(key.id, 1);
  EXPECT_FALSE(tree.volume.IsHeld(key.id));
  const Node cert = tree.At("stores/machine/web/cert.pem");
  Must(Put("cert.pem", "chain.pem"));
  EXPECT_EQ(Told(), (std::vector<Listener::Replacement>{{entry.id, "cert.pem", cert.id}}));
}

TEST_F(VolumeWatchTest, WhatWasStagedWakesBothMembersOfTheLiveEntry) {
  tree.MakeDirectory("stores/machine/web", "next");
  const Node entry = tree.At("stores/machine/web");
  Must(Put("next/key.pem", "leaf.key"));
  EXPECT_TRUE(Told().empty());
  Must(Put("next/cert.pem", "leaf.pem"));
  EXPECT_EQ(Told(), (std::vector<Listener::Replacement>{{entry.id, "cert.pem", NodeId()},
                                                        {entry.id, "key.pem", NodeId()}}));
}

// Nobody wrote the key and the request to the mount: the kernel knows of neither.
TEST_F(VolumeWatchTest, WhatARequestMakesIsTold) {
  tree.MakeDirectory("stores/machine/web", "next");
  const Node next = tree.At("stores/machine/web/next");
  const std::string request = "Name = web\n";
  Must(tree.Put(kRoot, "stores/machine/web/next/request.cfg", AsBytes(request)));
  EXPECT_EQ(Told(), (std::vector<Listener::Replacement>{{next.id, "key.pem", NodeId()},
                                                        {next.id, "request.csr", NodeId()}}));
}

TEST(SeenEntries, KnowsWhatWasToldLast) {
  SeenEntries seen;
  using All = std::vector<SeenEntry>;
  constexpr Members kCert = SetOf(Member::kCertificate);
  constexpr Members kKey = SetOf(Member::kKey);
  seen.Named(7, 3, kCert);
  seen.Named(7, 5, kKey);  // Given out again; the kernel still may have what it had.
  EXPECT_EQ(seen.All(), (All{{7, 3, kCert, 0}}));
  seen.Told(7, 4, 5);  // What came before is another's, and untold.
  EXPECT_EQ(seen.All(), (All{{7, 3, kCert, 0}}));
  seen.Told(7, 3, 4);
  EXPECT_EQ(seen.All(), (All{{7, 4, kCert, 0}}));
  seen.Moved(7, kKey, kCert);
  EXPECT_EQ(seen.All(), (All{{7, 4, kKey, 0}}));
  seen.Looked(7, 9);
  EXPECT_EQ(seen.All(), (All{{7, 4, kKey, 9}}));
  seen.Looked(8, 9);
  seen.Told(8, 0, 1);
  seen.Moved(8, kKey, 0);
  seen.Forget(8, 1);
  seen.Forget(7, 1);
  EXPECT_EQ(seen.All(), (All{{7, 4, kKey, 9}}));
  seen.Forget(7, 1);
  EXPECT_EQ(seen.All(), All{});
}

TEST_F(VolumeWatchTest, AnEntryHasAPathUntilItGoes) {
  const Node entry = tree.At("stores/machine/web");
  const auto path = [&](NodeId directory) { return Must(tree.volume.PathOfDirectory(directory)); };
  EXPECT_EQ(path(entry.id), "stores/machine/web");
  Must(tree.volume.Rename(kRoot, tree.At("stores/machine").id, "web", tree.At("stores/machine").id, "site",
                          0));
  EXPECT_EQ(path(entry.id), "stores/machine/site");
  EXPECT_EQ(path(tree.At("stores/machine").id), "stores/machine");
  EXPECT_EQ(path(tree.At("stores").id), "stores");
  EXPECT_EQ(path(tree.At("status").id), std::nullopt);
  Must(tree.volume.RemoveDirectory(kRoot, tree.At("stores/machine").id, "site"));
  EXPECT_EQ(path(entry.id), std::nullopt);
}

}  // namespace
}  // namespace certfs::test
