// Goal: the tables of fs/README.md, "Directory × operation" and "File × operation", row by row, without a
// kernel. Method: each operation on each kind of directory, with the code that the table gives; lookups,
// listings, attributes.

#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

using testing::Test;

class VolumeTest : public Test {
 protected:
  VolumeTest() {
    entry_ = tree_.MakeDirectory("stores/machine", "web").id;
    Must(tree_.Put(kRoot, "stores/machine/web/key.pem", Vector("leaf.key")));
    Must(tree_.Put(kRoot, "stores/machine/web/cert.pem", Vector("leaf.pem")));
  }

  std::optional<ErrorCode> MakeDirectory(const Caller& caller, std::string_view parent,
                                         std::string_view name) {
    return Failure(volume_.MakeDirectory(caller, tree_.At(parent).id, name, 0755));
  }
  std::optional<ErrorCode> RemoveDirectory(const Caller& caller, std::string_view parent,
                                           std::string_view name) {
    return Failure(volume_.RemoveDirectory(caller, tree_.At(parent).id, name));
  }
  std::optional<ErrorCode> Unlink(const Caller& caller, std::string_view parent, std::string_view name) {
    return Failure(volume_.Unlink(caller, tree_.At(parent).id, name));
  }
  std::optional<ErrorCode> Rename(const Caller& caller, std::string_view parent, std::string_view name,
                                  std::string_view new_parent, std::string_view new_name,
                                  unsigned flags = 0) {
    return Failure(
        volume_.Rename(caller, tree_.At(parent).id, name, tree_.At(new_parent).id, new_name, flags));
  }
  std::optional<ErrorCode> Create(std::string_view parent, std::string_view name) {
    auto created = volume_.Create(kRoot, tree_.At(parent).id, name, kReplace);
    if (created.has_value()) volume_.Release(created.value().node.id, created.value().handle);
    return Failure(created);
  }
  std::optional<ErrorCode> Chmod(std::string_view path, std::uint32_t mode) {
    AttributeChange change;
    change.mode = mode;
    return Failure(volume_.SetAttributes(kRoot, tree_.At(path).id, 0, change, std::nullopt));
  }

  Tree tree_;
  Volume& volume_ = tree_.volume;
  NodeId entry_;
};

TEST_F(VolumeTest, TheTreeIsThatOfTheContract) {
  EXPECT_EQ(tree_.Names(""), (std::vector<std::string>{"stores", "status", "export", "backup", "ca"}));
  EXPECT_EQ(tree_.Names("status"),
            (std::vector<std::string>{"errors.log", "why", "version", "health.json", "expiry.txt",
                                      "metrics.prom", "report.html", "audit.jsonl"}));
  EXPECT_EQ(tree_.Names("stores").size(), 15U);  // Fourteen stores and the link.
  EXPECT_EQ(tree_.At("stores/TRUSTED_ROOT_CRLS").type, NodeType::kLink);
  EXPECT_EQ(Must(volume_.ReadLink(tree_.At("stores/TRUSTED_ROOT_CRLS").id)), "TRUSTED_ROOTS_CRLS");
  EXPECT_EQ(tree_.At("stores/BACKUP_STORE").attributes.mode, 0700U);
  EXPECT_EQ(tree_.At("status/errors.log").attributes.mode, 0640U);
  EXPECT_EQ(tree_.Names("stores/machine/web"), (std::vector<std::string>{"cert.pem", "key.pem"}));
}

TEST_F(VolumeTest, SizesAreThoseThatReadingGives) {
  for (const char* const path :
       {"stores/machine/web/cert.pem", "stores/machine/web/key.pem", "status/version"}) {
    EXPECT_EQ(tree_.At(path).size, Must(tree_.Get(kRoot, path)).size()) << path;
  }
}

TEST_F(VolumeTest, KeyMaterialStaysOutOfThePageCache) {
  EXPECT_TRUE(tree_.At("stores/machine/web/key.pem").uncached);
  EXPECT_FALSE(tree_.At("stores/machine/web/cert.pem").uncached);
  EXPECT_TRUE(tree_.At("status/why").uncached);
}

TEST_F(VolumeTest, NoLookupFindsWhatIsNotThere) {
  for (const char* const path :
       {"other", "stores/nothing", "stores/machine/nothing", "stores/machine/web/crl.pem",
        "stores/machine/WEB", "stores/MACHINE", "stores/machine/a@b", "status/other"}) {
    EXPECT_EQ(Failure(tree_.Find(kRoot, path)), ErrorCode::kNotFound) << path;
  }
  EXPECT_EQ(Failure(tree_.Find(kRoot, "stores/" + std::string(129, 'x'))), ErrorCode::kNameTooLong);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "stores/machine/" + std::string(121, 'x'))), ErrorCode::kNameTooLong);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "status/" + std::string(256, 'x'))), ErrorCode::kNameTooLong);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "status/" + std::string(255, 'x'))), ErrorCode::kNotFound);
}

// "The times of what is fixed are the mount's beginning; those of `stores` move when a store comes, goes or
// is renamed, those of the status files whenever they are looked at."
TEST_F(VolumeTest, TheTimesOfWhatIsFixed) {
  const Time began = tree_.now;
  const auto mtime = [&](std::string_view path) { return tree_.At(path).attributes.mtime; };
  const auto later = [&] { return tree_.now += std::chrono::minutes(1); };
  later();
  for (const char* const path : {"", "stores", "status", "stores/TRUSTED_ROOT_CRLS"})
    EXPECT_EQ(mtime(path), began) << path;
  EXPECT_EQ(mtime("status/why"), tree_.now);
  const Time came = tree_.now;
  ASSERT_EQ(MakeDirectory(kRoot, "stores", "mine"), std::nullopt);
  later();
  EXPECT_EQ(MakeDirectory(kRoot, "stores", "mine"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Rename(kRoot, "stores", "mine", "stores", "machine"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(RemoveDirectory(kRoot, "stores", "machine"), ErrorCode::kNotEmpty);
  EXPECT_EQ(mtime("stores"), came);
  const Time renamed = later();
  ASSERT_EQ(Rename(kRoot, "stores", "mine", "stores", "ours"), std::nullopt);
  later();
  EXPECT_EQ(mtime("stores"), renamed);
  const Time went = later();
  ASSERT_EQ(RemoveDirectory(kRoot, "stores", "ours"), std::nullopt);
  later();
  EXPECT_EQ(mtime("stores"), went);
  EXPECT_EQ(mtime(""), began);
}

TEST_F(VolumeTest, DirectoriesCountNoLinks) {
  for (const char* const path : {"", "stores", "status", "stores/machine", "stores/machine/web"})
    EXPECT_EQ(tree_.At(path).links, 1U) << path;
}

TEST_F(VolumeTest, WhatIsMadeInADirectoryWithTheSetGroupIdBitHasItsGroup) {
  constexpr std::uint32_t kGroup = 77;
  AttributeChange change;
  change.gid = kGroup;
  change.mode = 02755;
  Must(volume_.SetAttributes(kRoot, tree_.At("stores/machine").id, 0, change, std::nullopt));
  const auto group = [&](std::string_view path) { return tree_.At(path).attributes.gid; };
  // What was there before is as it was.
  EXPECT_EQ(group("stores/machine/web"), 0U);
  tree_.MakeDirectory("stores/machine", "new");
  tree_.MakeDirectory("stores/machine/new", "next");
  for (const char* const path : {"stores/machine/new", "stores/machine/new/next"}) {
    EXPECT_EQ(group(path), kGroup) << path;
    EXPECT_EQ(tree_.At(path).attributes.mode, 02755U) << path;
  }
  Must(tree_.Put(kRoot, "stores/machine/new/key.pem", Vector("leaf.key")));
  EXPECT_EQ(group("stores/machine/new/key.pem"), kGroup);
  EXPECT_EQ(tree_.At("stores/machine/new/key.pem").attributes.mode, 0600U);
  // A group that was given to a file stays through a replacement.
  change = {};
  change.gid = kGroup + 1;
  Must(volume_.SetAttributes(kRoot, tree_.At("stores/machine/web/cert.pem").id, 0, change, std::nullopt));
  change.gid = kGroup;
  change.mode = 02755;
  Must(volume_.SetAttributes(kRoot, tree_.At("stores/machine/web").id, 0, change, std::nullopt));
  Must(tree_.Put(kRoot, "stores/machine/web/cert.pem", Vector("chain.pem")));
  EXPECT_EQ(group("stores/machine/web/cert.pem"), kGroup + 1);
}

TEST_F(VolumeTest, MkdirRow) {
  EXPECT_EQ(MakeDirectory(kRoot, "", "x"), ErrorCode::kNotPermitted);
  EXPECT_EQ(MakeDirectory(kRoot, "status", "x"), ErrorCode::kNotPermitted);
  EXPECT_EQ(MakeDirectory(kRoot, "stores", "mine"), std::nullopt);
  EXPECT_EQ(MakeDirectory(kRoot, "stores", "Mine"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(MakeDirectory(kRoot, "stores", "trusted_root_crls"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(MakeDirectory(kRoot, "stores", ".mine"), ErrorCode::kMalformed);
  EXPECT_EQ(MakeDirectory(kRoot, "stores", std::string(129, 'x')), ErrorCode::kNameTooLong);
  EXPECT_EQ(MakeDirectory(kRoot, "stores/machine", "Web"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(MakeDirectory(kRoot, "stores/machine", "a@b"), ErrorCode::kMalformed);
  EXPECT_EQ(MakeDirectory(kRoot, "stores/machine", std::string(121, 'x')), ErrorCode::kNameTooLong);
  EXPECT_EQ(MakeDirectory(kRoot, "stores/BACKUP_STORE", "x"), ErrorCode::kReadOnly);
  EXPECT_EQ(MakeDirectory(kRoot, "stores/machine/web", "other"), ErrorCode::kNotPermitted);
}

TEST_F(VolumeTest, RmdirRow) {
  EXPECT_EQ(RemoveDirectory(kRoot, "", "stores"), ErrorCode::kNotPermitted);
  EXPECT_EQ(RemoveDirectory(kRoot, "stores", "machine"), ErrorCode::kNotEmpty);
  EXPECT_EQ(RemoveDirectory(kRoot, "stores", "vpxd"), std::nullopt);
  EXPECT_EQ(RemoveDirectory(kRoot, "stores", "vpxd"), ErrorCode::kNotFound);
  for (const char* const store :
       {"MACHINE_SSL_CERT", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS", "BACKUP_STORE"}) {
    EXPECT_EQ(RemoveDirectory(kRoot, "stores", store), ErrorCode::kNotPermitted) << store;
  }
  EXPECT_EQ(RemoveDirectory(kRoot, "stores", "TRUSTED_ROOT_CRLS"), ErrorCode::kNotADirectory);
  EXPECT_EQ(RemoveDirectory(kRoot, "stores/machine", "web"), ErrorCode::kNotEmpty);
  EXPECT_EQ(RemoveDirectory(kRoot, "stores/machine/web", "cert.pem"), ErrorCode::kNotADirectory);
  tree_.MakeDirectory("stores/TRUSTED_ROOTS", "r");
  EXPECT_EQ(RemoveDirectory(kUser, "stores/TRUSTED_ROOTS", "r"), ErrorCode::kNotPermitted);
  EXPECT_EQ(RemoveDirectory(kRoot, "stores/TRUSTED_ROOTS", "r"), std::nullopt);
}

TEST_F(VolumeTest, EntriesOfTheCrlStoreStayOnceTheyHoldOne) {
  tree_.MakeDirectory("stores/TRUSTED_ROOTS", "r");
  Must(tree_.Put(kRoot, "stores/TRUSTED_ROOTS/r/cert.pem", Vector("root.pem")));
  tree_.MakeDirectory("stores/TRUSTED_ROOTS_CRLS", "unused");
  EXPECT_EQ(RemoveDirectory(kRoot, "stores/TRUSTED_ROOTS_CRLS", "unused"), std::nullopt);
  tree_.MakeDirectory("stores/TRUSTED_ROOTS_CRLS", "r");
  Must(tree_.Put(kRoot, "stores/TRUSTED_ROOTS_CRLS/r/crl.pem", Vector("crl-5.pem")));
  EXPECT_EQ(Unlink(kRoot, "stores/TRUSTED_ROOTS_CRLS/r", "crl.pem"), ErrorCode::kNotPermitted);
  EXPECT_EQ(RemoveDirectory(kRoot, "stores/TRUSTED_ROOTS_CRLS", "r"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Must(tree_.Get(kRoot, "stores/TRUSTED_ROOTS_CRLS/r/crl.pem")), TextOf("crl-5.pem"));
}

TEST_F(VolumeTest, CreateRow) {
  EXPECT_EQ(Create("", "x"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Create("status", "x"), ErrorCode::kReadOnly);
  EXPECT_EQ(Create("stores", "cert.pem"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Create("stores/machine", "cert.pem"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Create("stores/BACKUP_STORE", "cert.pem"), ErrorCode::kReadOnly);
  tree_.MakeDirectory("stores/machine", "new");
  for (const char* const name : {"cert.pem", "key.pem", "crl.pem", "secret"}) {
    EXPECT_EQ(Create("stores/machine/new", name), std::nullopt) << name;
  }
  for (const char* const name : {"notes.txt", "cert.der", "CERT.PEM"}) {
    EXPECT_EQ(Create("stores/machine/new", name), ErrorCode::kNotPermitted) << name;
  }
  // What stores hold.
  EXPECT_EQ(Create("stores/machine/web", "crl.pem"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Create("stores/machine/web", "secret"), ErrorCode::kNotPermitted);
  tree_.MakeDirectory("stores/APPLMGMT_PASSWORD", "p");
  EXPECT_EQ(Create("stores/APPLMGMT_PASSWORD/p", "secret"), std::nullopt);
  EXPECT_EQ(Create("stores/APPLMGMT_PASSWORD/p", "cert.pem"), ErrorCode::kNotPermitted);
  tree_.MakeDirectory("stores/TRUSTED_ROOTS", "r");
  EXPECT_EQ(Create("stores/TRUSTED_ROOTS/r", "key.pem"), ErrorCode::kNotPermitted);
}

TEST_F(VolumeTest, UnlinkRow) {
  EXPECT_EQ(Unlink(kRoot, "status", "why"), ErrorCode::kReadOnly);
  EXPECT_EQ(Unlink(kRoot, "stores", "TRUSTED_ROOT_CRLS"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Unlink(kRoot, "stores", "machine"), ErrorCode::kIsADirectory);
  EXPECT_EQ(Unlink(kRoot, "stores/machine", "web"), ErrorCode::kIsADirectory);
  EXPECT_EQ(Unlink(kRoot, "stores/machine/web", "crl.pem"), ErrorCode::kNotFound);
  EXPECT_EQ(Unlink(kRoot, "stores/machine/web", "cert.pem"), std::nullopt);
  EXPECT_EQ(Must(tree_.Get(kRoot, "stores/machine/web/key.pem")), TextOf("leaf.key"));
}

TEST_F(VolumeTest, RenameRow) {
  EXPECT_EQ(Rename(kRoot, "", "stores", "", "s"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Rename(kRoot, "stores", "vpxd", "stores", "ours"), std::nullopt);
  EXPECT_EQ(Rename(kRoot, "stores", "ours", "stores", "HVC"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Rename(kRoot, "stores", "ours", "stores", "TRUSTED_ROOT_CRLS"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Rename(kRoot, "stores", "ours", "stores/machine", "x"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Rename(kRoot, "stores", "MACHINE_SSL_CERT", "stores", "x"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Rename(kRoot, "stores", "TRUSTED_ROOT_CRLS", "stores", "x"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Rename(kRoot, "stores/machine", "web", "stores/machine", "WEB"), std::nullopt);
  tree_.MakeDirectory("stores/machine", "other");
  EXPECT_EQ(Rename(kRoot, "stores/machine", "WEB", "stores/machine", "Other"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Rename(kRoot, "stores/machine", "WEB", "stores/hvc", "web"), ErrorCode::kCrossStore);
  EXPECT_EQ(Rename(kRoot, "stores/machine", "WEB", "stores", "web"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Rename(kRoot, "stores/machine", "WEB", "stores/machine", "a@b"), ErrorCode::kMalformed);
  EXPECT_EQ(Rename(kRoot, "stores/machine/WEB", "key.pem", "stores/machine/WEB", "cert.pem"),
            ErrorCode::kNotPermitted);
  EXPECT_EQ(Rename(kRoot, "stores/machine", "WEB", "stores/machine", "x", 1), std::nullopt);  // NOREPLACE
  EXPECT_EQ(Rename(kRoot, "stores/machine", "x", "stores/machine", "y", 2), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Rename(kRoot, "stores/machine", "x", "stores/machine", "y", 4), ErrorCode::kInvalidArgument);
  tree_.MakeDirectory("stores/TRUSTED_ROOTS", "r");
  EXPECT_EQ(Rename(kUser, "stores/TRUSTED_ROOTS", "r", "stores/TRUSTED_ROOTS", "s"),
            ErrorCode::kNotPermitted);
  EXPECT_EQ(Rename(kRoot, "stores/TRUSTED_ROOTS", "r", "stores/TRUSTED_ROOTS", "s"), std::nullopt);
  EXPECT_EQ(Must(tree_.Get(kRoot, "stores/machine/x/cert.pem")), TextOf("leaf.pem"));
}

TEST_F(VolumeTest, ChmodRow) {
  EXPECT_EQ(Chmod("", 0700), ErrorCode::kNotPermitted);
  EXPECT_EQ(Chmod("stores", 0700), ErrorCode::kNotPermitted);
  EXPECT_EQ(Chmod("status/version", 0600), ErrorCode::kNotPermitted);
  EXPECT_EQ(Chmod("stores/BACKUP_STORE", 0755), ErrorCode::kNotPermitted);
  EXPECT_EQ(Chmod("stores/machine", 0711), std::nullopt);
  EXPECT_EQ(Chmod("stores/machine/web", 0701), std::nullopt);
  EXPECT_EQ(Chmod("stores/machine/web/cert.pem", 0444), std::nullopt);
  EXPECT_EQ(Chmod("stores/machine/web/key.pem", 0640), std::nullopt);
  for (const std::uint32_t mode : {0604U, 0602U, 0601U, 0644U, 0777U}) {
    EXPECT_EQ(Chmod("stores/machine/web/key.pem", mode), ErrorCode::kNotPermitted) << mode;
  }
  EXPECT_EQ(tree_.At("stores/machine").attributes.mode, 0711U);
  EXPECT_EQ(tree_.At("stores/machine/web").attributes.mode, 0701U);
  EXPECT_EQ(tree_.At("stores/machine/web/cert.pem").attributes.mode, 0444U);
  EXPECT_EQ(tree_.At("stores/machine/web/key.pem").attributes.mode, 0640U);
}

TEST_F(VolumeTest, TruncatingByPathIsRefusedWithAReason) {
  const auto outcome =
      volume_.SetAttributes(kRoot, tree_.At("stores/machine/web/cert.pem").id, 0, {}, std::uint64_t{0});
  EXPECT_EQ(Failure(outcome), ErrorCode::kNotPermitted);
  EXPECT_NE(tree_.listener.refusals.back().find("truncating by path"), std::string::npos);
  EXPECT_EQ(Failure(volume_.SetAttributes(kRoot, tree_.At("status/why").id, 0, {}, std::uint64_t{0})),
            ErrorCode::kReadOnly);
}

TEST_F(VolumeTest, GeneratedFilesAreNotWritten) {
  for (const char* const path : {"status/why", "status/errors.log", "status/version"}) {
    EXPECT_EQ(Failure(volume_.Open(kRoot, tree_.At(path).id, kReplace)), ErrorCode::kReadOnly) << path;
    EXPECT_EQ(Failure(volume_.Stage(kRoot, tree_.At(path).id)), ErrorCode::kReadOnly) << path;
  }
  EXPECT_EQ(Failure(volume_.Open(kRoot, tree_.At("stores").id, kRead)), ErrorCode::kIsADirectory);
  EXPECT_EQ(Failure(volume_.Open(kRoot, entry_, kRead)), ErrorCode::kIsADirectory);
  EXPECT_EQ(Failure(volume_.Stage(kRoot, entry_)), ErrorCode::kIsADirectory);
}

TEST_F(VolumeTest, AStatusFileKeepsTheBytesItHadAtOpen) {
  EXPECT_EQ(Failure(tree_.Put(kUser, "stores/machine/web/cert.pem", AsBytes("garbage"))),
            ErrorCode::kMalformed);
  const NodeId why = tree_.At("status/why").id;
  const HandleId handle = Must(volume_.Open(kUser, why, kRead));
  const std::uint64_t size = Must(volume_.GetAttributes(kUser, why, handle)).size;
  EXPECT_EQ(Failure(tree_.Put(kUser, "stores/machine/web/cert.pem", AsBytes("garbage"))),
            ErrorCode::kMalformed);
  EXPECT_EQ(Must(volume_.GetAttributes(kUser, why, handle)).size, size);
  const auto bytes = Must(volume_.Read(why, handle, 0, 1 << 20));
  EXPECT_EQ(bytes.size(), size);
  const std::string text(AsText(bytes.Reveal()));
  EXPECT_NE(text.find("stores/machine/web/cert.pem: malformed: unreadable"), std::string::npos) << text;
  volume_.Release(why, handle);
  EXPECT_EQ(Must(tree_.Get(kRoot, "status/why")), "");  // Another user's.
}

// A listing needs no state: going on from any offset gives the rest, also while other entries come and go.
TEST_F(VolumeTest, ListingsGoOnFromAnyOffset) {
  std::set<std::string> expected{"web"};
  for (int i = 0; i < 100; ++i) {
    tree_.MakeDirectory("stores/machine", "e" + std::to_string(i));
    expected.insert("e" + std::to_string(i));
  }
  const NodeId store = tree_.At("stores/machine").id;
  std::set<std::string> seen;
  std::uint64_t offset = 0;
  for (int step = 0;; ++step) {
    std::size_t taken = 0;
    Must(volume_.List(kRoot, store, offset, [&](const DirectoryItem& item) {
      if (taken == 7) return false;
      ++taken;
      if (item.name != "." && item.name != "..") {
        EXPECT_TRUE(seen.emplace(item.name).second) << item.name;
      }
      offset = item.offset;
      return true;
    }));
    if (taken == 0) break;
    tree_.MakeDirectory("stores/machine", "x" + std::to_string(step));
  }
  for (const std::string& name : expected) EXPECT_TRUE(seen.contains(name)) << name;
}

TEST_F(VolumeTest, ADirectoryThatIsGoneIsStale) {
  const NodeId gone = tree_.MakeDirectory("stores/machine", "gone").id;
  EXPECT_EQ(RemoveDirectory(kRoot, "stores/machine", "gone"), std::nullopt);
  EXPECT_EQ(Failure(volume_.Lookup(kRoot, gone, "cert.pem")), ErrorCode::kStale);
  EXPECT_EQ(Failure(volume_.GetAttributes(kRoot, gone, 0)), ErrorCode::kStale);
  EXPECT_EQ(Failure(volume_.List(kRoot, gone, 0, [](const DirectoryItem&) { return true; })),
            ErrorCode::kStale);
}

TEST_F(VolumeTest, RefusalsNamePathAndReason) {
  EXPECT_EQ(RemoveDirectory(kUser, "stores", "TRUSTED_ROOTS"), ErrorCode::kNotPermitted);
  EXPECT_NE(tree_.listener.refusals.back().find("stores/TRUSTED_ROOTS: not-permitted: protected-store"),
            std::string::npos);
  EXPECT_EQ(Create("stores/machine/web", "notes.txt"), ErrorCode::kNotPermitted);
  EXPECT_NE(tree_.listener.refusals.back().find("stores/machine/web/notes.txt"), std::string::npos);
  EXPECT_EQ(Failure(volume_.MakeSpecial(kUser, tree_.At("stores/machine/web").id, "link")),
            ErrorCode::kNotPermitted);
  EXPECT_NE(tree_.listener.refusals.back().find("stores/machine/web/link"), std::string::npos);
  // What any program provokes as a matter of course is no line.
  const std::size_t lines = tree_.listener.refusals.size();
  EXPECT_EQ(MakeDirectory(kRoot, "stores/machine", "web"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(tree_.listener.refusals.size(), lines);
}

}  // namespace
}  // namespace certfs::test
