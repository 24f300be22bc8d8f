// What another process commits: Volume::CatchUp.
//
// Goal: whatever the kernel knows of an entry that another process changed is told once, and nothing else; a
// process between the halves of a pair still gets a pair. Method: two keystores over one table, of which the
// volume knows one.

#include "store/memory_table.h"
#include "store/sealed_table.h"
#include "tests/fs/shared_table.h"
#include "tests/fs/volume_fixture.h"
#include "tests/store/faulty_table.h"
#include "tests/store/table_fixture.h"

namespace certfs::test {
namespace {

class VolumeForeignTest : public ::testing::Test {
 protected:
  VolumeForeignTest() {
    entry_ =
        Must(other_->CreateEntry(StoreNumber("machine"), Must(Alias::Parse("web")), {0, 0}, 0755)).number;
    Write(Member::kKey, "leaf.key");
    Write(Member::kCertificate, "leaf.pem");
    Must(volume_.CatchUp());
    Forget();
  }

  std::unique_ptr<Keystore> Open() {
    return Must(Keystore::Over(
        std::make_unique<FaultyTable>(std::make_unique<SharedTable>(table_, foreign_), faults_), {0, 0},
        [this] { return now_; }));
  }
  Number StoreNumber(std::string_view name) {
    return Must(Must(other_->Snapshot())->FindStore(Must(StoreName::Parse(name))))->number;
  }
  // By the other process.
  void Write(Member member, const std::string& vector) {
    Must(other_->WriteFile(entry_, member, Vector(vector), {0, 0}, {}));
    ++foreign_;
  }

  Node Find(const Caller& caller, std::string_view file) {
    return Must(volume_.Lookup(caller, NodeId::OfDirectory(entry_), file));
  }
  std::string Read(const Caller& caller, NodeId node) {
    const HandleId handle = Must(volume_.Open(caller, node, kRead));
    const SecretBytes bytes = Must(volume_.Read(node, handle, 0, std::size_t{2} << 20));
    volume_.Release(node, handle);
    return std::string(AsText(bytes.Reveal()));
  }
  // The kernel gets the entry's directory.
  void Hold() {
    volume_.Named(Must(volume_.Lookup(kRoot, NodeId::OfDirectory(StoreNumber("machine")), "web")));
  }
  void Forget() {
    listener_.changed.clear();
    listener_.replaced.clear();
    listener_.listings.clear();
  }

  bool IsListed(NodeId directory) const {
    return std::find(listener_.listings.begin(), listener_.listings.end(), directory) !=
           listener_.listings.end();
  }

  Faults faults_;  // Of both; none while the test orders none.
  Time now_ = kVectorTime;
  std::uint64_t foreign_ = 0;
  std::shared_ptr<EntryTable> table_ = MakeMemoryTable();
  std::unique_ptr<Keystore> mine_ = Open();
  std::unique_ptr<Keystore> other_ = Open();
  InventedProcesses processes_;
  Listener listener_;
  Volume volume_{
      *mine_, processes_, listener_, {0, 0, "certfs test\n", std::filesystem::temp_directory_path(), [this] {
                                        return Instant(now_.time_since_epoch());
                                      }}};
  Number entry_ = 0;
};

using Replaced = std::vector<Listener::Replacement>;

TEST_F(VolumeForeignTest, WhatTheKernelHoldsIsToldOnce) {
  Hold();
  const Node cert = Find(kRoot, "cert.pem");
  volume_.Named(cert);
  Write(Member::kCertificate, "chain.pem");
  Must(volume_.CatchUp());
  const NodeId directory = NodeId::OfDirectory(entry_);
  EXPECT_EQ(listener_.replaced,
            (Replaced{{directory, "cert.pem", cert.id}, {directory, "key.pem", NodeId()}}));
  EXPECT_EQ(std::count(listener_.changed.begin(), listener_.changed.end(),
                       std::pair(directory, std::string("cert.pem"))),
            1);
  EXPECT_EQ(listener_.listings.size(), 2U);  // The store's, and BACKUP_STORE's.
  Forget();
  Must(volume_.CatchUp());
  ++foreign_;  // Somebody committed something else.
  Must(volume_.CatchUp());
  EXPECT_TRUE(listener_.replaced.empty() && listener_.changed.empty() && listener_.listings.empty());
}

TEST_F(VolumeForeignTest, WhatTheKernelDoesNotHoldIsNot) {
  Write(Member::kCertificate, "chain.pem");
  Must(volume_.CatchUp());
  EXPECT_TRUE(listener_.replaced.empty() && listener_.changed.empty());
}

TEST_F(VolumeForeignTest, AnOwnCommitIsNotToldAgain) {
  Hold();
  const Node live = Find(kRoot, "cert.pem");
  const Node staging = Must(volume_.Stage(kRoot, live.id));
  const HandleId handle = Must(volume_.Open(kRoot, staging.id, kReplace));
  Must(volume_.Write(kRoot, handle, 0, Vector("chain.pem")));
  Must(volume_.Flush(kRoot, handle));
  volume_.Release(staging.id, handle);
  Forget();
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_TRUE(listener_.replaced.empty());
  // What others do behind it is.
  Write(Member::kCertificate, "leaf.pem");
  Must(volume_.CatchUp());
  EXPECT_EQ(listener_.replaced.size(), 2U);
}

TEST_F(VolumeForeignTest, AttributesReplaceNothing) {
  Hold();
  AttributeChange change;
  change.mode = 0600;
  Must(other_->SetFileAttributes(entry_, Member::kCertificate, change));
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_TRUE(listener_.replaced.empty());
}

TEST_F(VolumeForeignTest, EntriesAndStoresThatComeAndGo) {
  Hold();
  const Number store = StoreNumber("machine");
  Must(other_->RemoveFile(entry_, Member::kCertificate, {0, 0}));
  Must(other_->RemoveFile(entry_, Member::kKey, {0, 0}));
  Must(other_->RemoveEntry(store, Must(Alias::Parse("web")), {0, 0}));
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_TRUE(listener_.replaced.empty());
  EXPECT_FALSE(listener_.changed.empty());
  EXPECT_NE(std::find(listener_.listings.begin(), listener_.listings.end(), NodeId::OfDirectory(store)),
            listener_.listings.end());
  Forget();
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_TRUE(listener_.changed.empty() && listener_.listings.empty());
  Must(other_->CreateStore(Must(StoreName::Parse("new")), {0, 0}, 0755));
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_EQ(listener_.listings, std::vector<NodeId>{NodeId::Of(Fixed::kStores)});
}

// Contract, rule 11, as far as BACKUP_STORE has what was replaced.
TEST_F(VolumeForeignTest, WhoIsBetweenTheHalvesGetsAPair) {
  Hold();
  const Caller between{0, 0, 41};
  const Node key = Find(between, "key.pem");
  Read(between, key.id);
  const Node cert = Find(between, "cert.pem");
  Write(Member::kCertificate, "chain.pem");
  Must(volume_.CatchUp());
  EXPECT_EQ(Find(between, "cert.pem").id, cert.id);
  EXPECT_EQ(Read(Caller{0, 0, 42}, Find(Caller{0, 0, 42}, "cert.pem").id), AsText(Vector("chain.pem")));
  EXPECT_EQ(Read(between, cert.id), AsText(Vector("leaf.pem")));
  // The next time it begins with what is live.
  EXPECT_EQ(Read(between, Find(between, "cert.pem").id), AsText(Vector("chain.pem")));
}

// Replaced twice: what it began with is nowhere. It gets what is live, as without a pin, and never a third
// thing.
TEST_F(VolumeForeignTest, WhatNobodyHasIsNotServed) {
  Hold();
  const Caller between{0, 0, 41};
  Read(between, Find(between, "key.pem").id);
  const Node cert = Find(between, "cert.pem");
  Write(Member::kCertificate, "chain.pem");
  Write(Member::kCertificate, "leaf.pem");
  Must(volume_.CatchUp());
  EXPECT_EQ(Failure(volume_.Open(between, cert.id, kRead)), ErrorCode::kStale);
  EXPECT_EQ(Read(between, Find(between, "cert.pem").id), AsText(Vector("leaf.pem")));
}

// A removal moves no revision: the name goes at once all the same, and the watchers of its directory hear of
// it.
TEST_F(VolumeForeignTest, ARemovedFileIsTold) {
  Hold();
  const NodeId directory = NodeId::OfDirectory(entry_);
  RemovedFile removed;
  Must(other_->RemoveFile(entry_, Member::kKey, {0, 0}, &removed));
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_EQ(listener_.changed, (std::vector{std::pair(directory, std::string("key.pem"))}));
  EXPECT_TRUE(IsListed(directory));
  EXPECT_TRUE(listener_.replaced.empty());
  Forget();
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_TRUE(listener_.changed.empty() && listener_.listings.empty());
  // It comes back as it was.
  Must(other_->RestoreFile(removed));
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_EQ(listener_.replaced, (Replaced{{directory, "key.pem", NodeId()}}));
  EXPECT_FALSE(IsListed(directory));
}

// Removed by others, while what remains is replaced.
TEST_F(VolumeForeignTest, ARemovedFileIsToldBesideAReplacedOne) {
  Hold();
  Must(other_->RemoveFile(entry_, Member::kKey, {0, 0}));
  Write(Member::kCertificate, "chain.pem");
  Must(volume_.CatchUp());
  const NodeId directory = NodeId::OfDirectory(entry_);
  EXPECT_EQ(listener_.replaced, (Replaced{{directory, "cert.pem", NodeId()}}));
  EXPECT_NE(std::find(listener_.changed.begin(), listener_.changed.end(),
                      std::pair(directory, std::string("key.pem"))),
            listener_.changed.end());
  EXPECT_TRUE(IsListed(directory));
}

// The kernel knows what was asked for through the mount, and what a refused replacement brought back.
TEST_F(VolumeForeignTest, AnOwnRemovalIsNotToldAgain) {
  Hold();
  const NodeId directory = NodeId::OfDirectory(entry_);
  Must(volume_.Unlink(kRoot, directory, "cert.pem"));
  Forget();
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_TRUE(listener_.changed.empty() && !IsListed(directory));
  const auto created = Must(volume_.Create(kRoot, directory, "cert.pem", kReplace));
  Must(volume_.Write(kRoot, created.handle, 0, AsBytes("-----BEGIN nothing")));
  EXPECT_TRUE(Failure(volume_.Flush(kRoot, created.handle)).has_value());
  volume_.Release(created.node.id, created.handle);
  Find(kRoot, "cert.pem");
  Forget();
  ++foreign_;
  Must(volume_.CatchUp());
  EXPECT_TRUE(listener_.changed.empty() && listener_.replaced.empty() && !IsListed(directory));
}

TEST_F(VolumeForeignTest, ARenamedStoreIsTold) {
  Must(other_->RenameStore(Must(StoreName::Parse("hvc")), Must(StoreName::Parse("other"))));
  ++foreign_;
  Must(volume_.CatchUp());
  const NodeId stores = NodeId::Of(Fixed::kStores);
  EXPECT_EQ(listener_.listings, std::vector<NodeId>{stores});
  EXPECT_EQ(listener_.changed, (std::vector{std::pair(stores, std::string("hvc"))}));
}

// Wherever it fails, in the end everything was told, and nothing twice.
TEST_F(VolumeForeignTest, AFailureLosesNothing) {
  Hold();
  const NodeId directory = NodeId::OfDirectory(entry_);
  const Number second =
      Must(other_->CreateEntry(StoreNumber("machine"), Must(Alias::Parse("second")), {0, 0}, 0755)).number;
  Must(other_->WriteFile(second, Member::kKey, Vector("leaf.key"), {0, 0}, {}));
  ++foreign_;
  Must(volume_.CatchUp());
  volume_.Named(Must(volume_.Lookup(kRoot, NodeId::OfDirectory(StoreNumber("machine")), "second")));
  std::size_t at = 0;
  for (bool failed = true; failed; ++at) {
    Forget();
    Must(other_->RemoveFile(second, Member::kKey, {0, 0}));
    Write(Member::kCertificate, at % 2 == 0 ? "chain.pem" : "leaf.pem");
    // KeepReplaced may fail without anybody hearing of it.
    faults_ = {at + 1, at % 3 == 0 ? ErrorCode::kNoMemory : ErrorCode::kIo};
    failed = !volume_.CatchUp().has_value() || faults_.failed != 0;
    faults_.fail_at = 0;
    Must(volume_.CatchUp());
    EXPECT_EQ(listener_.replaced,
              (Replaced{{directory, "cert.pem", NodeId()}, {directory, "key.pem", NodeId()}}))
        << at;
    EXPECT_EQ(std::count(listener_.listings.begin(), listener_.listings.end(), NodeId::OfDirectory(second)),
              1)
        << at;
    Must(other_->WriteFile(second, Member::kKey, Vector("leaf.key"), {0, 0}, {}));
    ++foreign_;
    Must(volume_.CatchUp());
  }
  EXPECT_GT(at, 5U);
}

// All locked memory there is, until it goes.
class Hog {
 public:
  Hog() {
    for (std::size_t size = std::size_t{1} << 20; size >= 64; size /= 2) {
      while (WithinMemory([&]() -> Result<void> {
               taken_.emplace_back(size);
               return {};
             }).has_value()) {
      }
    }
  }

 private:
  std::vector<SecretBytes> taken_;
};

// The threads that ask these have nobody to answer to: nothing may leave them but a failure.
int RunOutOfLockedMemory() {
  static_cast<void>(LockSecrets());
  const TemporaryDirectory directory;
  Must(CreateSealedTable(directory.path(), TestKeys()));
  const std::shared_ptr<EntryTable> table = Must(OpenSealedTable(directory.path(), TestKeys()));
  std::uint64_t foreign = 0;
  const auto open = [&] {
    return Must(
        Keystore::Over(std::make_unique<SharedTable>(table, foreign), {0, 0}, [] { return kVectorTime; }));
  };
  const auto mine = open();
  const auto other = open();
  InventedProcesses processes;
  Listener listener;
  Volume volume{*mine, processes, listener, {0, 0, "certfs test\n"}};
  const Number store = Must(Must(other->Snapshot())->FindStore(Must(StoreName::Parse("machine"))))->number;
  const Number entry = Must(other->CreateEntry(store, Must(Alias::Parse("web")), {0, 0}, 0755)).number;
  volume.Named(Must(volume.Lookup(kRoot, NodeId::OfDirectory(store), "web")));
  Must(other->WriteFile(entry, Member::kKey, Vector("leaf.key"), {0, 0}, {}));
  ++foreign;
  {
    const Hog hog;
    if (Failure(volume.CatchUp()) != ErrorCode::kNoMemory) return 1;
    if (Failure(volume.PathOfDirectory(NodeId::OfDirectory(entry))) != ErrorCode::kNoMemory) return 2;
    volume.DropExpired();
    if (!listener.replaced.empty()) return 3;
  }
  Must(volume.CatchUp());
  if (listener.replaced != Replaced{{NodeId::OfDirectory(entry), "key.pem", NodeId()}}) return 4;
  if (Must(volume.PathOfDirectory(NodeId::OfDirectory(entry))) != "stores/machine/web") return 5;
  return ::testing::Test::HasFailure() ? 6 : 0;
}

// In a process of its own: locked memory is set aside once and for all.
TEST(VolumeForeign, RunningOutOfLockedMemoryIsAFailureLikeAnyOther) {
  EXPECT_EXIT(std::_Exit(RunOutOfLockedMemory()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace certfs::test
