// Goal: fs/README.md, "Permissions": who keeps, changes and inherits an ACL. Method: the calls that setfacl,
// cp -p and mkdir come to, on a volume over a keystore in memory.

#include <algorithm>

#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr auto kEntry = "stores/machine/web";
constexpr auto kKey = "stores/machine/web/key.pem";
constexpr auto kCert = "stores/machine/web/cert.pem";
constexpr auto kNext = "stores/machine/web/next";

// u::rw-,u:1000:PERMISSIONS,g::---,m::PERMISSIONS,o::OTHERS
AccessControlList Granting(std::uint8_t permissions, std::uint8_t others = 0) {
  const Bytes bytes{2,           0,   0,   0,   1,  0, 6,      0, 255, 255, 255, 255, 2,  0, permissions, 0,
                    1000 & 0xff, 3,   0,   0,   4,  0, 0,      0, 255, 255, 255, 255, 16, 0, permissions, 0,
                    255,         255, 255, 255, 32, 0, others, 0, 255, 255, 255, 255};
  return Must(AccessControlList::Parse(bytes));
}

// The same list with the bits of `mode`.
AccessControlList Masked(AccessControlList acl, std::uint32_t mode) {
  acl.SetMode(mode);
  return acl;
}

AttributeChange AccessChange(const AccessControlList& acl) {
  AttributeChange change;
  change.access_acl = acl;
  return change;
}
AttributeChange DefaultChange(const AccessControlList& acl) {
  AttributeChange change;
  change.default_acl = acl;
  return change;
}
AttributeChange ModeChange(std::uint32_t mode) {
  AttributeChange change;
  change.mode = mode;
  return change;
}

Bytes NewKey() { return ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/serial.key"); }
Bytes NewCert() { return ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/serial-first.pem"); }

class VolumeAclTest : public testing::Test {
 protected:
  VolumeAclTest() { tree_.MakeDirectory("stores/machine", "web"); }

  void Pair() {
    Must(tree_.Put(kRoot, kKey, Vector("leaf.key")));
    Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
  }
  Result<Node> Set(const Caller& caller, NodeId node, const AttributeChange& change) {
    return volume_.SetAttributes(caller, node, 0, change, {});
  }
  Result<Node> Set(std::string_view path, const AttributeChange& change) {
    return Set(kRoot, tree_.At(path).id, change);
  }
  Attributes AttributesAt(std::string_view path) { return tree_.At(path).attributes; }
  bool WasTold(NodeId node) {
    const auto& told = tree_.listener.attributes_changed;
    return std::find(told.begin(), told.end(), node) != told.end();
  }

  Tree tree_;
  Volume& volume_ = tree_.volume;
};

TEST_F(VolumeAclTest, AGrantIsShownAndInStepWithTheMode) {
  Pair();
  const Node set = Must(Set(kKey, AccessChange(Granting(4))));
  EXPECT_EQ(set.attributes.mode, 0640U);
  EXPECT_EQ(AttributesAt(kKey).access_acl, Granting(4));
  Must(Set(kKey, ModeChange(0600)));
  EXPECT_EQ(AttributesAt(kKey).access_acl.mode(), 0600U);
  Must(Set(kKey, AccessChange({})));
  EXPECT_TRUE(AttributesAt(kKey).access_acl.empty());
  // Of directories both.
  Must(Set(kEntry, AccessChange(Granting(5, 5))));
  Must(Set(kEntry, DefaultChange(Granting(7, 7))));
  EXPECT_EQ(AttributesAt(kEntry).mode, 0655U);
  EXPECT_EQ(AttributesAt(kEntry).default_acl, Granting(7, 7));
  Must(Set("stores/machine", DefaultChange(Granting(7, 5))));
  EXPECT_EQ(AttributesAt("stores/machine").default_acl, Granting(7, 5));
}

TEST_F(VolumeAclTest, RefusesWhatMayNotBe) {
  Pair();
  EXPECT_EQ(Failure(Set(kKey, AccessChange(Granting(4, 4)))), ErrorCode::kNotPermitted);
  EXPECT_NE(tree_.listener.refusals.back().find("key-for-others"), std::string::npos);
  EXPECT_TRUE(AttributesAt(kKey).access_acl.empty());
  Must(Set(kCert, AccessChange(Granting(4, 4))));
  EXPECT_EQ(Failure(Set(kCert, DefaultChange(Granting(4)))), ErrorCode::kAccessDenied);
  for (const char* fixed : {"", "stores", "status", "status/why", "stores/BACKUP_STORE"}) {
    EXPECT_EQ(Failure(Set(fixed, AccessChange(Granting(5, 5)))), ErrorCode::kNotPermitted) << fixed;
    EXPECT_EQ(Failure(Set(fixed, DefaultChange(Granting(5, 5)))), ErrorCode::kNotPermitted) << fixed;
  }
}

TEST_F(VolumeAclTest, AReplacementKeepsItWhateverIsSetByItsHandle) {
  Pair();
  Must(Set(kCert, AccessChange(Granting(4, 4))));
  const auto writer = Must(tree_.OpenToWrite(kRoot, kCert, kReplace));
  // Whoever may write by the grant opens the staging inode with it.
  EXPECT_EQ(Must(volume_.GetAttributes(kRoot, writer.node, 0)).attributes.access_acl, Granting(4, 4));
  Bytes renewed = Vector("leaf.pem");
  renewed.insert(renewed.begin(), {'#', '\n'});
  Must(volume_.Write(kRoot, writer.handle, 0, renewed));
  const Node answer = Must(Set(kRoot, writer.node, AccessChange(Granting(7, 7))));
  EXPECT_EQ(answer.attributes.access_acl, Granting(4, 4));
  Must(volume_.Flush(kRoot, writer.handle));
  volume_.Release(writer.node, writer.handle);
  EXPECT_EQ(AttributesAt(kCert).access_acl, Granting(4, 4));
  EXPECT_EQ(AttributesAt(kCert).mode, 0644U);
  const auto key = Must(tree_.OpenToWrite(kRoot, kKey, kReplace));
  EXPECT_EQ(Failure(Set(kRoot, key.node, AccessChange(Granting(4, 4)))), ErrorCode::kNotPermitted);
  Must(Set(kRoot, key.node, AccessChange(Granting(4))));
  volume_.Release(key.node, key.handle);
  EXPECT_TRUE(AttributesAt(kKey).access_acl.empty());
}

TEST_F(VolumeAclTest, OnANewFileItHolds) {
  for (const bool chmod_last : {false, true}) {
    const auto writer = Must(tree_.OpenToWrite(kRoot, kKey, kReplace));
    EXPECT_EQ(Failure(Set(kRoot, writer.node, AccessChange(Granting(4, 4)))), ErrorCode::kNotPermitted);
    if (!chmod_last) Must(Set(kRoot, writer.node, ModeChange(0660)));
    Must(Set(kRoot, writer.node, AccessChange(Granting(4))));
    if (chmod_last) Must(Set(kRoot, writer.node, ModeChange(0660)));
    Must(volume_.Write(kRoot, writer.handle, 0, Vector("leaf.key")));
    Must(volume_.Flush(kRoot, writer.handle));
    AccessControlList expected = Granting(4);
    if (chmod_last) expected.SetMode(0660);
    EXPECT_EQ(AttributesAt(kKey).access_acl, expected) << chmod_last;
    EXPECT_EQ(AttributesAt(kKey).mode, chmod_last ? 0660U : 0640U);
    // After the commit it is the live file's, and the kernel hears of it.
    tree_.listener.attributes_changed.clear();
    Must(Set(kRoot, writer.node, AccessChange(Granting(6))));
    EXPECT_EQ(AttributesAt(kKey).access_acl, Granting(6));
    EXPECT_TRUE(WasTold(tree_.At(kKey).id));
    volume_.Release(writer.node, writer.handle);
    // By another process: what this one makes anew would be a replacement.
    Must(volume_.Unlink({0, 0, 101}, tree_.At(kEntry).id, "key.pem"));
  }
}

TEST_F(VolumeAclTest, AFileThatWasRemovedReturnsWithIt) {
  Pair();
  Must(Set(kKey, AccessChange(Granting(4))));
  const auto writer = Must(tree_.OpenToWrite(kRoot, kKey, kEdit));
  Must(volume_.Write(kRoot, writer.handle, 0, Vector("leaf.key")));
  Must(volume_.Unlink(kRoot, tree_.At(kEntry).id, "key.pem"));
  Must(volume_.Flush(kRoot, writer.handle));
  volume_.Release(writer.node, writer.handle);
  EXPECT_EQ(AttributesAt(kKey).access_acl, Granting(4));
}

TEST_F(VolumeAclTest, ThroughASupersededRevisionItIsTheLiveFilesAndItsOwners) {
  Pair();
  Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
  const Node old = tree_.At(kCert);
  const HandleId handle = Must(volume_.Open(kRoot, old.id, kRead));
  Bytes changed = Vector("leaf.pem");
  changed.insert(changed.begin(), {'#', '\n'});
  Must(tree_.Put(kRoot, kCert, changed));
  const Node live = tree_.At(kCert);
  ASSERT_NE(live.id, old.id);
  EXPECT_EQ(Failure(Set(kUser, old.id, AccessChange(Granting(7)))), ErrorCode::kNotPermitted);
  const int settled = tree_.listener.settled;
  Must(Set(kRoot, old.id, AccessChange(Granting(4, 4))));
  EXPECT_EQ(AttributesAt(kCert).access_acl, Granting(4, 4));
  EXPECT_TRUE(WasTold(live.id));
  EXPECT_GT(tree_.listener.settled, settled);
  volume_.Release(old.id, handle);
}

// The kernel permitted it by the owner that it knew.
TEST_F(VolumeAclTest, WhoOwnsAFileNoMoreChangesItNoMore) {
  Pair();
  const NodeId node = tree_.At(kCert).id;
  Must(Set(kRoot, node, {{}, kUser.uid, {}, {}, {}}));
  Must(Set(kUser, node, {0640, {}, {}, {}, {}}));
  Must(Set(kRoot, node, {{}, 7, {}, {}, {}}));
  EXPECT_EQ(Failure(Set(kUser, node, {0644, {}, {}, {}, {}})), ErrorCode::kNotPermitted);
  EXPECT_EQ(Failure(Set(kUser, node, AccessChange(Granting(7)))), ErrorCode::kNotPermitted);
  EXPECT_EQ(AttributesAt(kCert).mode, 0640U);
}

TEST_F(VolumeAclTest, WhatIsMadeInherits) {
  Must(Set("stores/machine", DefaultChange(Granting(5, 5))));
  const Caller masked{0, 0, 100, 077};
  const NodeId machine = tree_.At("stores/machine").id;
  const Node made = Must(volume_.MakeDirectory(masked, machine, "heir", 0755));
  EXPECT_EQ(made.attributes.access_acl, Granting(5, 5));
  EXPECT_EQ(made.attributes.default_acl, Granting(5, 5));
  // Without one the umask counts.
  EXPECT_EQ(Must(volume_.MakeDirectory(masked, tree_.At("stores/vpxd").id, "plain", 0755)).attributes.mode,
            0700U);
  EXPECT_EQ(Must(volume_.MakeDirectory(masked, NodeId::Of(Fixed::kStores), "mine", 0775)).attributes.mode,
            0700U);

  Must(tree_.Put(kRoot, "stores/machine/heir/key.pem", Vector("leaf.key")));
  EXPECT_EQ(AttributesAt("stores/machine/heir/key.pem").access_acl, Masked(Granting(5), 0640));
  Must(tree_.Put(kRoot, "stores/machine/heir/cert.pem", Vector("leaf.pem")));
  EXPECT_EQ(AttributesAt("stores/machine/heir/cert.pem").access_acl, Masked(Granting(5, 4), 0644));
  const Node next = Must(volume_.MakeDirectory(masked, tree_.At("stores/machine/heir").id, "next", 0755));
  EXPECT_EQ(next.attributes.default_acl, Granting(5, 5));
}

TEST_F(VolumeAclTest, AStagedPairGoesLiveWithWhatIsLiveOrElseWithItsOwn) {
  Must(Set(kEntry, DefaultChange(Granting(4))));
  tree_.MakeDirectory(kEntry, "next");
  const auto stage = [&](const Bytes& key, const Bytes& certificate) {
    Must(tree_.Put(kRoot, std::string(kNext) + "/key.pem", key));
    Must(tree_.Put(kRoot, std::string(kNext) + "/cert.pem", certificate));
  };
  stage(Vector("leaf.key"), Vector("leaf.pem"));
  EXPECT_EQ(AttributesAt(kKey).access_acl, Granting(4));
  // For a moment the names lead to the live files: nothing of an ACL is set there, as of a mode.
  const NodeId shown = tree_.At(std::string(kNext) + "/key.pem").id;
  Must(Set(kRoot, shown, AccessChange(Granting(7, 7))));
  EXPECT_EQ(AttributesAt(kKey).access_acl, Granting(4));
  EXPECT_EQ(Must(volume_.GetAttributes(kRoot, shown, 0)).attributes.access_acl, Granting(4));

  Must(Set(kKey, AccessChange(Granting(6))));
  stage(NewKey(), NewCert());
  EXPECT_EQ(AttributesAt(kKey).access_acl, Granting(6));
  // The state before is kept with its ACLs.
  EXPECT_EQ(AttributesAt("stores/BACKUP_STORE/bkp_web/key.pem").access_acl, Granting(6));
  EXPECT_EQ(AttributesAt("stores/BACKUP_STORE").mode, 0700U);
}

TEST_F(VolumeAclTest, AKeyMadeInsideInheritsToo) {
  Must(Set(kEntry, DefaultChange(Granting(5, 5))));
  tree_.MakeDirectory(kEntry, "next");
  Must(tree_.Put(kRoot, std::string(kNext) + "/request.cfg",
                 AsBytes("Country = DE\nName = web\nHostname = web\n")));
  EXPECT_EQ(AttributesAt(std::string(kNext) + "/key.pem").access_acl, Masked(Granting(5), 0640));
  EXPECT_EQ(AttributesAt(std::string(kNext) + "/request.csr").access_acl, Masked(Granting(5, 4), 0644));
}

}  // namespace
}  // namespace certfs::test
