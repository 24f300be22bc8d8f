// Goal: fs/README.md, "Scratch" and "In two halves": what tools do beside a file before they replace it.
// Method: the calls of mktemp, sed, vim, rsync, install and touch, in order, on a volume over a keystore in
// memory.

#include <algorithm>

#include "crypto/pem.h"
#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr auto kEntry = "stores/machine/web";
constexpr auto kCert = "stores/machine/web/cert.pem";
constexpr auto kKey = "stores/machine/web/key.pem";
constexpr auto kTemporary = "stores/machine/web/.cert.pem.Xa3k9Q";
constexpr unsigned kNoReplace = 1;
constexpr unsigned kExchange = 2;

using enum ErrorCode;
using Names = std::vector<std::string>;

class VolumeScratchTest : public testing::Test {
 protected:
  VolumeScratchTest() {
    entry_ = tree_.MakeDirectory("stores/machine", "web").id;
    Must(tree_.Put(kRoot, kKey, Vector("leaf.key")));
    Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
  }

  Result<HandleId> Make(const Caller& caller, std::string_view name, std::uint32_t mode = 0600) {
    return TRY(volume_.Create(caller, entry_, name, kReplace, mode)).handle;
  }
  // Makes a scratch file with that content and closes it.
  void Fill(const Caller& caller, std::string_view name, std::string_view text) {
    const auto made = Must(volume_.Create(caller, entry_, name, kReplace));
    Must(volume_.Write(caller, made.handle, 0, AsBytes(text)));
    Must(volume_.Flush(caller, made.handle));
    volume_.Release(made.node.id, made.handle);
  }
  Result<void> Rename(const Caller& caller, std::string_view from, std::string_view to, unsigned flags = 0) {
    return volume_.Rename(caller, entry_, from, entry_, to, flags);
  }
  Result<Node> Look(const Caller& caller, std::string_view name) {
    return volume_.Lookup(caller, entry_, name);
  }
  std::optional<ErrorCode> Missing(const Caller& caller, std::string_view name) {
    return Failure(Look(caller, name));
  }
  std::string Read(const Caller& caller, std::string_view name) {
    return Must(tree_.ReadNode(caller, Must(Look(caller, name)).id));
  }
  Result<Node> Set(const Caller& caller, std::string_view name, const AttributeChange& change,
                   std::optional<std::uint64_t> size = {}) {
    return volume_.SetAttributes(caller, TRY(Look(caller, name)).id, 0, change, size);
  }
  Names NamesOf(const Caller& caller, NodeId directory) {
    Names names;
    Must(volume_.List(caller, directory, 0, [&](const DirectoryItem& item) {
      if (item.name != "." && item.name != "..") names.emplace_back(item.name);
      return true;
    }));
    return names;
  }
  std::string Live() { return Must(tree_.Get(kRoot, kCert)); }
  std::string Kept() {
    const auto kept = tree_.Get(kRoot, "stores/BACKUP_STORE/bkp_web/cert.pem");
    return kept.has_value() ? kept.value() : "";
  }

  Tree tree_;
  Volume& volume_ = tree_.volume;
  NodeId entry_;
  const std::string leaf_ = TextOf("leaf.pem");
  const std::string chain_ = TextOf("chain.pem");
  const Caller other_{0, 0, 300};  // Another process of root.
};

// --- Scratch

TEST_F(VolumeScratchTest, IsItsMakersAlone) {
  Fill(kUser, ".cert.pem.Xa3k9Q", "anything");
  EXPECT_EQ(Read(kUser, ".cert.pem.Xa3k9Q"), "anything");
  EXPECT_EQ(Missing(kRoot, ".cert.pem.Xa3k9Q"), kNotFound);
  EXPECT_EQ(NamesOf(kUser, entry_), (Names{"cert.pem", "key.pem", ".cert.pem.Xa3k9Q"}));
  EXPECT_EQ(NamesOf(kRoot, entry_), (Names{"cert.pem", "key.pem"}));
  EXPECT_EQ(Failure(volume_.Unlink(kRoot, entry_, ".cert.pem.Xa3k9Q")), kNotFound);
  EXPECT_EQ(Failure(volume_.Rename(kRoot, entry_, ".cert.pem.Xa3k9Q", entry_, "cert.pem", 0)), kNotPermitted);
  // Another user may have one of the same name; mktemp, edit and mv of one user are three processes.
  Fill(kRoot, ".cert.pem.Xa3k9Q", chain_);
  EXPECT_EQ(Read(kUser, ".cert.pem.Xa3k9Q"), "anything");
  Must(Rename(other_, ".cert.pem.Xa3k9Q", "cert.pem"));
  EXPECT_EQ(Live(), chain_);
  Must(volume_.Unlink(kUser, entry_, ".cert.pem.Xa3k9Q"));
  EXPECT_EQ(Missing(kUser, ".cert.pem.Xa3k9Q"), kNotFound);
}

TEST_F(VolumeScratchTest, OtherNamesAreNotPermitted) {
  for (const char* const name : {"cert", "web.pem", "4914", "x"})
    EXPECT_EQ(Failure(Make(kRoot, name)), kNotPermitted) << name;
  EXPECT_EQ(Failure(Make(kRoot, "." + std::string(255, 'x'))), kNameTooLong);
  EXPECT_EQ(Failure(volume_.Create(kRoot, tree_.At("stores/machine").id, ".x", kReplace)), kNotPermitted);
  EXPECT_EQ(Failure(volume_.Create(kRoot, tree_.At("stores").id, ".x", kReplace)), kNotPermitted);
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  const NodeId kept = tree_.At("stores/BACKUP_STORE/bkp_web").id;
  EXPECT_EQ(Failure(volume_.Create(kRoot, kept, ".x", kReplace)), kReadOnly);
  EXPECT_EQ(Failure(volume_.MakeDirectory(kRoot, kept, ".x", 0700)), kReadOnly);
  EXPECT_EQ(Failure(volume_.Rename(kRoot, kept, "cert.pem", kept, "cert.pem~", 0)), kNotPermitted);
}

TEST_F(VolumeScratchTest, StaysMutableAndIsNeverJudged) {
  const auto made = Must(volume_.Create(kRoot, entry_, ".t", kReplace, 0640));
  Must(volume_.Write(kRoot, made.handle, 0, AsBytes(std::string_view("garbage"))));
  Must(volume_.Flush(kRoot, made.handle));
  Must(volume_.Sync(kRoot, made.handle));
  volume_.Release(made.node.id, made.handle);
  EXPECT_EQ(Must(Look(kRoot, ".t")).attributes.mode, 0640U);
  EXPECT_EQ(Must(Set(kRoot, ".t", {0600, 5, 6, {}, Time(std::chrono::seconds(3))})).attributes.uid, 5U);
  EXPECT_EQ(Must(Look(kRoot, ".t")).attributes.mtime, Time(std::chrono::seconds(3)));
  EXPECT_EQ(Must(Set(kRoot, ".t", {}, 3)).size, 3U);
  EXPECT_EQ(Read(kRoot, ".t"), "gar");
  // Several may have it open, and see what the others write; appending goes to its end.
  const NodeId node = Must(Look(kRoot, ".t")).id;
  const HandleId reader = Must(volume_.Open(kRoot, node, kRead));
  const HandleId writer = Must(volume_.Open(kRoot, node, {false, true, true, false}));
  Must(volume_.Write(kRoot, writer, 0, AsBytes(std::string_view("lic"))));
  EXPECT_EQ(AsText(Must(volume_.Read(node, reader, 0, 100)).Reveal()), "garlic");
  // Without a name it is there for whoever has it open.
  Must(volume_.Unlink(kRoot, entry_, ".t"));
  EXPECT_EQ(AsText(Must(volume_.Read(node, reader, 0, 100)).Reveal()), "garlic");
  EXPECT_EQ(Must(volume_.GetAttributes(kRoot, node, 0)).links, 0U);
  volume_.Release(node, reader);
  volume_.Release(node, writer);
  EXPECT_EQ(Failure(volume_.GetAttributes(kRoot, node, 0)), kStale);
  const HandleId empty = Must(Make(kRoot, ".e"));
  const auto mib = std::string(kFileBytesMax, 'x');
  Must(volume_.Write(kRoot, empty, 0, AsBytes(mib)));
  EXPECT_EQ(Failure(volume_.Write(kRoot, empty, mib.size(), AsBytes(std::string_view("x")))), kTooLarge);
  EXPECT_EQ(Failure(Set(kRoot, ".e", {}, mib.size() + 1)), kTooLarge);
  EXPECT_EQ(Failure(volume_.Write(kRoot, 12345, 0, AsBytes(std::string_view("x")))), kIo);
}

TEST_F(VolumeScratchTest, HasNoBitsForOthersWhateverIsAsked) {
  Fill(kRoot, ".key.pem.Xa3k9Q", TextOf("leaf.key"));
  EXPECT_EQ(Must(Set(kRoot, ".key.pem.Xa3k9Q", {0644, {}, {}, {}, {}})).attributes.mode, 0640U);
  EXPECT_EQ(Must(volume_.Create(kRoot, entry_, ".t", kReplace, 0666)).node.attributes.mode, 0660U);
}

// rsync, sed: the error of the rename reaches them; the temporary file stays after it, and goes with success.
TEST_F(VolumeScratchTest, IsJudgedWhenItIsRenamedToALiveName) {
  Fill(kRoot, "sedAbCdE", "garbage");
  EXPECT_EQ(Failure(Rename(kRoot, "sedAbCdE", "cert.pem")), kMalformed);
  EXPECT_NE(tree_.listener.refusals.back().find("stores/machine/web/cert.pem: malformed"), std::string::npos);
  EXPECT_EQ(tree_.listener.refusals.size(), 1U);
  EXPECT_EQ(Read(kRoot, "sedAbCdE"), "garbage");
  EXPECT_EQ(Live(), leaf_);
  Fill(kRoot, ".o", TextOf("other.key"));
  EXPECT_EQ(Failure(Rename(kRoot, ".o", "key.pem")), kRejected);
  EXPECT_EQ(Failure(Rename(kRoot, ".o", "secret")), kNotPermitted);
  EXPECT_EQ(Failure(Rename(kRoot, ".o", "unknown")), kNotPermitted);
  Must(Make(kRoot, ".empty"));
  EXPECT_EQ(Failure(Rename(kRoot, ".empty", "cert.pem")), kInvalidArgument);

  Must(Set(kRoot, "cert.pem", {0640, 7, 8, {}, {}}));
  Fill(kRoot, "sedFgHiJ", chain_);
  Must(Set(kRoot, "sedFgHiJ", {0666, 5, 6, {}, Time(std::chrono::seconds(9))}));
  tree_.listener.changed.clear();
  Must(Rename(kRoot, "sedFgHiJ", "cert.pem"));
  EXPECT_EQ(Live(), chain_);
  EXPECT_EQ(Missing(kRoot, "sedFgHiJ"), kNotFound);
  // A replacement keeps owner and mode; times that were set hold.
  const Attributes now = tree_.At(kCert).attributes;
  EXPECT_EQ(now.mode, 0640U);
  EXPECT_EQ(now.uid, 7U);
  EXPECT_EQ(now.mtime, Time(std::chrono::seconds(9)));
  EXPECT_EQ(Kept(), leaf_);
  EXPECT_EQ(std::count(tree_.listener.changed.begin(), tree_.listener.changed.end(),
                       std::pair(entry_, std::string("key.pem"))),
            1);
}

TEST_F(VolumeScratchTest, OfANewFileOwnerAndExplicitModeHold) {
  const NodeId entry = tree_.MakeDirectory("stores/machine", "new").id;
  const auto put = [&](std::string_view name, const char* vector, std::optional<std::uint32_t> mode) {
    const auto made = Must(volume_.Create(kUser, entry, ".t", kReplace, 0600));
    Must(volume_.Write(kUser, made.handle, 0, Vector(vector)));
    if (mode) Must(volume_.SetAttributes(kUser, made.node.id, made.handle, {mode, {}, {}, {}, {}}, {}));
    volume_.Release(made.node.id, made.handle);
    Must(volume_.Rename(kUser, entry, ".t", entry, name, 0));
    return Must(volume_.Lookup(kUser, entry, name)).attributes;
  };
  EXPECT_EQ(put("cert.pem", "leaf.pem", {}).mode, 0644U);  // The mode at create means nothing.
  EXPECT_EQ(put("key.pem", "leaf.key", 0644).mode, 0640U);
  Must(volume_.Unlink(kRoot, entry, "cert.pem"));  // Another process than the one below.
  const Attributes last = put("cert.pem", "leaf.pem", 0600);
  EXPECT_EQ(last.mode, 0600U);
  EXPECT_EQ(last.uid, kUser.uid);
}

TEST_F(VolumeScratchTest, WhatWentLiveIsNotWrittenAnyMore) {
  const auto made = Must(volume_.Create(kRoot, entry_, ".t", kReplace));
  Must(volume_.Write(kRoot, made.handle, 0, AsBytes(chain_)));
  Must(Rename(kRoot, ".t", "cert.pem"));
  EXPECT_EQ(Failure(volume_.Write(kRoot, made.handle, 0, AsBytes(std::string_view("x")))), kNotPermitted);
  EXPECT_EQ(Failure(volume_.SetAttributes(kRoot, made.node.id, made.handle, {}, 0)), kNotPermitted);
  EXPECT_EQ(AsText(Must(volume_.Read(made.node.id, made.handle, 0, 1 << 20)).Reveal()), chain_);
  EXPECT_EQ(Live(), chain_);
}

TEST_F(VolumeScratchTest, RenamesToScratchAndItsFlags) {
  Fill(kRoot, ".a", "a");
  Fill(kRoot, ".b", "b");
  EXPECT_EQ(Failure(Rename(kRoot, ".a", ".b", kNoReplace)), kAlreadyExists);
  EXPECT_EQ(Failure(Rename(kRoot, ".a", ".b", kExchange)), kInvalidArgument);
  EXPECT_EQ(Failure(Rename(kRoot, ".a", "cert.pem", kExchange)), kInvalidArgument);
  EXPECT_EQ(Failure(Rename(kRoot, ".a", "cert.pem", kNoReplace)), kAlreadyExists);
  Must(Rename(kRoot, ".a", ".b"));
  EXPECT_EQ(Read(kRoot, ".b"), "a");
  EXPECT_EQ(Missing(kRoot, ".a"), kNotFound);
  Must(Rename(kRoot, ".b", ".c", kNoReplace));
  EXPECT_EQ(Read(kRoot, ".c"), "a");
  EXPECT_EQ(Failure(volume_.Rename(kRoot, entry_, ".c", tree_.At("stores/machine").id, "c", 0)),
            kNotPermitted);
}

TEST_F(VolumeScratchTest, LinksAreMoreNamesOrACommit) {
  Fill(kRoot, ".a", chain_);
  const NodeId node = Must(Look(kRoot, ".a")).id;
  EXPECT_EQ(Must(volume_.Link(kRoot, node, entry_, "cert.pem.lock")).links, 2U);
  EXPECT_EQ(Failure(volume_.Link(kRoot, node, entry_, "cert.pem.lock")), kAlreadyExists);
  EXPECT_EQ(Failure(volume_.Link(kUser, node, entry_, ".mine")), kNotPermitted);
  EXPECT_EQ(Failure(volume_.Link(kRoot, node, entry_, "cert.pem")), kAlreadyExists);
  EXPECT_EQ(Failure(volume_.Link(kRoot, node, entry_, "unknown")), kNotPermitted);
  Must(volume_.Unlink(other_, entry_, "cert.pem"));
  Fill(kRoot, ".bad", "garbage");
  EXPECT_EQ(Failure(volume_.Link(kRoot, Must(Look(kRoot, ".bad")).id, entry_, "cert.pem")), kMalformed);
  const Node live = Must(volume_.Link(kRoot, node, entry_, "cert.pem"));
  EXPECT_EQ(live.id.member(), Member::kCertificate);
  EXPECT_EQ(Live(), chain_);
  EXPECT_EQ(Read(kRoot, ".a"), chain_);  // It stays, and is its own.
  // A link of a live file is a copy.
  EXPECT_EQ(Must(volume_.Link(kRoot, live.id, entry_, "cert.pem.bak")).size, chain_.size());
  EXPECT_EQ(Failure(volume_.Link(kRoot, live.id, entry_, "cert.pem.bak")), kAlreadyExists);
  EXPECT_EQ(Failure(volume_.Link(kRoot, live.id, entry_, "secret")), kNotPermitted);
  EXPECT_EQ(Failure(volume_.Link(kRoot, entry_, entry_, ".d")), kNotPermitted);
}

// rsync --delay-updates.
TEST_F(VolumeScratchTest, ADirectoryOfIt) {
  const Node made = Must(volume_.MakeDirectory(kRoot, entry_, ".~tmp~", 0700));
  EXPECT_EQ(made.type, NodeType::kDirectory);
  EXPECT_EQ(Missing(kUser, ".~tmp~"), kNotFound);
  EXPECT_EQ(Failure(volume_.MakeDirectory(kRoot, made.id, ".x", 0700)), kNotPermitted);
  EXPECT_EQ(Failure(volume_.MakeDirectory(kRoot, entry_, ".~tmp~", 0700)), kAlreadyExists);
  EXPECT_EQ(Failure(volume_.Open(kRoot, made.id, kRead)), kIsADirectory);
  EXPECT_EQ(Failure(volume_.Unlink(kRoot, entry_, ".~tmp~")), kIsADirectory);
  Fill(kRoot, ".cert.pem.X", chain_);
  EXPECT_EQ(Failure(volume_.RemoveDirectory(kRoot, entry_, ".cert.pem.X")), kNotADirectory);
  EXPECT_EQ(Failure(volume_.Rename(kRoot, entry_, ".cert.pem.X", entry_, ".~tmp~", 0)), kAlreadyExists);
  Must(volume_.Rename(kRoot, entry_, ".cert.pem.X", made.id, "cert.pem", 0));
  EXPECT_EQ(Live(), leaf_);
  EXPECT_EQ(NamesOf(kRoot, made.id), Names{"cert.pem"});
  EXPECT_EQ(NamesOf(kUser, made.id), Names{});
  EXPECT_EQ(Failure(volume_.RemoveDirectory(kRoot, entry_, ".~tmp~")), kNotEmpty);
  EXPECT_EQ(Failure(volume_.Rename(kRoot, entry_, ".~tmp~", entry_, "cert.pem", 0)), kNotPermitted);
  EXPECT_EQ(Failure(volume_.List(kRoot, Must(volume_.Lookup(kRoot, made.id, "cert.pem")).id, 0,
                                 [](const auto&) { return true; })),
            kNotADirectory);
  Must(volume_.Rename(kRoot, made.id, "cert.pem", entry_, "cert.pem", 0));
  EXPECT_EQ(Live(), chain_);
  Must(volume_.RemoveDirectory(kRoot, entry_, ".~tmp~"));
  EXPECT_EQ(Failure(volume_.Create(kRoot, made.id, "x", kReplace)), kStale);
  EXPECT_EQ(Failure(volume_.List(kRoot, made.id, 0, [](const auto&) { return true; })), kStale);
}

TEST_F(VolumeScratchTest, IsNoReasonForAnEntryToStay) {
  const NodeId entry = tree_.MakeDirectory("stores/machine", "gone").id;
  const auto made = Must(volume_.Create(kUser, entry, ".t", kReplace));
  volume_.Release(made.node.id, made.handle);
  Must(volume_.RemoveDirectory(kRoot, tree_.At("stores/machine").id, "gone"));
  EXPECT_EQ(Failure(volume_.GetAttributes(kUser, made.node.id, 0)), kStale);
}

TEST_F(VolumeScratchTest, WorksInNext) {
  const NodeId next = tree_.MakeDirectory(kEntry, "next").id;
  const auto put = [&](std::string_view name, BytesView bytes) {
    const auto made = Must(volume_.Create(kRoot, next, ".t.XXXXXX", kReplace));
    Must(volume_.Write(kRoot, made.handle, 0, bytes));
    volume_.Release(made.node.id, made.handle);
    return volume_.Rename(kRoot, next, ".t.XXXXXX", next, name, 0);
  };
  const auto vector = [](const std::string& name) {
    return ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/" + name);
  };
  Must(put("key.pem", vector("serial.key")));
  EXPECT_EQ(Failure(put("cert.pem", Vector("leaf.pem"))), kRejected);
  EXPECT_EQ(Live(), leaf_);
  Must(volume_.Unlink(kRoot, next, ".t.XXXXXX"));  // A refused rename leaves it.
  Must(put("cert.pem", vector("serial-first.pem")));
  EXPECT_EQ(Live(), std::string(AsText(vector("serial-first.pem"))));
  EXPECT_EQ(NamesOf(kRoot, next), Names{});
  const auto left = Must(volume_.Create(kRoot, next, ".left", kReplace));
  volume_.Release(left.node.id, left.handle);
  Must(volume_.RemoveDirectory(kRoot, entry_, "next"));
}

TEST_F(VolumeScratchTest, IsGoneTenMinutesAfterItsLastUse) {
  Fill(kRoot, ".t", "x");
  tree_.now += std::chrono::minutes(10);
  EXPECT_EQ(Read(kRoot, ".t"), "x");
  tree_.now += std::chrono::minutes(10) + std::chrono::seconds(1);
  volume_.DropExpired();
  EXPECT_EQ(Missing(kRoot, ".t"), kNotFound);
}

// Where there is no memory for it, whatever it was to be fails, and nothing is left behind.
TEST_F(VolumeScratchTest, FailsWhereThereIsTooMuchOfIt) {
  const std::string mib(kFileBytesMax, 'x');
  for (int i = 0; i < 4; ++i) Fill(kRoot, ".full" + std::to_string(i), mib);
  const HandleId handle = Must(Make(kRoot, ".more"));
  EXPECT_EQ(Failure(volume_.Write(kRoot, handle, 0, AsBytes(std::string_view("x")))), kNoMemory);
  EXPECT_EQ(Failure(Set(kRoot, ".more", {}, 1)), kNoMemory);
  EXPECT_EQ(Failure(Rename(kRoot, "cert.pem", "cert.pem~")), kNoMemory);
  EXPECT_EQ(Missing(kRoot, "cert.pem~"), kNotFound);
  EXPECT_EQ(Missing(kRoot, "cert.pem"), std::nullopt);  // It was not renamed away.
  // Nor is that lost which it would have replaced.
  EXPECT_EQ(Failure(Rename(kRoot, "cert.pem", ".full1")), kNoMemory);
  EXPECT_EQ(Read(kRoot, ".full1"), mib);
  EXPECT_EQ(Failure(volume_.Link(kRoot, tree_.At(kCert).id, entry_, "cert.pem~")), kNoMemory);
  // Others have their share, and live files can be written.
  Must(Rename(kUser, "cert.pem", "cert.pem~"));
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  Must(volume_.Unlink(kRoot, entry_, ".full0"));
  Must(volume_.Write(kRoot, handle, 0, AsBytes(std::string_view("x"))));

  for (std::size_t i = 0; i < 256; ++i) static_cast<void>(Make(kRoot, ".t" + std::to_string(i)));
  EXPECT_EQ(Failure(Make(kRoot, ".one")), kNoMemory);
  EXPECT_EQ(Failure(volume_.MakeDirectory(kRoot, entry_, ".dir", 0700)), kNoMemory);
  const NodeId entry = tree_.MakeDirectory("stores/machine", "new").id;
  const auto made = Must(volume_.Create(kRoot, entry, "cert.pem", kReplace));
  Must(volume_.Flush(kRoot, made.handle));  // There is no placeholder then; writing works.
  EXPECT_EQ(Failure(volume_.Lookup(kRoot, entry, "cert.pem")), kNotFound);
  Must(volume_.Write(kRoot, made.handle, 0, Vector("leaf.pem")));
  Must(volume_.Flush(kRoot, made.handle));
  EXPECT_TRUE(volume_.Lookup(kRoot, entry, "cert.pem").has_value());
  volume_.Release(made.node.id, made.handle);
}

// --- Renaming a live file away: install -b, cp -b, sed -i.bak, vim

TEST_F(VolumeScratchTest, ALiveFileThatIsRenamedAwayIsCopied) {
  tree_.listener.changed.clear();
  Must(Rename(kRoot, "cert.pem", "cert.pem~"));
  EXPECT_EQ(tree_.listener.changed,
            (std::vector<std::pair<NodeId, std::string>>{{entry_, "cert.pem"}, {entry_, "cert.pem~"}}));
  EXPECT_EQ(Read(kRoot, "cert.pem~"), leaf_);
  // All others have it; to this process its name is free, and what others look up may not be cached for it.
  EXPECT_EQ(Missing(kRoot, "cert.pem"), kNotFound);
  EXPECT_TRUE(Must(Look(other_, "cert.pem")).volatile_name);
  EXPECT_EQ(Read(kUser, "cert.pem"), leaf_);
  const auto made = Must(volume_.Create(kRoot, entry_, "cert.pem", kReplace));
  Must(volume_.Write(kRoot, made.handle, 0, AsBytes(chain_)));
  EXPECT_EQ(Read(kUser, "cert.pem"), leaf_);
  Must(volume_.Flush(kRoot, made.handle));
  volume_.Release(made.node.id, made.handle);
  EXPECT_EQ(Read(kRoot, "cert.pem"), chain_);
  EXPECT_EQ(Read(kRoot, "cert.pem~"), leaf_);
  EXPECT_EQ(Kept(), leaf_);
  tree_.now += std::chrono::seconds(3);
  EXPECT_FALSE(Must(Look(other_, "cert.pem")).volatile_name);
}

TEST_F(VolumeScratchTest, WhatIsRenamedAwayStaysIfNothingFollows) {
  Must(Rename(kRoot, "cert.pem", "cert.pem.bak"));
  Fill(kRoot, "sedXyZ", "garbage");
  EXPECT_EQ(Failure(Rename(kRoot, "sedXyZ", "cert.pem")), kMalformed);
  EXPECT_EQ(Read(kUser, "cert.pem"), leaf_);
  // As install does when it failed.
  Must(Rename(kRoot, "cert.pem.bak", "cert.pem"));
  EXPECT_EQ(Live(), leaf_);
  Must(Rename(kRoot, "cert.pem", "cert.pem.bak"));
  EXPECT_EQ(Failure(Rename(kRoot, "cert.pem", "cert.pem.old")), std::nullopt);  // The kernel would not ask.
  tree_.now += std::chrono::minutes(1) + std::chrono::seconds(1);
  EXPECT_EQ(Live(), leaf_);
}

TEST_F(VolumeScratchTest, ACopyIsReadByWhoMayReadTheFile) {
  Must(volume_.SetAttributes(kRoot, tree_.At(kKey).id, 0, {0640, 3, 4, {}, {}}, {}));
  Must(Rename(kUser, "key.pem", "key.pem~"));
  const Attributes copy = Must(Look(kUser, "key.pem~")).attributes;
  EXPECT_EQ(copy.mode, 0640U);
  EXPECT_EQ(copy.uid, 3U);
  EXPECT_EQ(copy.gid, 4U);
  Fill(kUser, "key.pem.old", "x");
  EXPECT_EQ(Failure(volume_.Rename(other_, entry_, "cert.pem", entry_, "cert.pem~", kNoReplace)),
            std::nullopt);
  EXPECT_EQ(Failure(volume_.Rename({0, 0, 301}, entry_, "cert.pem", entry_, "cert.pem~", kNoReplace)),
            kAlreadyExists);
  Must(volume_.MakeDirectory(kRoot, entry_, ".d", 0700));
  EXPECT_EQ(Failure(volume_.Rename({0, 0, 302}, entry_, "cert.pem", entry_, ".d", 0)), kIsADirectory);
}

// Who may rename in a directory may not therefore read what is in it: no way leads a copy to another owner or
// mode.
TEST_F(VolumeScratchTest, ACopyIsNotGivenAway) {
  Must(Rename(kUser, "key.pem", "key.pem~"));  // Root's, 0600.
  tree_.MakeDirectory("stores/machine", "mine");
  Must(tree_.Put(kUser, "stores/machine/mine/secret", AsBytes(std::string_view("mine"))));
  const NodeId mine = tree_.At("stores/machine/mine").id;
  EXPECT_EQ(Failure(volume_.Rename(kUser, entry_, "key.pem~", mine, "secret", 0)), kNotPermitted);
  EXPECT_EQ(Must(tree_.Get(kUser, "stores/machine/mine/secret")), "mine");
  // Not after a removal either, whose owner would return,
  Must(volume_.Unlink(kUser, mine, "secret"));
  EXPECT_EQ(Failure(volume_.Rename(kUser, entry_, "key.pem~", mine, "secret", 0)), kNotPermitted);
  EXPECT_EQ(Must(tree_.Get(kUser, "stores/machine/mine/secret")), "mine");
  Must(volume_.Unlink({1000, 1000, 201}, mine, "secret"));
  Must(volume_.Link(kUser, Must(Look(kUser, "key.pem~")).id, mine, "secret"));
  EXPECT_EQ(tree_.At("stores/machine/mine/secret").attributes.uid, 0U);  // A new file is its owner's still.
  EXPECT_EQ(tree_.At("stores/machine/mine/secret").attributes.mode, 0600U);
  // nor by what is staged, which the live file's owner would get; nor to where another made the file
  // meanwhile.
  const NodeId next = tree_.MakeDirectory(kEntry, "next").id;
  EXPECT_EQ(Failure(volume_.Rename(kUser, entry_, "key.pem~", next, "key.pem", 0)), kNotPermitted);
  Must(volume_.Unlink(kUser, entry_, "key.pem"));
  Must(tree_.Put({1000, 1000, 202}, kKey, Vector("leaf.key")));
  EXPECT_EQ(Failure(Rename({1000, 1000, 203}, "key.pem~", "key.pem")), kNotPermitted);
  // To its own place it goes back, and root's goes anywhere.
  Must(volume_.SetAttributes(kRoot, tree_.At(kKey).id, 0, {0600, 0, 0, {}, {}}, {}));
  Must(Rename({1000, 1000, 203}, "key.pem~", "key.pem"));
  EXPECT_EQ(tree_.At(kKey).attributes.uid, 0U);
}

// --- Removing a live file, then making it: install, cp --remove-destination, mv, tar

class VolumeHalvesTest : public VolumeScratchTest {
 protected:
  VolumeHalvesTest() {
    Must(tree_.Put(kRoot, kCert,
                   Vector("chain.pem")));  // So that BACKUP_STORE holds what a removal displaces.
    Must(volume_.SetAttributes(kRoot, tree_.At(kCert).id, 0, {0640, 7, 8, {}, {}}, {}));
    before_ = tree_.At(kCert);
    Must(volume_.Unlink(kRoot, entry_, "cert.pem"));
    EXPECT_EQ(Missing(kRoot, "cert.pem"), kNotFound);
    EXPECT_EQ(Kept(), chain_);
  }
  // Everything is as it was before the removal.
  void ExpectBack() {
    const auto now = tree_.Find(kUser, kCert);
    ASSERT_TRUE(now.has_value());
    EXPECT_EQ(now.value().id, before_.id);
    EXPECT_EQ(now.value().attributes, before_.attributes);
    EXPECT_EQ(Live(), chain_);
    EXPECT_EQ(Kept(), leaf_);
  }
  Volume::Created Create(const Caller& caller = kRoot) {
    return Must(volume_.Create(caller, entry_, "cert.pem", kReplace));
  }
  Result<void> Write(const Volume::Created& made, std::string_view text) {
    return volume_.Write(kRoot, made.handle, 0, AsBytes(text));
  }
  void Close(const Volume::Created& made) { volume_.Release(made.node.id, made.handle); }

  Node before_;
};

TEST_F(VolumeHalvesTest, TheSecondHalfKeepsOwnerAndMode) {
  const auto made = Create();
  // tar sets these by the handle.
  Must(volume_.SetAttributes(kRoot, made.node.id, made.handle,
                             {0600, 1, 1, {}, Time(std::chrono::seconds(5))}, {}));
  Must(Write(made, leaf_));
  Must(volume_.Flush(kRoot, made.handle));
  Close(made);
  const Attributes now = tree_.At(kCert).attributes;
  EXPECT_EQ(Live(), leaf_);
  EXPECT_EQ(now.mode, 0640U);
  EXPECT_EQ(now.uid, 7U);
  EXPECT_EQ(now.gid, 8U);
  EXPECT_EQ(now.mtime, Time(std::chrono::seconds(5)));
  EXPECT_EQ(Kept(), chain_);
}

TEST_F(VolumeHalvesTest, ARefusedSecondHalfBringsAllBack) {
  const auto made = Create();
  Must(Write(made, "-----BEGIN "));
  tree_.listener.settled = 0;
  EXPECT_EQ(Failure(volume_.Flush(kRoot, made.handle)), kMalformed);
  EXPECT_EQ(tree_.listener.settled, 1);  // Whoever looks next sees it.
  ExpectBack();
  // The handle may try again: it replaces what is back.
  Must(volume_.SetAttributes(kRoot, made.node.id, made.handle, {}, 0));
  Must(Write(made, leaf_));
  Must(volume_.Flush(kRoot, made.handle));
  Close(made);
  EXPECT_EQ(Live(), leaf_);
  EXPECT_EQ(tree_.At(kCert).attributes.mode, 0640U);
}

TEST_F(VolumeHalvesTest, AWriterThatNobodyCanBeAskedAboutBringsAllBack) {
  const auto made = Create();
  Must(Write(made, leaf_));
  tree_.processes.unknown = true;
  tree_.listener.settled = 0;
  EXPECT_EQ(Failure(volume_.Flush(kRoot, made.handle)), kNoMemory);
  EXPECT_EQ(tree_.listener.settled, 1);
  tree_.processes.unknown = false;
  ExpectBack();
  Close(made);
  ExpectBack();
}

TEST_F(VolumeHalvesTest, AWriteThatIsRefusedBringsAllBack) {
  const auto made = Create();
  EXPECT_EQ(Failure(Write(made, "garbage")), kMalformed);
  ExpectBack();
  Close(made);
  ExpectBack();
}

TEST_F(VolumeHalvesTest, AnAbandonedSecondHalfBringsAllBack) {
  const auto made = Create();
  Must(volume_.Flush(kRoot, made.handle));
  Close(made);  // Nothing was written.
  ExpectBack();
}

TEST_F(VolumeHalvesTest, AKilledWriterBringsAllBack) {
  const auto made = Create();
  Must(Write(made, leaf_));
  tree_.processes.dying.insert(kRoot.thread);
  Must(volume_.Flush(kRoot, made.handle));
  Close(made);
  ExpectBack();
}

TEST_F(VolumeHalvesTest, ARenameMayBeTheSecondHalf) {
  Fill(kRoot, ".t", "garbage");
  EXPECT_EQ(Failure(Rename(kRoot, ".t", "cert.pem")), kMalformed);
  ExpectBack();
  Must(volume_.Unlink(kRoot, entry_, "cert.pem"));
  Fill(kRoot, ".u", leaf_);
  Must(Rename(kRoot, ".u", "cert.pem"));
  EXPECT_EQ(Live(), leaf_);
  EXPECT_EQ(tree_.At(kCert).attributes.mode, 0640U);
}

TEST_F(VolumeHalvesTest, ARemovalAloneStays) {
  tree_.now += std::chrono::minutes(1) + std::chrono::seconds(1);
  const auto made = Create();
  Close(made);
  EXPECT_EQ(Missing(kRoot, "key.pem"), std::nullopt);
  EXPECT_EQ(Missing(kUser, "cert.pem"), kNotFound);
  EXPECT_EQ(Kept(), chain_);
}

TEST_F(VolumeHalvesTest, AnotherProcessMakesANewFile) {
  const auto refused = Create(other_);
  EXPECT_EQ(Failure(volume_.Write(other_, refused.handle, 0, AsBytes(std::string_view("garbage")))),
            kMalformed);
  Close(refused);
  EXPECT_EQ(Missing(kUser, "cert.pem"), kNotFound);
  Must(tree_.Put(other_, kCert, Vector("leaf.pem")));
  EXPECT_EQ(tree_.At(kCert).attributes.mode, 0644U);
  // The first one's half is void by then.
  const auto made = Create();
  EXPECT_EQ(Failure(Write(made, "garbage")), kMalformed);
  Close(made);
  EXPECT_EQ(Live(), leaf_);
}

TEST_F(VolumeHalvesTest, AChangeInBetweenStands) {
  const auto made = Create();
  Must(tree_.Put(other_, kCert, Vector("leaf.pem")));
  EXPECT_EQ(Failure(Write(made, "garbage")), kMalformed);
  Close(made);
  EXPECT_EQ(Live(), leaf_);
  EXPECT_EQ(tree_.listener.refusals.size(), 1U);  // Of the write alone.
}

TEST_F(VolumeHalvesTest, WhatCannotReturnIsLogged) {
  const NodeId entry = tree_.MakeDirectory("stores/machine", "serial").id;
  const auto vector = [](const std::string& name) {
    return ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/" + name);
  };
  Must(tree_.Put(kRoot, "stores/machine/serial/cert.pem", vector("serial-first.pem")));
  Must(volume_.Unlink(kRoot, entry, "cert.pem"));
  tree_.MakeDirectory("stores/machine", "other");
  Must(tree_.Put(other_, "stores/machine/other/cert.pem", vector("serial-second.pem")));
  const auto made = Must(volume_.Create(kRoot, entry, "cert.pem", kReplace));
  Close(made);
  EXPECT_NE(tree_.listener.refusals.back().find("stays removed"), std::string::npos);
  EXPECT_EQ(Failure(volume_.Lookup(kUser, entry, "cert.pem")), kNotFound);
}

// --- Placeholders: touch

class VolumePlaceholderTest : public testing::Test {
 protected:
  VolumePlaceholderTest() { entry_ = tree_.MakeDirectory("stores/machine", "new").id; }
  // touch: creates, sets times by the handle, closes.
  void Touch(const Caller& caller, std::string_view name) {
    const auto made = Must(volume_.Create(caller, entry_, name, kReplace));
    Must(volume_.SetAttributes(caller, made.node.id, made.handle, {{}, {}, {}, {}, tree_.now}, {}));
    Must(volume_.Flush(caller, made.handle));
    volume_.Release(made.node.id, made.handle);
  }
  Result<Node> Look(const Caller& caller, std::string_view name) {
    return volume_.Lookup(caller, entry_, name);
  }
  // cat >, once the kernel found it.
  Result<void> Fill(const Caller& caller, std::string_view name, BytesView bytes) {
    const Node node = TRY(Look(caller, name));
    const HandleId handle = TRY(volume_.Open(caller, node.id, kReplace));
    auto written = volume_.Write(caller, handle, 0, bytes);
    EXPECT_EQ(Must(volume_.GetAttributes(caller, node.id, handle)).size,
              written.has_value() ? bytes.size() : 0);
    auto closed = volume_.Flush(caller, handle);
    EXPECT_TRUE(volume_.GetAttributes(caller, node.id, 0).has_value());  // fstat.
    volume_.Release(node.id, handle);
    if (!written.has_value()) return written;
    return closed;
  }

  Tree tree_;
  Volume& volume_ = tree_.volume;
  NodeId entry_;
};

TEST_F(VolumePlaceholderTest, IsAnEmptyFileToItsCreator) {
  Touch(kUser, "cert.pem");
  EXPECT_EQ(Must(Look(kUser, "cert.pem")).size, 0U);
  EXPECT_EQ(Must(Look(kUser, "cert.pem")).attributes.mode, 0644U);
  EXPECT_EQ(Failure(Look(kRoot, "cert.pem")), ErrorCode::kNotFound);
  EXPECT_EQ(tree_.Names("stores/machine/new"), Names{});
  EXPECT_EQ(Must(tree_.ReadNode(kUser, Must(Look(kUser, "cert.pem")).id)), "");
  Must(Fill(kUser, "cert.pem", Vector("leaf.pem")));
  EXPECT_EQ(Must(tree_.Get(kRoot, "stores/machine/new/cert.pem")), TextOf("leaf.pem"));
  EXPECT_EQ(tree_.Names("stores/machine/new"), Names{"cert.pem"});
  Must(volume_.Unlink(kRoot, entry_, "cert.pem"));
  EXPECT_EQ(Failure(Look(kUser, "cert.pem")), ErrorCode::kNotFound);  // It does not come back.
}

TEST_F(VolumePlaceholderTest, AModeSetOnItHolds) {
  Touch(kUser, "cert.pem");
  Must(volume_.SetAttributes(kUser, Must(Look(kUser, "cert.pem")).id, 0, {0600, {}, {}, {}, {}}, {}));
  Must(Fill(kUser, "cert.pem", Vector("leaf.pem")));
  EXPECT_EQ(Must(Look(kRoot, "cert.pem")).attributes.mode, 0600U);
  EXPECT_EQ(Must(Look(kRoot, "cert.pem")).attributes.uid, kUser.uid);
  Touch(kUser, "key.pem");
  const NodeId key = Must(Look(kUser, "key.pem")).id;
  EXPECT_EQ(Failure(volume_.SetAttributes(kUser, key, 0, {0644, {}, {}, {}, {}}, {})),
            ErrorCode::kNotPermitted);
  Must(volume_.SetAttributes(kUser, key, 0, {0640, {}, {}, {}, {}}, {}));
  EXPECT_EQ(Failure(volume_.SetAttributes(kUser, key, 0, {}, 5)), ErrorCode::kNotPermitted);
  Must(volume_.SetAttributes(kUser, key, 0, {}, 0));
  Must(Fill(kUser, "key.pem", Vector("leaf.key")));
  EXPECT_EQ(Must(Look(kRoot, "key.pem")).attributes.mode, 0640U);
}

TEST_F(VolumePlaceholderTest, StaysAfterARefusal) {
  Touch(kUser, "cert.pem");
  EXPECT_EQ(Failure(Fill(kUser, "cert.pem", Vector("expired.pem"))), ErrorCode::kExpired);
  EXPECT_EQ(Must(Look(kUser, "cert.pem")).size, 0U);
  Must(volume_.Unlink(kUser, entry_, "cert.pem"));
  EXPECT_EQ(Failure(Look(kUser, "cert.pem")), ErrorCode::kNotFound);
}

// A shell's `echo >` closes a copy of the handle before it writes.
TEST_F(VolumePlaceholderTest, ARefusedWriteLeavesNone) {
  const auto made = Must(volume_.Create(kRoot, entry_, "cert.pem", kReplace));
  Must(volume_.Flush(kRoot, made.handle));
  EXPECT_TRUE(Look(kRoot, "cert.pem").has_value());
  EXPECT_FALSE(volume_.Write(kRoot, made.handle, 0, AsBytes(std::string_view("garbage"))).has_value());
  EXPECT_EQ(Failure(Look(kRoot, "cert.pem")), ErrorCode::kNotFound);
  volume_.Release(made.node.id, made.handle);
}

TEST_F(VolumePlaceholderTest, GivesWayToWhatAnotherMakes) {
  Touch(kUser, "cert.pem");
  Must(tree_.Put(kRoot, "stores/machine/new/cert.pem", Vector("leaf.pem")));
  EXPECT_EQ(Must(Look(kUser, "cert.pem")).size, TextOf("leaf.pem").size());
  EXPECT_EQ(Must(Look(kUser, "cert.pem")).attributes.uid, 0U);
}

TEST_F(VolumePlaceholderTest, RenamedItIsAnEmptyScratchFile) {
  Touch(kRoot, "cert.pem");
  EXPECT_EQ(Failure(volume_.Link(kRoot, Must(Look(kRoot, "cert.pem")).id, entry_, ".l")),
            ErrorCode::kNotPermitted);
  Must(volume_.Rename(kRoot, entry_, "cert.pem", entry_, "cert.pem.bak", 0));
  EXPECT_EQ(Failure(Look(kRoot, "cert.pem")), ErrorCode::kNotFound);
  Must(Fill(kRoot, "cert.pem.bak", AsBytes(std::string_view("anything"))));
  EXPECT_EQ(Must(Look(kRoot, "cert.pem.bak")).size, 8U);
  EXPECT_EQ(Failure(Look(kRoot, "cert.pem")), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace certfs::test
