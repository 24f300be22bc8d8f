// Goal: fs/README.md, "Staged pairs": what `next/` is to programs. Method: the calls of cp -a, tar, install
// and rm, in order, on a volume over a keystore in memory whose clock the test moves.

#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr auto kEntry = "stores/machine/web";
constexpr auto kNext = "stores/machine/web/next";
constexpr auto kNextKey = "stores/machine/web/next/key.pem";
constexpr auto kNextCert = "stores/machine/web/next/cert.pem";
constexpr auto kLiveKey = "stores/machine/web/key.pem";
constexpr auto kLiveCert = "stores/machine/web/cert.pem";

Bytes StoreVector(const std::string& name) {
  return ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/" + name);
}
std::string Text(const Bytes& bytes) { return std::string(AsText(bytes)); }

class VolumeNextTest : public testing::Test {
 protected:
  VolumeNextTest() {
    tree_.MakeDirectory("stores/machine", "web");
    Must(tree_.Put(kRoot, kLiveKey, Vector("leaf.key")));
    Must(tree_.Put(kRoot, kLiveCert, Vector("leaf.pem")));
    tree_.MakeDirectory(kEntry, "next");
  }
  // Stages the second pair whole.
  void Rotate() {
    Must(tree_.Put(kRoot, kNextKey, new_key_));
    Must(tree_.Put(kRoot, kNextCert, new_cert_));
  }
  std::string Live(const char* path = kLiveCert) { return Must(tree_.Get(kRoot, path)); }
  Result<Node> Set(const Caller& caller, std::string_view path, const AttributeChange& change) {
    return volume_.SetAttributes(caller, tree_.At(path).id, 0, change, {});
  }
  using Names = std::vector<std::string>;

  Tree tree_;
  Volume& volume_ = tree_.volume;
  const Bytes new_key_ = StoreVector("serial.key");
  const Bytes new_cert_ = StoreVector("serial-first.pem");
};

TEST_F(VolumeNextTest, IsADirectoryOfItsEntryAlone) {
  EXPECT_EQ(tree_.Names(kEntry), (Names{"cert.pem", "key.pem", "next"}));
  EXPECT_EQ(tree_.Names("stores/machine"), Names{"web"});
  EXPECT_EQ(tree_.Names(kNext), Names{});
  EXPECT_EQ(tree_.At(kNext).type, NodeType::kDirectory);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "stores/machine/next")), ErrorCode::kNotFound);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "stores/machine/web/next/next")), ErrorCode::kNotFound);
  const NodeId entry = tree_.At(kEntry).id;
  EXPECT_EQ(Failure(volume_.MakeDirectory(kRoot, entry, "next", 0755)), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Failure(volume_.MakeDirectory(kRoot, entry, "nxt", 0755)), ErrorCode::kNotPermitted);
  EXPECT_EQ(Failure(volume_.MakeDirectory(kRoot, tree_.At(kNext).id, "next", 0755)),
            ErrorCode::kNotPermitted);
  EXPECT_EQ(Failure(volume_.Unlink(kRoot, entry, "next")), ErrorCode::kIsADirectory);
  // ".." of it is the entry.
  std::vector<NodeId> dots;
  Must(volume_.List(kRoot, tree_.At(kNext).id, 0, [&](const DirectoryItem& item) {
    dots.push_back(item.node.id);
    return true;
  }));
  EXPECT_EQ(dots, (std::vector<NodeId>{tree_.At(kNext).id, entry}));
}

TEST_F(VolumeNextTest, APairGoesLiveWithItsSecondFile) {
  Must(tree_.Put(kRoot, kNextKey, new_key_));
  EXPECT_EQ(tree_.Names(kNext), Names{"key.pem"});
  EXPECT_EQ(Live(kNextKey), Text(new_key_));
  EXPECT_EQ(Live(kLiveKey), TextOf("leaf.key"));
  tree_.listener.changed.clear();
  Must(tree_.Put(kRoot, kNextCert, new_cert_));
  EXPECT_EQ(Live(kLiveKey), Text(new_key_));
  EXPECT_EQ(Live(), Text(new_cert_));
  EXPECT_EQ(tree_.Names(kNext), Names{});
  // The kernel is told of the live names and of those that were staged.
  const NodeId live = tree_.At(kEntry).id;
  const NodeId next = tree_.At(kNext).id;
  const auto told = [&](NodeId directory, const char* name) {
    for (const auto& [where, what] : tree_.listener.changed) {
      if (where == directory && what == name) return true;
    }
    return false;
  };
  EXPECT_TRUE(told(live, "cert.pem") && told(live, "key.pem"));
  EXPECT_TRUE(told(next, "cert.pem") && told(next, "key.pem"));
}

// Rule 9: for 2 s the two names lead to the live files, where times hold and nothing else does.
TEST_F(VolumeNextTest, NamesOutliveTheCommitForAMoment) {
  Must(Set(kRoot, kLiveKey, {0640, 33, 44, {}, {}}));
  Rotate();
  const Node shown = tree_.At(kNextKey);
  EXPECT_NE(shown.id, tree_.At(kLiveKey).id);
  EXPECT_EQ(shown.size, new_key_.size());
  EXPECT_TRUE(shown.volatile_name && shown.volatile_attributes && shown.uncached);
  EXPECT_EQ(Live(kNextKey), Text(new_key_));
  EXPECT_EQ(Live(kNextCert), Text(new_cert_));

  const Time old = tree_.now - std::chrono::hours(100);
  const Node set = Must(Set(kRoot, kNextKey, {0666, 7, 7, old, old}));
  EXPECT_EQ(set.id, shown.id);
  EXPECT_EQ(Must(Set(kRoot, kNextKey, {0400, {}, {}, {}, {}})).id, shown.id);
  const Attributes live = tree_.At(kLiveKey).attributes;
  EXPECT_EQ(live.mode, 0640U);
  EXPECT_EQ(live.uid, 33U);
  EXPECT_EQ(live.mtime, old);
  EXPECT_EQ(tree_.At(kLiveCert).attributes.mtime, tree_.now);
  EXPECT_EQ(Failure(volume_.SetAttributes(kRoot, shown.id, 0, {}, 5)), ErrorCode::kNotPermitted);

  tree_.now += std::chrono::milliseconds(2001);
  EXPECT_EQ(Failure(tree_.Find(kRoot, kNextKey)), ErrorCode::kNotFound);
  EXPECT_EQ(Failure(volume_.GetAttributes(kRoot, shown.id, 0)), ErrorCode::kStale);
  EXPECT_EQ(Failure(volume_.SetAttributes(kRoot, shown.id, 0, {0400, {}, {}, {}, {}}, {})),
            ErrorCode::kStale);
}

TEST_F(VolumeNextTest, TheNextRotationMayComeAtOnce) {
  Rotate();
  // By opening the names that are still there, with truncation and without; the second starts from the live
  // bytes.
  Must(tree_.Put(kRoot, kNextKey, Vector("leaf.key")));
  const auto writer = Must(tree_.OpenToWrite(kRoot, kNextCert, kEdit));
  EXPECT_EQ(std::string(AsText(Must(volume_.Read(writer.node, writer.handle, 0, 1 << 20)).Reveal())),
            Text(new_cert_));
  const Bytes leaf = Vector("leaf.pem");
  Must(volume_.Write(kRoot, writer.handle, 0, leaf));
  Must(volume_.SetAttributes(kRoot, writer.node, writer.handle, {}, leaf.size()));
  Must(volume_.Flush(kRoot, writer.handle));
  volume_.Release(writer.node, writer.handle);
  EXPECT_EQ(Live(), TextOf("leaf.pem"));
  // Or after removing them, as install does.
  for (const char* const name : {"key.pem", "cert.pem"}) {
    Must(volume_.Unlink(kRoot, tree_.At(kNext).id, name));
    EXPECT_EQ(Failure(volume_.Lookup(kRoot, tree_.At(kNext).id, name)), ErrorCode::kNotFound);
    EXPECT_EQ(Failure(volume_.Unlink(kRoot, tree_.At(kNext).id, name)), ErrorCode::kNotFound);
  }
  EXPECT_EQ(Live(), TextOf("leaf.pem"));
  Rotate();
  EXPECT_EQ(Live(), Text(new_cert_));
}

TEST_F(VolumeNextTest, WhatIsSetByHandleAfterTheCommitIsLikeWhatIsSetByName) {
  Must(tree_.Put(kRoot, kNextKey, new_key_));
  const auto writer = Must(tree_.OpenToWrite(kRoot, kNextCert, kReplace));
  Must(volume_.Write(kRoot, writer.handle, 0, new_cert_));
  Must(volume_.Flush(kRoot, writer.handle));
  const Time old = tree_.now - std::chrono::hours(100);
  Must(volume_.SetAttributes(kRoot, writer.node, writer.handle, {0600, 7, {}, old, old}, {}));
  volume_.Release(writer.node, writer.handle);
  EXPECT_EQ(tree_.At(kLiveCert).attributes.mtime, old);
  EXPECT_EQ(tree_.At(kLiveCert).attributes.mode, 0644U);
  EXPECT_EQ(tree_.At(kLiveCert).attributes.uid, 0U);
}

TEST_F(VolumeNextTest, RemovingItAbandonsWhatIsStaged) {
  Must(tree_.Put(kRoot, kNextKey, new_key_));
  const NodeId entry = tree_.At(kEntry).id;
  const NodeId next = tree_.At(kNext).id;
  EXPECT_EQ(Failure(volume_.RemoveDirectory(kRoot, entry, "next")), ErrorCode::kNotEmpty);
  EXPECT_EQ(Failure(volume_.RemoveDirectory(kRoot, tree_.At("stores/machine").id, "web")),
            ErrorCode::kNotEmpty);
  Must(volume_.Unlink(kRoot, next, "key.pem"));
  Must(volume_.RemoveDirectory(kRoot, entry, "next"));
  EXPECT_EQ(Failure(volume_.RemoveDirectory(kRoot, entry, "next")), ErrorCode::kNotFound);
  EXPECT_EQ(tree_.Names(kEntry), (Names{"cert.pem", "key.pem"}));
  EXPECT_EQ(Live(kLiveKey), TextOf("leaf.key"));
  EXPECT_EQ(Failure(volume_.GetAttributes(kRoot, next, 0)), ErrorCode::kStale);
}

TEST_F(VolumeNextTest, ARefusalNamesTheStagedPathAndLeavesTheOtherWaiting) {
  Must(tree_.Put(kRoot, kNextKey, new_key_));
  EXPECT_EQ(Failure(tree_.Put(kRoot, kNextCert, Vector("leaf.pem"))), ErrorCode::kRejected);
  EXPECT_NE(tree_.listener.refusals.back().find("stores/machine/web/next/cert.pem"), std::string::npos);
  EXPECT_EQ(tree_.Names(kNext), Names{"key.pem"});
  EXPECT_EQ(Live(), TextOf("leaf.pem"));
  const NodeId next = tree_.At(kNext).id;
  for (const char* const name : {"crl.pem", "secret", "fullchain.pem"}) {
    EXPECT_EQ(Failure(volume_.Create(kRoot, next, name, kReplace)), ErrorCode::kNotPermitted) << name;
  }
}

TEST_F(VolumeNextTest, ARequestIsMadeByWritingItsConfiguration) {
  const std::string path = std::string(kNext) + "/request.cfg";
  Must(tree_.Put(kRoot, path, AsBytes(std::string_view("Name = web\n"))));
  EXPECT_EQ(tree_.Names(kNext), (Names{"key.pem", "request.cfg", "request.csr"}));
  const std::string request = Must(tree_.Get(kUser, std::string(kNext) + "/request.csr"));
  EXPECT_TRUE(request.starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
  EXPECT_EQ(tree_.At(std::string(kNext) + "/request.csr").attributes.mode, 0644U);
  EXPECT_EQ(tree_.At(kNextKey).attributes.mode, 0600U);
  const NodeId next = tree_.At(kNext).id;
  EXPECT_EQ(Failure(volume_.Stage(kRoot, tree_.At(std::string(kNext) + "/request.csr").id)),
            ErrorCode::kReadOnly);
  EXPECT_EQ(Failure(tree_.Put(kRoot, path, AsBytes(std::string_view("Colour = blue\n")))),
            ErrorCode::kMalformed);
  EXPECT_NE(tree_.listener.refusals.back().find("line 1: 'Colour'"), std::string::npos);
  Must(volume_.Unlink(kRoot, next, "request.csr"));
  EXPECT_EQ(Failure(volume_.Create(kRoot, next, "request.csr", kReplace)), ErrorCode::kReadOnly);
  const NodeId entry = tree_.At(kEntry).id;
  EXPECT_EQ(Failure(volume_.Create(kRoot, entry, "request.cfg", kReplace)), ErrorCode::kNotPermitted);
}

// Rule 11, across a rotation through next/.
TEST_F(VolumeNextTest, WhoIsBetweenTheTwoHalvesGetsThePairItBeganWith) {
  const Caller reader{1000, 1000, 300};
  const HandleId first = Must(volume_.Open(reader, tree_.At(kLiveCert).id, kRead));
  Rotate();
  const Node second = Must(tree_.Find(reader, kLiveKey));
  EXPECT_EQ(Must(tree_.ReadNode(reader, second.id)), TextOf("leaf.key"));
  EXPECT_EQ(Live(kLiveKey), Text(new_key_));
  volume_.Release(tree_.At(kLiveCert).id, first);
}

// An open that began before the commit, of a file that was staged.
TEST_F(VolumeNextTest, AStagedFileThatWentLiveIsLookedUpAgain) {
  Must(tree_.Put(kRoot, kNextKey, new_key_));
  const NodeId staged = tree_.At(kNextKey).id;
  Must(tree_.Put(kRoot, kNextCert, new_cert_));
  EXPECT_EQ(Failure(volume_.Open(kUser, staged, kRead)), ErrorCode::kStale);
  EXPECT_EQ(Must(tree_.ReadNode(kUser, Must(tree_.Find(kUser, kNextKey)).id)), Text(new_key_));
}

}  // namespace
}  // namespace certfs::test
