// Goal: a volume answers for the handles and nodes that one before it gave out, as far as the keystore still
// shows what they were, and never for what is lost. Method: two volumes over one keystore, of which the
// second is asked for what the first gave out.

#include "fs/fuse/redirect.h"
#include "fs/pair_notes.h"
#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr auto kCert = "stores/machine/web/cert.pem";
constexpr auto kKey = "stores/machine/web/key.pem";
constexpr std::size_t kAll = std::size_t{2} << 20;

class SuccessorTest : public testing::Test {
 protected:
  SuccessorTest() {
    tree_.MakeDirectory("stores/machine", "web");
    Must(tree_.Put(kRoot, kKey, Vector("leaf.key")));
    Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
  }

  struct Reader {
    NodeId node;
    HandleId handle;
  };
  Reader Open(const std::string& path) {
    const NodeId node = tree_.At(path).id;
    return {node, Must(tree_.volume.Open(kRoot, node, kRead))};
  }
  std::string Read(const Reader& reader) {
    return std::string(AsText(Must(next_.Read(reader.node, reader.handle, 0, kAll)).Reveal()));
  }

  Tree tree_;
  Listener listener_;
  VolumeOptions Options(std::uint32_t incarnation) {
    VolumeOptions options{0, 0, "certfs test\n", std::filesystem::temp_directory_path(),
                          [this] { return tree_.instant(); }};
    options.incarnation = incarnation;
    return options;
  }
  Volume next_{*tree_.keystore, tree_.processes, listener_, Options(2)};
};

TEST_F(SuccessorTest, ReadsWhatIsAsItWas) {
  for (const std::string path :
       {kCert, kKey, "export/machine/web/fullchain.pem", "export/machine/web/combined.pem"}) {
    const std::string before = Must(tree_.Get(kRoot, path));
    const Reader reader = Open(path);
    EXPECT_EQ(Read(reader), before) << path;
    EXPECT_EQ(AsText(Must(next_.Read(reader.node, reader.handle, 5, 7)).Reveal()), before.substr(5, 7))
        << path;
    next_.Release(reader.node, reader.handle);
    EXPECT_EQ(Must(next_.GetAttributes(kRoot, reader.node, 0)).size, before.size()) << path;
  }
}

TEST_F(SuccessorTest, ReadsTheStateThatIsKept) {
  const Reader cert = Open(kCert);
  const Reader key = Open(kKey);
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  const Reader now = Open(kCert);
  EXPECT_EQ(Read(cert), TextOf("leaf.pem"));
  EXPECT_EQ(Read(key), TextOf("leaf.key"));
  EXPECT_EQ(Read(now), TextOf("chain.pem"));
  EXPECT_EQ(Must(next_.GetAttributes(kRoot, cert.node, cert.handle)).size, Vector("leaf.pem").size());
  EXPECT_EQ(Must(next_.GetAttributes(kRoot, cert.node, 0)).id, cert.node);
}

TEST_F(SuccessorTest, DoesNotReadOneStateForAnother) {
  const Reader oldest = Open(kCert);
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  Must(tree_.Put(kRoot, kCert, Vector("leaf.pem")));
  // What is kept is the one in between; of the oldest nothing is left, though its bytes are live again.
  EXPECT_EQ(Failure(next_.Read(oldest.node, oldest.handle, 0, kAll)), ErrorCode::kStale);
  EXPECT_EQ(Failure(next_.GetAttributes(kRoot, oldest.node, 0)), ErrorCode::kStale);
  const Reader generated = Open("export/machine/web/fullchain.pem");
  Must(tree_.Put(kRoot, kCert, Vector("chain.pem")));
  EXPECT_EQ(Failure(next_.Read(generated.node, generated.handle, 0, kAll)), ErrorCode::kStale);
  Must(tree_.volume.Unlink(kRoot, tree_.At("stores/machine/web").id, "key.pem"));
  Must(tree_.volume.Unlink(kRoot, tree_.At("stores/machine/web").id, "cert.pem"));
  Must(tree_.volume.RemoveDirectory(kRoot, tree_.At("stores/machine").id, "web"));
  EXPECT_EQ(Failure(next_.Read(oldest.node, oldest.handle + 100, 0, kAll)), ErrorCode::kStale);
}

TEST_F(SuccessorTest, HasLostWhatWasWritten) {
  const auto writer = Must(tree_.OpenToWrite(kUser, kCert, kReplace));
  Must(tree_.volume.Write(kUser, writer.handle, 0, Vector("chain.pem")));
  const auto scratch = Must(tree_.OpenToWrite(kUser, "stores/machine/web/.scratch", kReplace));
  for (const auto& lost : {writer, scratch}) {
    EXPECT_EQ(Failure(next_.Write(kUser, lost.handle, 0, Vector("chain.pem"))), ErrorCode::kIo);
    EXPECT_EQ(Failure(next_.Read(lost.node, lost.handle, 0, kAll)), ErrorCode::kIo);
    EXPECT_EQ(Failure(next_.Sync(kUser, lost.handle)), ErrorCode::kIo);
    EXPECT_EQ(Failure(next_.Flush(kUser, lost.handle)), ErrorCode::kIo);
    EXPECT_EQ(Failure(next_.GetAttributes(kUser, lost.node, lost.handle)), ErrorCode::kStale);
    next_.Release(lost.node, lost.handle);
  }
  EXPECT_EQ(Must(tree_.Get(kRoot, kCert)), TextOf("leaf.pem"));
  // Whoever only read and closes has lost nothing.
  const Reader reader = Open(kCert);
  Must(next_.Flush(kUser, reader.handle));
}

TEST_F(SuccessorTest, GivesOutNumbersOfItsOwn) {
  const Reader before = Open(kCert);
  const auto staged = Must(tree_.volume.Stage(kUser, before.node));
  const HandleId handle = Must(next_.Open(kRoot, before.node, kRead));
  const auto staged_next = Must(next_.Stage(kUser, before.node));
  EXPECT_NE(handle, before.handle);
  EXPECT_NE(staged_next.id, staged.id);
  Volume third(*tree_.keystore, tree_.processes, listener_, Options(3));
  EXPECT_GT(Must(third.Open(kRoot, before.node, kRead)), handle);
}

TEST_F(SuccessorTest, TellsWatchersOfWhatItReplaces) {
  const NodeId before = tree_.At(kCert).id;
  const Node staging = Must(next_.Stage(kRoot, before));
  const HandleId handle = Must(next_.Open(kRoot, staging.id, kReplace));
  Must(next_.Write(kRoot, handle, 0, Vector("chain.pem")));
  Must(next_.Flush(kRoot, handle));
  next_.Release(staging.id, handle);
  const NodeId directory = tree_.At("stores/machine/web").id;
  const Listener::Replacement wanted{directory, "cert.pem", before};
  EXPECT_NE(std::find(listener_.replaced.begin(), listener_.replaced.end(), wanted),
            listener_.replaced.end());
}

// --- The notes of writers on their way

class Notes final : public NoteKeeper {
 public:
  void Keep(const RedirectNote& note) override { notes[note.thread] = note; }
  void Drop(std::int32_t thread) override { notes.erase(thread); }
  std::vector<RedirectNote> Kept() override {
    std::vector<RedirectNote> kept;
    for (const auto& [thread, note] : notes) kept.push_back(note);
    return kept;
  }
  std::map<std::int32_t, RedirectNote> notes;
};

TEST_F(SuccessorTest, LeadsWhomItsPredecessorSentBack) {
  Notes notes;
  const NodeId live = tree_.At(kCert).id;
  const NodeId entry = tree_.At("stores/machine/web").id;
  const auto now = std::chrono::steady_clock::now();
  {
    Redirect before(tree_.volume, &notes);
    EXPECT_EQ(before.OpenLive(kUser, live, now).code(), ErrorCode::kStale);
  }
  ASSERT_EQ(notes.notes.size(), 1U);
  Redirect after(next_, &notes);
  EXPECT_FALSE(after.Find(kRoot, entry, "cert.pem", now));
  EXPECT_FALSE(after.Find(kUser, entry, "key.pem", now));
  const auto staging = after.Find(kUser, entry, "cert.pem", now);
  ASSERT_TRUE(staging);
  after.Arrived(kUser, *staging);
  const HandleId handle = Must(next_.Open(kUser, *staging, kReplace));
  // Until that is answered, one more successor would lead it again.
  EXPECT_EQ(notes.notes.size(), 1U);
  after.Done(kUser);
  EXPECT_TRUE(notes.notes.empty());
  next_.Release(*staging, handle);
}

TEST_F(SuccessorTest, OpensTheStagingInodeThatItsPredecessorMade) {
  Notes notes;
  const NodeId live = tree_.At(kCert).id;
  const NodeId entry = tree_.At("stores/machine/web").id;
  const auto now = std::chrono::steady_clock::now();
  std::optional<NodeId> staging;
  {
    Redirect before(tree_.volume, &notes);
    EXPECT_EQ(before.OpenLive(kUser, live, now).code(), ErrorCode::kStale);
    staging = before.Find(kUser, entry, "cert.pem", now);
  }
  ASSERT_TRUE(staging);
  EXPECT_EQ(Failure(next_.Open(kUser, *staging, kReplace)), ErrorCode::kStale);
  Redirect after(next_, &notes);
  after.Arrived(kRoot, *staging);
  EXPECT_EQ(Failure(next_.Open(kUser, *staging, kReplace)), ErrorCode::kStale);
  // Before it opens it, the kernel asks who may.
  EXPECT_EQ(Failure(next_.GetAttributes(kUser, *staging, 0)), ErrorCode::kStale);
  after.Asked(kRoot, *staging);
  EXPECT_EQ(Failure(next_.GetAttributes(kUser, *staging, 0)), ErrorCode::kStale);
  after.Asked(kUser, *staging);
  EXPECT_EQ(Must(next_.GetAttributes(kUser, *staging, 0)).id, *staging);
  EXPECT_EQ(notes.notes.size(), 1U);
  after.Arrived(kUser, *staging);
  const HandleId handle = Must(next_.Open(kUser, *staging, kReplace));
  Must(next_.Write(kUser, handle, 0, Vector("chain.pem")));
  Must(next_.Flush(kUser, handle));
  next_.Release(*staging, handle);
  EXPECT_EQ(Must(tree_.Get(kRoot, kCert)), TextOf("chain.pem"));
}

// What the page says may be anybody's.
TEST_F(SuccessorTest, BelievesNoNoteThatCannotBeTrue) {
  const NodeId live = tree_.At(kCert).id;
  const NodeId entry = tree_.At("stores/machine/web").id;
  const auto now = std::chrono::steady_clock::now();
  const NodeId staging = NodeId::OfStaging(99);
  for (const RedirectNote& note :
       {RedirectNote{kUser.thread, live, staging, now - std::chrono::hours(1)},
        RedirectNote{kUser.thread, live, staging, now + std::chrono::hours(1)},
        RedirectNote{kUser.thread, live, live, now}, RedirectNote{kUser.thread, entry, staging, now}}) {
    Notes notes;
    notes.Keep(note);
    Redirect after(next_, &notes);
    EXPECT_FALSE(after.Find(kUser, entry, "cert.pem", now));
    after.Arrived(kUser, staging);
    EXPECT_EQ(Failure(next_.Open(kUser, staging, kReplace)), ErrorCode::kStale);
  }
}

// --- The notes of readers between the halves of a pair

class Pairs final : public PairNotes {
 public:
  void KeepPair(const PairNote& note) override { notes[{note.thread, note.entry}] = note; }
  void DropPair(std::int32_t thread, Number entry) override { notes.erase({thread, entry}); }
  std::vector<PairNote> KeptPairs() override {
    std::vector<PairNote> kept;
    for (const auto& [key, note] : notes) kept.push_back(note);
    return kept;
  }
  std::map<std::pair<std::int32_t, Number>, PairNote> notes;
};

class PairSuccessorTest : public SuccessorTest {
 protected:
  // The daemon that serves now ends, and the next one takes over.
  void Succeed() {
    daemon_.reset();
    VolumeOptions options = Options(++incarnation_);
    options.pairs = &pairs_;
    daemon_ = std::make_unique<Volume>(*tree_.keystore, tree_.processes, listener_, options);
  }
  // The revision that `caller` gets, who looks up and opens `name` of the entry.
  Revision Opened(const Caller& caller, std::string_view name) {
    const NodeId node = Must(daemon_->Lookup(caller, tree_.At("stores/machine/web").id, name)).id;
    daemon_->Release(node, Must(daemon_->Open(caller, node, kRead)));
    return node.revision();
  }
  // A renewal for the same key, which gives both files a new revision.
  void Renew() {
    const NodeId live = Must(daemon_->Lookup(kRoot, tree_.At("stores/machine/web").id, "cert.pem")).id;
    const Node staging = Must(daemon_->Stage(kRoot, live));
    const HandleId handle = Must(daemon_->Open(kRoot, staging.id, kReplace));
    const std::string renewal = "# renewal " + std::to_string(++renewals_) + "\n" + TextOf("leaf.pem");
    Must(daemon_->Write(kRoot, handle, 0, AsBytes(renewal)));
    Must(daemon_->Flush(kRoot, handle));
    daemon_->Release(staging.id, handle);
  }
  static Caller Again(Caller caller) {
    caller.resent = true;
    return caller;
  }

  Pairs pairs_;
  std::uint32_t incarnation_ = 0;
  int renewals_ = 0;
  std::unique_ptr<Volume> daemon_;
};

TEST_F(PairSuccessorTest, GivesTheOtherHalfOfWhatItsPredecessorBegan) {
  Succeed();
  for (const auto& [first, second] : {std::pair{"cert.pem", "key.pem"}, std::pair{"key.pem", "cert.pem"}}) {
    // Replaced before the one that takes over, or by it.
    for (const bool before : {true, false}) {
      const Revision began = Opened(kUser, first);
      if (before) Renew();
      Succeed();
      if (!before) Renew();
      EXPECT_EQ(Opened(kRoot, second), began + 1) << second;
      EXPECT_EQ(Opened(kUser, second), began) << second << before;
      // Whatever he opens next begins a pair.
      EXPECT_EQ(Opened(kUser, second), began + 1) << second;
      Renew();
      EXPECT_EQ(Opened(kUser, first), began + 1) << first;
      tree_.now += std::chrono::minutes(1);
    }
  }
}

TEST_F(PairSuccessorTest, IsInStepWithWhomItsPredecessorServed) {
  Succeed();
  const Revision began = Opened(kUser, "cert.pem");
  EXPECT_EQ(Opened(kUser, "key.pem"), began);
  Succeed();
  Renew();
  // His pair was whole: this begins one.
  EXPECT_EQ(Opened(kUser, "key.pem"), began + 1);
  Renew();
  Succeed();
  EXPECT_EQ(Opened(kUser, "cert.pem"), began + 1);
}

TEST_F(PairSuccessorTest, IsInStepWithWhoeverGotNoAnswer) {
  for (const bool second : {false, true}) {
    Succeed();
    const Revision began = Opened(kUser, "cert.pem");
    if (second) Opened(kUser, "key.pem");
    Renew();
    Succeed();
    // Of a first half, what is live; of a second one, what the first was of.
    if (second) {
      EXPECT_EQ(Opened(Again(kUser), "key.pem"), began);
    } else {
      EXPECT_EQ(Opened(Again(kUser), "cert.pem"), began + 1);
      EXPECT_EQ(Opened(kUser, "key.pem"), began + 1);
    }
    Renew();
    EXPECT_EQ(Opened(kUser, "key.pem"), began + 2) << second;
    tree_.now += std::chrono::minutes(1);
  }
}

TEST_F(PairSuccessorTest, BelievesNoNoteOfAPairThatCannotBeTrue) {
  Succeed();
  const Revision began = Opened(kUser, "cert.pem");
  Renew();
  ASSERT_EQ(pairs_.notes.size(), 1U);
  const PairNote good = pairs_.notes.begin()->second;
  const auto tells = [&](auto change) {
    pairs_.notes.begin()->second = good;
    change(pairs_.notes.begin()->second);
    Succeed();
    return Opened(kUser, "key.pem");
  };
  EXPECT_EQ(tells([](PairNote& note) { note.first += std::chrono::hours(1); }), began + 1);
  EXPECT_EQ(tells([](PairNote& note) { note.first -= std::chrono::seconds(3); }), began + 1);
  EXPECT_EQ(tells([](PairNote& note) { note.opened = Member::kSecret; }), began + 1);
  EXPECT_EQ(tells([](PairNote& note) { note.opened = static_cast<Member>(200); }), began + 1);
  EXPECT_EQ(tells([](PairNote& note) { note.entry = 1; }), began + 1);
  EXPECT_EQ(tells([](PairNote& note) { note.entry = ~Number{0}; }), began + 1);
  EXPECT_EQ(tells([](PairNote& note) { note.revision += 17; }), began + 1);
  EXPECT_EQ(tells([](PairNote& note) { note.thread = -5; }), began + 1);
  EXPECT_EQ(tells([](PairNote&) {}), began);
}

}  // namespace
}  // namespace certfs::test
