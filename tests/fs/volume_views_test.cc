// Goal: export/ and backup/ are what fs/README.md, "Views", says, without a kernel. Method: a volume in
// memory; names, nodes, bytes and refusals there, before and after what they show has changed.

#include "fs/volume.h"

#include <gtest/gtest.h>

#include "tests/fs/volume_fixture.h"

namespace certfs {
namespace {

using namespace certfs::test;

class Views : public testing::Test {
 protected:
  Views() {
    tree_.MakeDirectory("stores/machine", "web");
    Must(tree_.Put(kRoot, "stores/machine/web/key.pem", Vector("leaf.key")));
    Must(tree_.Put(kRoot, "stores/machine/web/cert.pem", Vector("leaf.pem")));
  }
  void SetPassword() {
    Settings settings;
    settings.export_password = SecretBytes::CopyOf(AsBytes("correct horse"));
    Must(tree_.keystore->SetSettings(settings));
  }

  Tree tree_;
};

TEST_F(Views, EveryFileReadsAsLargeAsItIsShown) {
  SetPassword();
  for (const char* directory : {"export/machine/web", "export/machine", "export", "backup"}) {
    for (const std::string& name : tree_.Names(directory)) {
      const std::string path = std::string(directory) + "/" + name;
      const Node node = tree_.At(path);
      if (node.type != NodeType::kFile) continue;
      EXPECT_EQ(Must(tree_.Get(kRoot, path)).size(), node.size) << path;
      EXPECT_GT(node.size, 0U) << path;
      EXPECT_TRUE(node.uncached) << path;
      EXPECT_EQ(Must(tree_.volume.GetAttributes(kRoot, node.id, 0)).size, node.size) << path;
    }
  }
}

TEST_F(Views, StoresAndEntriesAreShownUnderTheirNames) {
  const auto names = tree_.Names("export");
  EXPECT_EQ(std::count(names.begin(), names.end(), "machine"), 1);
  EXPECT_EQ(std::count(names.begin(), names.end(), "BACKUP_STORE"), 0);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "export/BACKUP_STORE")), ErrorCode::kNotFound);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "export/machine/nothing")), ErrorCode::kNotFound);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "export/machine/web/cert.pem")), ErrorCode::kNotFound);
  EXPECT_EQ(tree_.At("export/machine/web").type, NodeType::kDirectory);
  EXPECT_EQ(tree_.At("export/TRUSTED_ROOTS/hashed").type, NodeType::kDirectory);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "export/machine/hashed")), ErrorCode::kNotFound);
}

TEST_F(Views, AListingGoesOnWhereItStopped) {
  for (int i = 0; i < 40; ++i) tree_.MakeDirectory("stores/vpxd", "e" + std::to_string(i));
  std::vector<std::string> names;
  std::uint64_t offset = 0;
  for (bool more = true; more;) {
    more = false;
    Must(tree_.volume.List(kRoot, tree_.At("export/vpxd").id, offset, [&](const DirectoryItem& item) {
      if (more) return false;  // One at a time.
      names.emplace_back(item.name);
      offset = item.offset;
      more = true;
      return true;
    }));
  }
  EXPECT_EQ(names.size(), 2 + 40 + 1U);  // The dots, and index.json.
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST_F(Views, WhatIsOpenStaysAsItWas) {
  const Node node = tree_.At("export/machine/web/fullchain.pem");
  const HandleId handle = Must(tree_.volume.Open(kRoot, node.id, kRead));
  const auto before = Must(tree_.volume.Read(node.id, handle, 0, 1 << 20));
  Must(tree_.volume.Unlink(kRoot, tree_.At("stores/machine/web").id, "cert.pem"));
  EXPECT_EQ(Failure(tree_.Find(kRoot, "export/machine/web/fullchain.pem")), ErrorCode::kNotFound);
  const auto after = Must(tree_.volume.Read(node.id, handle, 0, 1 << 20));
  EXPECT_EQ(AsText(after.Reveal()), AsText(before.Reveal()));
  EXPECT_EQ(Must(tree_.volume.GetAttributes(kRoot, node.id, handle)).size, node.size);
  tree_.volume.Release(node.id, handle);
  EXPECT_EQ(Failure(tree_.volume.GetAttributes(kRoot, node.id, 0)), ErrorCode::kStale);
  EXPECT_EQ(Failure(tree_.volume.Open(kRoot, node.id, kRead)), ErrorCode::kStale);
}

TEST_F(Views, AnotherStateIsAnotherNodeAndTheSecondLookOpensIt) {
  const Node old = tree_.At("export/machine/web/info.txt");
  tree_.MakeDirectory("stores/TRUSTED_ROOTS", "root");
  Must(tree_.Put(kRoot, "stores/TRUSTED_ROOTS/root/cert.pem", Vector("root.pem")));
  EXPECT_NE(tree_.At("export/machine/web/info.txt").id, old.id);
  EXPECT_EQ(Failure(tree_.volume.Open(kRoot, old.id, kRead)), ErrorCode::kStale);
  // The kernel looks up again once; a third time would reach the user.
  const std::string second = Must(tree_.ReadNode(kRoot, old.id));
  EXPECT_EQ(second, Must(tree_.Get(kRoot, "export/machine/web/info.txt")));
}

TEST_F(Views, NothingChangesThere) {
  const NodeId entry = tree_.At("export/machine/web").id;
  const NodeId file = tree_.At("export/machine/web/info.txt").id;
  for (const NodeId parent : {NodeId::Of(Fixed::kExport), NodeId::Of(Fixed::kBackup), entry}) {
    EXPECT_EQ(Failure(tree_.volume.MakeDirectory(kRoot, parent, "next", 0755)), ErrorCode::kReadOnly);
    EXPECT_EQ(Failure(tree_.volume.RemoveDirectory(kRoot, parent, "machine")), ErrorCode::kReadOnly);
    EXPECT_EQ(Failure(tree_.volume.Unlink(kRoot, parent, "info.txt")), ErrorCode::kReadOnly);
    EXPECT_EQ(Failure(tree_.volume.Create(kRoot, parent, ".tmp", kReplace)), ErrorCode::kReadOnly);
    EXPECT_EQ(Failure(tree_.volume.Rename(kRoot, parent, "a", parent, ".b", 0)), ErrorCode::kReadOnly);
    EXPECT_EQ(Failure(tree_.volume.Link(kRoot, file, parent, ".c")), ErrorCode::kReadOnly);
    EXPECT_EQ(Failure(tree_.volume.SetAttributes(kRoot, parent, 0, {0777, {}, {}, {}, {}}, {})),
              ErrorCode::kReadOnly);
  }
  EXPECT_EQ(Failure(tree_.volume.Open(kRoot, file, kEdit)), ErrorCode::kReadOnly);
  EXPECT_EQ(Failure(tree_.volume.SetAttributes(kRoot, file, 0, {}, 0)), ErrorCode::kReadOnly);
}

TEST_F(Views, AChangeOfPermissionIsToldForEachView) {
  const Node combined = tree_.At("export/machine/web/combined.pem");
  const Node key = tree_.At("stores/machine/web/key.pem");
  Must(tree_.volume.SetAttributes(kRoot, key.id, 0, {0640, {}, {}, {}, {}}, {}));
  const auto& told = tree_.listener.attributes_changed;
  EXPECT_NE(std::find(told.begin(), told.end(), combined.id), told.end());
  EXPECT_EQ(tree_.At("export/machine/web/combined.pem").attributes.mode, 0640U);
  EXPECT_GT(tree_.listener.settled, 0);
}

TEST_F(Views, WithoutARecipientThereIsABackupThatDoesNotOpen) {
  const Node node = tree_.At("backup/keystore.cms");
  EXPECT_EQ(node.size, 0U);
  EXPECT_EQ(node.attributes.mode, 0600U);
  for (const char* path : {"backup/keystore.cms", "backup/manifest.json", "export/machine/web/keystore.p12"})
    EXPECT_EQ(Failure(tree_.Get(kRoot, path)), ErrorCode::kPasswordRequired) << path;
  EXPECT_NE(Must(tree_.Get(kRoot, "status/why")).find("backup/keystore.cms"), std::string::npos);
}

TEST_F(Views, ABackupIsTheSameUntilTheKeystoreChanges) {
  SetPassword();
  const std::string first = Must(tree_.Get(kRoot, "backup/keystore.cms"));
  EXPECT_EQ(Must(tree_.Get(kRoot, "backup/keystore.cms")), first);
  const Node old = tree_.At("backup/keystore.cms");
  const HandleId handle = Must(tree_.volume.Open(kRoot, old.id, kRead));
  tree_.MakeDirectory("stores/machine", "another");
  EXPECT_NE(tree_.At("backup/keystore.cms").id, old.id);
  EXPECT_NE(Must(tree_.Get(kRoot, "backup/keystore.cms")), first);
  // Who has it open reads on, from any place.
  for (const std::size_t at : {first.size() - 3, std::size_t{0}, first.size() / 2}) {
    const auto bytes = Must(tree_.volume.Read(old.id, handle, at, 3));
    EXPECT_EQ(AsText(bytes.Reveal()), std::string_view(first).substr(at, 3));
  }
  tree_.volume.Release(old.id, handle);
}

TEST_F(Views, ABackupThatNobodyReadsIsDropped) {
  SetPassword();
  const std::string first = Must(tree_.Get(kRoot, "backup/keystore.cms"));
  tree_.now += std::chrono::minutes(11);
  tree_.volume.DropExpired();
  // Made anew, with keys of its own: as large, and of the same archive.
  const std::string second = Must(tree_.Get(kRoot, "backup/keystore.cms"));
  EXPECT_NE(second, first);
  EXPECT_EQ(second.size(), first.size());
}

}  // namespace
}  // namespace certfs
