// Goal: fs/README.md, "Writing": what a handle goes through, when it commits, and what readers see meanwhile.
// Method: the calls of real writers, in order, by invented processes; and each row of the table of states.

#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr auto kCert = "stores/machine/web/cert.pem";
constexpr auto kKey = "stores/machine/web/key.pem";

class VolumeWriteTest : public testing::Test {
 protected:
  VolumeWriteTest() {
    entry_ = tree_.MakeDirectory("stores/machine", "web").id;
    Must(tree_.Put(kRoot, kKey, Vector("leaf.key")));
    Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
  }

  Tree::Writer Open(OpenMode mode = kReplace, const Caller& caller = kRoot) {
    return Must(tree_.OpenToWrite(caller, kCert, mode));
  }
  Result<void> Write(const Tree::Writer& writer, std::string_view text, std::uint64_t offset = 0) {
    return volume_.Write(kRoot, writer.handle, offset, AsBytes(text));
  }
  Result<void> Flush(const Tree::Writer& writer, const Caller& caller = kRoot) {
    return volume_.Flush(caller, writer.handle);
  }
  void Close(const Tree::Writer& writer) { volume_.Release(writer.node, writer.handle); }
  Result<Node> Resize(const Tree::Writer& writer, std::uint64_t size) {
    return volume_.SetAttributes(kRoot, writer.node, writer.handle, {}, size);
  }
  std::string Live() { return Must(tree_.Get(kRoot, kCert)); }
  std::string Newest() { return tree_.listener.refusals.empty() ? "" : tree_.listener.refusals.back(); }

  Tree tree_;
  Volume& volume_ = tree_.volume;
  NodeId entry_;
  const std::string leaf_ = TextOf("leaf.pem");
  const std::string chain_ = TextOf("chain.pem");
};

TEST_F(VolumeWriteTest, NothingShowsBeforeTheFlushOfTheOpener) {
  const auto writer = Open();
  Must(Write(writer, chain_.substr(0, 300)));
  EXPECT_EQ(Live(), leaf_);
  Must(Write(writer, chain_.substr(300), 300));
  EXPECT_EQ(Live(), leaf_);
  Must(Flush(writer));
  EXPECT_EQ(Live(), chain_);
  Close(writer);
  EXPECT_EQ(Live(), chain_);
}

// Both members get new nodes, the kernel is told of both names, and the close waits until it has heard.
TEST_F(VolumeWriteTest, ACommitTellsTheKernelBeforeItReturns) {
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  // And of the state that BACKUP_STORE keeps, if the kernel knows it.
  const Node kept = tree_.At("stores/BACKUP_STORE/bkp_web");
  volume_.Named(kept);
  tree_.listener.changed.clear();
  tree_.listener.settled = 0;
  const auto writer = Open();
  Must(Write(writer, leaf_));
  Must(Flush(writer));
  EXPECT_EQ(tree_.listener.settled, 1);
  for (const NodeId directory : {entry_, kept.id}) {
    for (const char* const name : {"cert.pem", "key.pem"}) {
      const std::pair<NodeId, std::string> told{directory, name};
      EXPECT_EQ(std::count(tree_.listener.changed.begin(), tree_.listener.changed.end(), told), 1) << name;
    }
  }
  Close(writer);
}

TEST_F(VolumeWriteTest, CleanHandlesChangeNothing) {
  const NodeId live = tree_.At(kCert).id;
  const auto writer = Open();
  Must(Flush(writer));
  Must(volume_.Sync(kRoot, writer.handle));
  Close(writer);
  const auto emptied = Open(kEdit);
  Must(Resize(emptied, 0));
  Must(Flush(emptied));
  Close(emptied);
  EXPECT_EQ(tree_.At(kCert).id, live);
  EXPECT_EQ(Live(), leaf_);
}

TEST_F(VolumeWriteTest, TheSameBytesAreASuccessThatMovesNothing) {
  const Node live = tree_.At(kCert);
  tree_.now += std::chrono::hours(1);
  Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
  EXPECT_EQ(tree_.At(kCert).id, live.id);
  EXPECT_EQ(tree_.At(kCert).attributes, live.attributes);
}

TEST_F(VolumeWriteTest, AFlushByAnotherProcessCommitsNothing) {
  const auto writer = Open();
  Must(Write(writer, chain_));
  Must(Flush(writer, kUser));
  EXPECT_EQ(Live(), leaf_);
  tree_.processes.process_of = {{101, 100}};  // Another thread of the opener does.
  Must(Flush(writer, {0, 0, 101}));
  EXPECT_EQ(Live(), chain_);
  Close(writer);
}

TEST_F(VolumeWriteTest, FsyncCommitsWhoeverCallsIt) {
  const auto writer = Open();
  Must(Write(writer, chain_));
  Must(volume_.Sync(kUser, writer.handle));
  EXPECT_EQ(Live(), chain_);
  Close(writer);
}

TEST_F(VolumeWriteTest, AnOpenerThatClosedFirstLeavesTheCommitToTheLastClose) {
  const auto writer = Open();
  Must(Flush(writer));
  Must(volume_.Write(kUser, writer.handle, 0, AsBytes(chain_)));
  Must(Flush(writer, kUser));
  EXPECT_EQ(Live(), leaf_);
  Close(writer);
  EXPECT_EQ(Live(), chain_);
}

TEST_F(VolumeWriteTest, ALastCloseThatIsRefusedIsLogged) {
  const auto writer = Open();
  Must(Flush(writer));
  Must(Write(writer, TextOf("expired.pem")));
  Close(writer);
  EXPECT_EQ(Live(), leaf_);
  EXPECT_NE(Newest().find("expired"), std::string::npos);
}

// Its first half is a chain of its own that would be accepted.
TEST_F(VolumeWriteTest, AWriterThatIsKilledCommitsNothing) {
  const auto writer = Open();
  Must(Write(writer, "# half a chain\n" + leaf_));
  tree_.processes.dying.insert(kRoot.thread);
  Must(Flush(writer));
  Close(writer);
  EXPECT_EQ(Live(), leaf_);
  EXPECT_NE(Newest().find("writer-died"), std::string::npos);
}

TEST_F(VolumeWriteTest, WhatAKilledChildLeftBehindIsNotCommittedByItsParent) {
  const auto writer = Open();
  Must(volume_.Write(kUser, writer.handle, 0, AsBytes("# half a chain\n" + leaf_)));
  tree_.processes.dying.insert(kUser.thread);
  Must(Flush(writer, kUser));
  EXPECT_EQ(Failure(Write(writer, "more")), ErrorCode::kCancelled);
  EXPECT_EQ(Failure(Flush(writer)), ErrorCode::kCancelled);
  Close(writer);
  EXPECT_EQ(Live(), leaf_);
}

TEST_F(VolumeWriteTest, OfTwoThatMakeAFileExclusivelyTheFirstOneWins) {
  constexpr OpenMode kPlain = kReplace;
  constexpr OpenMode kExclusive{false, true, false, true, true};
  const NodeId empty = tree_.MakeDirectory("stores/machine", "made").id;
  const std::string path = "stores/machine/made/cert.pem";
  const auto make = [&](const Caller& caller, OpenMode mode) {
    const auto made = Must(volume_.Create(caller, empty, "cert.pem", mode, 0644));
    return Tree::Writer{made.node.id, made.handle};
  };
  const auto close = [&](const Tree::Writer& writer, const Caller& caller) {
    const auto code = Failure(volume_.Flush(caller, writer.handle));
    volume_.Release(writer.node, writer.handle);
    return code;
  };
  for (const bool exclusive : {true, false}) {
    const auto first = make(kRoot, exclusive ? kExclusive : kPlain);
    const auto second = make(kUser, kPlain);
    Must(volume_.Write(kRoot, first.handle, 0, AsBytes(chain_)));
    Must(volume_.Write(kUser, second.handle, 0, AsBytes(leaf_)));
    EXPECT_EQ(close(second, kUser), std::nullopt);
    EXPECT_EQ(close(first, kRoot), exclusive ? std::optional(ErrorCode::kAlreadyExists) : std::nullopt);
    EXPECT_EQ(Must(tree_.Get(kRoot, path)), exclusive ? leaf_ : chain_);
    Must(volume_.Unlink(kRoot, empty, "cert.pem"));
    tree_.now += std::chrono::hours(1);
  }
  // It holds for the making alone: what the same handle writes afterwards replaces.
  const auto writer = make(kUser, kExclusive);
  Must(volume_.Write(kUser, writer.handle, 0, AsBytes(leaf_)));
  Must(volume_.Sync(kUser, writer.handle));
  Must(volume_.Write(kUser, writer.handle, leaf_.size(), AsBytes(std::string_view("# more\n"))));
  EXPECT_EQ(close(writer, kUser), std::nullopt);
  EXPECT_EQ(Must(tree_.Get(kRoot, path)), leaf_ + "# more\n");
  // It may come between the kernel's lookup, which found nothing, and this call.
  EXPECT_EQ(Failure(volume_.Create(kRoot, empty, "cert.pem", kExclusive, 0644)), ErrorCode::kAlreadyExists);
  // To whoever renamed it away it is not there.
  Must(volume_.Rename(kRoot, empty, "cert.pem", empty, "cert.pem~", 0));
  const auto again = make(kRoot, kExclusive);
  Must(volume_.Write(kRoot, again.handle, 0, AsBytes(chain_)));
  EXPECT_EQ(close(again, kRoot), std::nullopt);
  EXPECT_EQ(Must(tree_.Get(kRoot, path)), chain_);
  // Who makes it again may find that another did so meanwhile.
  Must(volume_.Unlink(kRoot, empty, "cert.pem"));
  const auto late = make(kRoot, kExclusive);
  Must(volume_.Write(kRoot, late.handle, 0, AsBytes(chain_)));
  Must(tree_.Put(kUser, path, AsBytes(leaf_)));
  EXPECT_EQ(close(late, kRoot), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Must(tree_.Get(kRoot, path)), leaf_);
}

TEST_F(VolumeWriteTest, WhatMayBeHalfAFileIsNeverCommitted) {
  const auto writer = Open();
  Must(Write(writer, "# half a chain\n" + leaf_));
  tree_.processes.unknown = true;
  EXPECT_EQ(Failure(Flush(writer)), ErrorCode::kNoMemory);
  tree_.processes.unknown = false;
  EXPECT_EQ(Failure(Flush(writer)), ErrorCode::kNoMemory);  // A refused handle repeats its error.
  Close(writer);
  EXPECT_EQ(Live(), leaf_);
  EXPECT_NE(Newest().find("nobody can tell"), std::string::npos);
  const auto next = Open();
  Must(Write(next, chain_));
  Must(Flush(next));
  Close(next);
  EXPECT_EQ(Live(), chain_);
}

// Then nobody is asked about.
TEST_F(VolumeWriteTest, AHandleThatWroteNothingClosesThoughNobodyCanBeAskedAbout) {
  const auto writer = Open();
  tree_.processes.unknown = true;
  Must(Flush(writer));
  Close(writer);
  EXPECT_EQ(Live(), leaf_);
}

TEST_F(VolumeWriteTest, ADyingProcessThatWroteNothingLeavesTheWritingToOthers) {
  const auto writer = Open();
  Must(volume_.Write(kUser, writer.handle, 0, AsBytes(chain_)));
  tree_.processes.dying.insert(kRoot.thread);
  Must(Flush(writer));
  EXPECT_EQ(Live(), leaf_);
  Must(Flush(writer, kUser));
  Close(writer);
  EXPECT_EQ(Live(), chain_);
}

TEST_F(VolumeWriteTest, ARefusedHandleRepeatsItsErrorUntilItIsEmptied) {
  const auto writer = Open();
  Must(Write(writer, TextOf("expired.pem")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Failure(Flush(writer)), ErrorCode::kExpired);
    EXPECT_EQ(Failure(volume_.Sync(kRoot, writer.handle)), ErrorCode::kExpired);
    EXPECT_EQ(Failure(Write(writer, leaf_)), ErrorCode::kExpired);
    EXPECT_EQ(Failure(Resize(writer, 5)), ErrorCode::kExpired);
  }
  EXPECT_EQ(Live(), leaf_);
  Must(Resize(writer, 0));
  Must(Flush(writer));
  Must(Write(writer, chain_));
  Must(Flush(writer));
  Close(writer);
  EXPECT_EQ(Live(), chain_);
}

TEST_F(VolumeWriteTest, HopelessContentFailsInWrite) {
  struct Case {
    const char* text;
    bool hopeless;
  };
  constexpr Case kCases[] = {{"garbage", true},
                             {"<html>", true},
                             {"\x7f"
                              "ELF",
                              true},
                             {"-----BEGIN CERT", false},
                             {"0\x82", false},
                             {" \n# text", false},
                             {"Certificate:\n", false},
                             {"subject=", false},
                             {"Bag Attributes\n", false}};
  for (const Case& each : kCases) {
    const auto writer = Open();
    EXPECT_EQ(Failure(Write(writer, each.text)),
              each.hopeless ? std::optional(ErrorCode::kMalformed) : std::nullopt)
        << each.text;
    Close(writer);
    EXPECT_EQ(Live(), leaf_);
  }
}

TEST_F(VolumeWriteTest, FilesHaveALimitWhichWriteTells) {
  const std::string mib(std::size_t{1} << 20, '#');
  const auto writer = Open();
  Must(Write(writer, mib));
  EXPECT_EQ(Failure(Write(writer, "x", mib.size())), ErrorCode::kTooLarge);
  Close(writer);
  const auto sparse = Open();
  EXPECT_EQ(Failure(Write(sparse, "x", std::uint64_t{34} << 30)), ErrorCode::kTooLarge);
  Close(sparse);
  const auto grown = Open();
  EXPECT_EQ(Failure(Resize(grown, mib.size() + 1)), ErrorCode::kTooLarge);
  Close(grown);
  EXPECT_EQ(Live(), leaf_);
}

TEST_F(VolumeWriteTest, EditsStartFromTheLiveBytes) {
  const auto writer = Open(kEdit);
  EXPECT_EQ(AsText(Must(volume_.Read(writer.node, writer.handle, 0, 1 << 20)).Reveal()), leaf_);
  EXPECT_EQ(Must(volume_.GetAttributes(kRoot, writer.node, writer.handle)).size, leaf_.size());
  Must(Write(writer, chain_.substr(leaf_.size()), leaf_.size()));
  Must(Flush(writer));
  Close(writer);
  EXPECT_EQ(Live(), chain_);
  const auto shorter = Open(kEdit);
  Must(Resize(shorter, leaf_.size()));
  Must(Flush(shorter));
  Close(shorter);
  EXPECT_EQ(Live(), leaf_);
}

TEST_F(VolumeWriteTest, AppendingIgnoresTheOffset) {
  const auto writer = Open({false, true, true, false});
  Must(Write(writer, chain_.substr(leaf_.size()), 0));
  Must(Flush(writer));
  Close(writer);
  EXPECT_EQ(Live(), chain_);
}

TEST_F(VolumeWriteTest, WhatIsBeingWrittenCannotBeOpenedAgain) {
  const auto writer = Open();
  EXPECT_EQ(Failure(volume_.Open(kRoot, writer.node, kReplace)), ErrorCode::kNotPermitted);
  EXPECT_EQ(Failure(volume_.Open(kRoot, writer.node, kRead)), ErrorCode::kNotPermitted);
  EXPECT_EQ(Failure(volume_.Open(kRoot, tree_.At(kCert).id, kReplace)), ErrorCode::kNotPermitted);
  Close(writer);
  EXPECT_EQ(Failure(volume_.Open(kRoot, writer.node, kReplace)), ErrorCode::kStale);
}

TEST_F(VolumeWriteTest, AnUnknownHandleIsOneThatItsDaemonLost) {
  EXPECT_EQ(Failure(volume_.Write(kRoot, 12345, 0, AsBytes(leaf_))), ErrorCode::kIo);
  // Of a reader, its node still says what it shows.
  EXPECT_EQ(AsText(Must(volume_.Read(tree_.At(kCert).id, 12344, 0, 1 << 20)).Reveal()), leaf_);
}

// --- Attributes

TEST_F(VolumeWriteTest, NewFilesHaveTheModeOfTheirKindAndBelongToTheirMaker) {
  tree_.MakeDirectory("stores/machine", "new");
  Must(tree_.Put(kUser, "stores/machine/new/key.pem", Vector("leaf.key")));
  Must(tree_.Put(kUser, "stores/machine/new/cert.pem", Vector("leaf.pem")));
  const Node key = tree_.At("stores/machine/new/key.pem");
  const Node certificate = tree_.At("stores/machine/new/cert.pem");
  EXPECT_EQ(key.attributes.mode, 0600U);
  EXPECT_EQ(certificate.attributes.mode, 0644U);
  EXPECT_EQ(key.attributes.uid, kUser.uid);
  EXPECT_EQ(certificate.attributes.gid, kUser.gid);
}

TEST_F(VolumeWriteTest, AReplacementKeepsOwnerAndMode) {
  AttributeChange change;
  change.mode = 0640;
  change.uid = 33;
  change.gid = 34;
  Must(volume_.SetAttributes(kRoot, tree_.At(kCert).id, 0, change, std::nullopt));
  const auto writer = Open(kReplace, kUser);
  AttributeChange wanted;
  wanted.mode = 0666;
  wanted.uid = 1000;
  Must(volume_.SetAttributes(kUser, writer.node, writer.handle, wanted, std::nullopt));
  Must(volume_.Write(kUser, writer.handle, 0, AsBytes(chain_)));
  Must(Flush(writer, kUser));
  Close(writer);
  const Node live = tree_.At(kCert);
  EXPECT_EQ(live.attributes.mode, 0640U);
  EXPECT_EQ(live.attributes.uid, 33U);
  EXPECT_EQ(live.attributes.gid, 34U);
}

TEST_F(VolumeWriteTest, BitsForOthersOnAKeyAreRefusedByHandleToo) {
  const auto writer = Must(tree_.OpenToWrite(kRoot, kKey, kReplace));
  AttributeChange change;
  change.mode = 0644;
  EXPECT_EQ(Failure(volume_.SetAttributes(kRoot, writer.node, writer.handle, change, std::nullopt)),
            ErrorCode::kNotPermitted);
  Close(writer);
  EXPECT_EQ(tree_.At(kKey).attributes.mode, 0600U);
}

// One mtime for both members at a commit; an explicit one holds for its member.
TEST_F(VolumeWriteTest, TimesAreThoseOfTheCommitUnlessTheyAreSet) {
  tree_.now += std::chrono::hours(1);
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  EXPECT_EQ(tree_.At(kCert).attributes.mtime, tree_.now);
  EXPECT_EQ(tree_.At(kKey).attributes.mtime, tree_.now);
  const Time set = tree_.now - std::chrono::hours(48);
  const auto writer = Open();
  Must(Write(writer, leaf_));
  AttributeChange change;
  change.mtime = set;
  Must(
      volume_.SetAttributes(kRoot, writer.node, writer.handle, change, std::nullopt));  // cp -p: before close
  tree_.now += std::chrono::hours(1);
  Must(Flush(writer));
  Close(writer);
  EXPECT_EQ(tree_.At(kCert).attributes.mtime, set);
  EXPECT_EQ(tree_.At(kKey).attributes.mtime, tree_.now);
}

// --- Readers across a commit

TEST_F(VolumeWriteTest, AnOpenFileKeepsItsBytesAndItsSize) {
  const NodeId old = tree_.At(kCert).id;
  const HandleId handle = Must(volume_.Open(kUser, old, kRead));
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  EXPECT_EQ(AsText(Must(volume_.Read(old, handle, 0, 1 << 20)).Reveal()), leaf_);
  const Node shown = Must(volume_.GetAttributes(kUser, old, 0));
  EXPECT_EQ(shown.size, leaf_.size());
  EXPECT_EQ(shown.links, 0U);
  volume_.Release(old, handle);
}

// fchmod(2) on an open file that was replaced meanwhile: the kernel must not learn the new size for the old
// bytes.
TEST_F(VolumeWriteTest, SettingAttributesOfASupersededRevisionShowsItsOwnSize) {
  const NodeId old = tree_.At(kCert).id;
  const HandleId handle = Must(volume_.Open(kUser, old, kRead));
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  AttributeChange change;
  change.mode = 0600;
  const Node shown = Must(volume_.SetAttributes(kRoot, old, 0, change, std::nullopt));
  EXPECT_EQ(shown.id, old);
  EXPECT_EQ(shown.size, leaf_.size());
  EXPECT_EQ(tree_.At(kCert).attributes.mode, 0600U);
  EXPECT_EQ(tree_.At(kCert).size, chain_.size());
  volume_.Release(old, handle);
  tree_.now += std::chrono::minutes(1);
  EXPECT_EQ(Failure(volume_.SetAttributes(kRoot, old, 0, change, std::nullopt)), ErrorCode::kStale);
}

// The kernel judges fchmod(2) by the inode of the handle, which shows the owner of its own time: whoever was
// it once must not loosen the file that was made somebody else's since.
TEST_F(VolumeWriteTest, AHandleOfAnEarlierOwnerChangesNoPermissions) {
  const Caller kLater{2000, 2000, 300};
  const NodeId entry = tree_.MakeDirectory("stores/machine", "mine").id;
  const std::string key = "stores/machine/mine/key.pem";
  const auto made = Must(volume_.Create(kUser, entry, "key.pem", kReplace));
  Must(volume_.Write(kUser, made.handle, 0, Vector("leaf.key")));
  Must(volume_.Flush(kUser, made.handle));
  const NodeId old = tree_.At(key).id;
  const HandleId reader = Must(volume_.Open(kUser, old, kRead));

  AttributeChange given;
  given.uid = kLater.uid;
  given.gid = kLater.gid;
  Must(volume_.SetAttributes(kRoot, old, 0, given, std::nullopt));
  Must(tree_.Put(kLater, key, Vector("other.key")));

  AttributeChange loosened;
  loosened.mode = 0640;
  AttributeChange shared;
  shared.gid = kUser.gid;
  for (const AttributeChange& change : {loosened, shared}) {
    EXPECT_EQ(Failure(volume_.SetAttributes(kUser, made.node.id, made.handle, change, std::nullopt)),
              ErrorCode::kNotPermitted);
    EXPECT_EQ(Failure(volume_.SetAttributes(kUser, old, reader, change, std::nullopt)),
              ErrorCode::kNotPermitted);
  }
  EXPECT_EQ(tree_.At(key).attributes.mode, 0600U);
  EXPECT_EQ(tree_.At(key).attributes.gid, kLater.gid);
  Must(volume_.SetAttributes(kRoot, old, reader, loosened, std::nullopt));
  EXPECT_EQ(tree_.At(key).attributes.mode, 0640U);
  volume_.Release(old, reader);
  volume_.Release(made.node.id, made.handle);
}

// The kernel looks up again once; a second such answer in a row would reach the user.
TEST_F(VolumeWriteTest, ASupersededRevisionIsStaleOnceAndThenServed) {
  const NodeId old = tree_.At(kCert).id;
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  EXPECT_EQ(Failure(tree_.ReadNode(kUser, old)), ErrorCode::kStale);
  EXPECT_EQ(Must(tree_.ReadNode(kUser, old)), leaf_);
  EXPECT_EQ(Failure(tree_.ReadNode(kUser, old)), ErrorCode::kStale);
  EXPECT_EQ(Must(tree_.Get(kUser, kCert)), chain_);
  EXPECT_EQ(Failure(tree_.ReadNode(kUser, old)), ErrorCode::kStale);
}

// What another process commits is not kept here; its commit may yet come between the second lookup and the
// second open.
TEST_F(VolumeWriteTest, NobodyIsToldStaleTwiceWhenAnotherProcessCommits) {
  Listener listener;
  Volume other(*tree_.keystore, tree_.processes, listener, {0, 0, "certfs test\n"});
  const auto commit = [&](const std::string& name) {
    const NodeId staging = Must(other.Stage(kRoot, tree_.At(kCert).id)).id;
    const HandleId handle = Must(other.Open(kRoot, staging, kReplace));
    Must(other.Write(kRoot, handle, 0, Vector(name)));
    Must(other.Flush(kRoot, handle));
    other.Release(staging, handle);
  };
  const NodeId first = tree_.At(kCert).id;
  commit("chain.pem");
  EXPECT_EQ(Failure(tree_.ReadNode(kUser, first)), ErrorCode::kStale);
  const NodeId second = Must(tree_.Find(kUser, kCert)).id;
  commit("leaf.pem");
  EXPECT_EQ(Must(tree_.ReadNode(kUser, second)), chain_);
  EXPECT_EQ(Must(tree_.Get(kUser, kCert)), leaf_);
}

TEST_F(VolumeWriteTest, ARemovedFileIsServedToAnOpenThatBeganBefore) {
  const NodeId old = tree_.At(kKey).id;
  Must(volume_.Unlink(kRoot, entry_, "key.pem"));
  EXPECT_EQ(Failure(tree_.ReadNode(kUser, old)), ErrorCode::kStale);
  EXPECT_EQ(Must(tree_.ReadNode(kUser, old)), TextOf("leaf.key"));
}

// A bind mount of a single file asks for its node for as long as it exists.
TEST_F(VolumeWriteTest, WhatTheKernelHoldsIsKept) {
  const NodeId held = tree_.At(kCert).id;
  volume_.Named(tree_.At(kCert));
  volume_.Named(tree_.At(kCert));
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  const NodeId unheld = tree_.At(kCert).id;
  Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
  tree_.now += std::chrono::hours(24);
  volume_.Forget(held, 1);
  EXPECT_EQ(Failure(tree_.ReadNode(kUser, held)), ErrorCode::kStale);
  EXPECT_EQ(Must(tree_.ReadNode(kUser, held)), leaf_);
  EXPECT_EQ(Must(volume_.GetAttributes(kUser, held, 0)).size, leaf_.size());
  EXPECT_EQ(Failure(tree_.ReadNode(kUser, unheld)), ErrorCode::kStale);
  EXPECT_EQ(Failure(tree_.ReadNode(kUser, unheld)), ErrorCode::kStale);
  volume_.Forget(held, 1);
  EXPECT_EQ(Failure(volume_.GetAttributes(kUser, held, 0)), ErrorCode::kStale);
}

// A refused commit supersedes nothing: the live bytes are not kept a second time.
TEST_F(VolumeWriteTest, ARefusedCommitKeepsNothing) {
  const NodeId live = tree_.At(kKey).id;
  volume_.Named(tree_.At(kKey));
  EXPECT_EQ(Failure(tree_.Put(kRoot, kKey, Vector("other.key"))), ErrorCode::kRejected);
  tree_.now += std::chrono::hours(1);
  Must(volume_.Unlink(kRoot, entry_, "key.pem"));
  volume_.Forget(live, 1);
  tree_.now += std::chrono::hours(1);
  EXPECT_EQ(Failure(volume_.GetAttributes(kUser, live, 0)), ErrorCode::kStale);
}

// --- Races between writers

TEST_F(VolumeWriteTest, TwoWritersOneWinsWhole) {
  const auto first = Open();
  const auto second = Open(kReplace, kUser);
  Must(Write(first, chain_.substr(0, 400)));
  Must(volume_.Write(kUser, second.handle, 0, AsBytes("# second\n" + leaf_)));
  Must(Write(first, chain_.substr(400), 400));
  Must(Flush(second, kUser));
  EXPECT_EQ(Live(), "# second\n" + leaf_);
  Must(Flush(first));
  EXPECT_EQ(Live(), chain_);
  Close(first);
  Close(second);
}

TEST_F(VolumeWriteTest, AWriterWhoseEntryIsGoneIsToldSo) {
  tree_.MakeDirectory("stores/machine", "gone");
  const auto writer = Must(tree_.OpenToWrite(kRoot, "stores/machine/gone/cert.pem", kReplace));
  Must(Write(writer, leaf_));
  Must(volume_.RemoveDirectory(kRoot, tree_.At("stores/machine").id, "gone"));
  EXPECT_EQ(Failure(Flush(writer)), ErrorCode::kNotFound);
  Close(writer);
}

TEST_F(VolumeWriteTest, AWriterFollowsItsEntryThroughARename) {
  const auto writer = Open();
  Must(Write(writer, chain_));
  const NodeId store = tree_.At("stores/machine").id;
  Must(volume_.Rename(kRoot, store, "web", store, "renamed", 0));
  Must(Flush(writer));
  Close(writer);
  EXPECT_EQ(Must(tree_.Get(kRoot, "stores/machine/renamed/cert.pem")), chain_);
}

}  // namespace
}  // namespace certfs::test
