// Goal: a rotation that is cut short anywhere loses nothing and goes on, and once it has ended no byte of
// data.mdb is one that the old data key opens. Method: a child that is killed at 50 places (CERTFS_ROUNDS
// scales that); the whole state compared; the file searched for old seals.

#include "store/rotation.h"

#include <fcntl.h>

#include <algorithm>

#include "store/keystore_keys.h"
#include "store/opened_keystore.h"
#include "tests/store/child_process.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/raw_lmdb.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

const RotationProgress kUnwatched = [](std::size_t, std::size_t) {};

class RotationTest : public testing::Test {
 protected:
  RotationTest() { Must(Keystore::Create(path(), TestSecret(), kRoot, clock_.get())); }

  const std::filesystem::path& path() const { return directory_.path(); }
  RootKeys Keys() { return Must(Must(Header::Load(path())).Unlock(TestSecret())); }
  std::unique_ptr<SealedTable> OpenTable(const SealedTableOptions& options = {}) {
    return Must(SealedTable::Open(path(), Keys(), options));
  }
  // Entries of two files each, in one commit; some files are larger than a page.
  void Fill(int count) {
    const auto table = OpenTable();
    const auto transaction = Must(table->BeginTransaction(Room::kUpToLimit));
    const Number store = Must(transaction->FindStore(NameOf("machine")))->number;
    for (int i = 0; i < count; ++i) {
      const std::string text = "key " + std::to_string(i) + std::string(i % 50 == 0 ? 9000 : 100, 'k');
      numbers_.push_back(PutEntryWithFile(*transaction, store, "e" + std::to_string(i), text));
      Entry entry = *Must(transaction->FindEntryByNumber(numbers_.back()));
      Must(transaction->PutFile(entry, Member::kCertificate, AsBytes("certificate " + text)));
      entry.changed = LastChange{7, clock_.now()};
      Must(transaction->PutEntry(std::move(entry)));
    }
    Must(transaction->PutSettings({SecretOf("an export password"), ExportProfile::kModern}));
    Must(transaction->Commit());
  }
  std::string State() { return Describe(*Must(OpenTable()->Snapshot())); }
  KeyState ReadState() { return Must(ReadKeyState(path(), TestSecret())); }

  // How often data.mdb has, at any place, what a seal of that kind and epoch begins with.
  std::size_t CountSeals(RecordKind kind, std::uint32_t epoch) {
    const Bytes file = test::ReadAll((path() / "data.mdb").string());
    Bytes begin;
    Writer writer(begin);
    writer.U8(1);
    writer.U8(1);
    writer.U8(static_cast<std::uint8_t>(kind));
    writer.U8(0);
    writer.U32(epoch);
    std::size_t count = 0;
    for (auto at = file.begin(); (at = std::search(at, file.end(), begin.begin(), begin.end())) != file.end();
         ++at)
      ++count;
    return count;
  }
  std::size_t CountSeals(std::uint32_t epoch) {
    std::size_t count = 0;
    for (const RecordKind kind :
         {RecordKind::kStore, RecordKind::kEntry, RecordKind::kContent, RecordKind::kSettings}) {
      count += CountSeals(kind, epoch);
    }
    return count;
  }

  TemporaryDirectory directory_;
  FixedClock clock_;
  std::vector<Number> numbers_;
};

TEST_F(RotationTest, KilledInTheMiddleLosesNothing) {
  const int places = Rounds(50, 7);
  Fill(700);
  const std::string before = State();
  int killed = 0;
  int ended = 0;
  for (int round = 0; killed < places; ++round) {
    ASSERT_LT(round, 8 * places);
    ChildProcess rotator({KEY_ROTATOR, path().string()});
    // Its next step is cut short wherever it then is: within a transaction, a commit, or while it writes
    // anew.
    bool alive = true;
    for (int step = 0; alive && step <= round % 7; ++step) alive = rotator.Read();
    if (alive) {
      rotator.Kill();
      ++killed;
    } else {
      EXPECT_EQ(rotator.Wait(), 0);
      ++ended;
    }
    ASSERT_EQ(State(), before) << round;
  }
  EXPECT_GT(ended + static_cast<int>(ReadState().epoch), 1);
  // The one that was cut short last ends, and a whole one after it.
  Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  const std::uint32_t epoch = ReadState().epoch;
  const RotationOutcome outcome = Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  EXPECT_TRUE(outcome.rewritten);
  EXPECT_EQ(State(), before);
  EXPECT_EQ(ReadState().epoch, epoch + 1);
  for (std::uint32_t old = 1; old <= epoch; ++old) EXPECT_EQ(CountSeals(old), 0U) << old;
  EXPECT_GE(CountSeals(epoch + 1), 700U * 3);
}

TEST_F(RotationTest, KilledWhileItWritesAnewLeavesEitherFile) {
  Fill(200);
  const std::string before = State();
  const std::filesystem::path beside = path() / "data.mdb.new";
  int seen = 0;
  for (int round = 0; round < Rounds(60); ++round) {
    ChildProcess rotator({KEY_ROTATOR, path().string()});
    while (rotator.Read() && !std::filesystem::exists(beside)) {
    }
    rotator.Kill();
    seen += std::filesystem::exists(beside) ? 1 : 0;
    ASSERT_EQ(State(), before);
    // Whoever opens it next clears it away.
    Must(Keystore::Open(path(), TestSecret(), clock_.get()));
    ASSERT_FALSE(std::filesystem::exists(beside));
  }
  RecordProperty("left beside", seen);
}

TEST_F(RotationTest, OldCiphertextStaysOnlyWhileSomebodyElseIsThere) {
  Fill(40);
  const std::string before = State();
  EXPECT_GT(CountSeals(1), 0U);
  ChildProcess other({STORE_WRITER, path().string(), "machine", "new", "5", "key.pem",
                      std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki/leaf.key"});
  ASSERT_TRUE(other.Read());  // It has the keystore open.
  RotationOutcome outcome = Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  EXPECT_FALSE(outcome.rewritten);
  EXPECT_FALSE(outcome.rewrite_failure);
  EXPECT_TRUE(ReadState().rewrite_pending);
  EXPECT_FALSE(ReadState().rotating);
  EXPECT_GT(CountSeals(1), 0U);
  other.Say();
  EXPECT_EQ(other.Wait(), 0);  // What it wrote after the rotation it wrote under the new key.
  other.Close();
  EXPECT_EQ(CodeOf(DirectoryLock::TryAlone(path() / "none")), ErrorCode::kNotFound);
  // The next one who is alone sees to it.
  Must(Keystore::Open(path(), TestSecret(), clock_.get()));
  EXPECT_FALSE(ReadState().rewrite_pending);
  EXPECT_EQ(CountSeals(1), 0U);
  EXPECT_EQ(CountSeals(RecordKind::kManifest, 0), 1U);  // Old manifests hold old data keys.
  EXPECT_NE(State(), before);
  EXPECT_NE(State().find("new4"), std::string::npos);
}

TEST_F(RotationTest, GoesOnBesideAWriter) {
  Fill(300);
  ChildProcess writer({STORE_WRITER, path().string(), "machine", "new", "40", "key.pem",
                       std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki/leaf.key"});
  ASSERT_TRUE(writer.Read());
  writer.Say();
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(Must(RotateDataKey(path(), TestSecret(), kUnwatched)).damaged.empty());
  EXPECT_EQ(writer.Wait(), 0);
  const std::string state = State();
  for (int i = 0; i < 40; ++i)
    EXPECT_NE(state.find(" new" + std::to_string(i) + " r1"), std::string::npos) << i;
  EXPECT_EQ(ReadState().epoch, 4U);
}

TEST_F(RotationTest, ASnapshotThatIsHeldStaysReadable) {
  Fill(100);
  const auto table = OpenTable();
  const auto held = Must(table->Snapshot());
  const std::string before = Describe(*held);
  EXPECT_TRUE(Must(Rotate(*table, kUnwatched)).damaged.empty());
  EXPECT_EQ(Describe(*held), before);
  EXPECT_EQ(Describe(*Must(table->Snapshot())), before);
  EXPECT_EQ(Must(table->ReadManifestFacts()).old_data_keys, 0U);
}

TEST_F(RotationTest, DamageIsReportedAndKeepsItsKey) {
  Fill(100);
  const Number content = numbers_[3];
  const Number entry = numbers_[50];
  const Bytes content_key = ContentKey(content, Member::kCertificate);
  Bytes good_content;
  Bytes good_entry;
  {
    RawLmdb raw(path());
    good_content = raw.Get("contents", content_key);
    good_entry = raw.Get("entries", RecordKey(entry));
    Bytes bad = good_content;
    bad.back() ^= 1;
    raw.Put("contents", content_key, bad);
    bad = good_entry;
    bad[90] ^= 1;
    raw.Put("entries", RecordKey(entry), bad);
  }
  const RotationOutcome outcome = Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  const auto& damaged = outcome.damaged;
  EXPECT_EQ(damaged.size(), 4U);  // The file; the other entry and its two files, which nothing leads to.
  for (const std::string& name :
       {"cert.pem of entry " + std::to_string(content), "entry " + std::to_string(entry)}) {
    EXPECT_NE(std::find(damaged.begin(), damaged.end(), name), damaged.end()) << name;
  }
  EXPECT_TRUE(ReadState().rotating);
  // Where the damage goes again, what was under the old key is there.
  {
    RawLmdb raw(path());
    raw.Put("contents", content_key, good_content);
    raw.Put("entries", RecordKey(entry), good_entry);
  }
  {
    const auto table = OpenTable();
    const auto snapshot = Must(table->Snapshot());
    EXPECT_EQ(Must(snapshot->FindEntryByNumber(entry))->alias.text(), "e50");
    EXPECT_EQ(
        ReadText(*snapshot, *Must(snapshot->FindEntryByNumber(content)), Member::kCertificate).substr(0, 16),
        "certificate key ");
  }
  const RotationOutcome resumed = Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  EXPECT_TRUE(resumed.resumed);
  EXPECT_TRUE(resumed.damaged.empty());
  EXPECT_EQ(resumed.records, 4U + 1);  // The content's own entry among them.
  EXPECT_FALSE(ReadState().rotating);
  EXPECT_EQ(ReadState().epoch, 2U);
  EXPECT_EQ(CountSeals(1), 0U);
}

// A store whose record is damaged takes all its entries along.
TEST_F(RotationTest, ADamagedStoreIsPassedOverAndTheOthersAreSealed) {
  Fill(300);
  {
    RawLmdb raw(path());
    const Number store = 20;  // "machine", the fifth that is made.
    Bytes bad = raw.Get("stores", RecordKey(store));
    bad.back() ^= 1;
    raw.Put("stores", RecordKey(store), bad);
  }
  const RotationOutcome outcome = Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  EXPECT_EQ(outcome.damaged.size(), 300U * 3 + 1);
  EXPECT_TRUE(outcome.rewritten);
  EXPECT_GT(outcome.records, 0U);
  EXPECT_GE(CountSeals(1), 300U * 3 + 1);
  EXPECT_TRUE(ReadState().rotating);
}

TEST_F(RotationTest, DamageDoesNotKeepANewRotationFromBeginning) {
  Fill(20);
  {
    RawLmdb raw(path());
    Bytes bad = raw.Get("contents", ContentKey(numbers_[3], Member::kKey));
    bad.back() ^= 1;
    raw.Put("contents", ContentKey(numbers_[3], Member::kKey), bad);
  }
  EXPECT_EQ(Must(RotateDataKey(path(), TestSecret(), kUnwatched)).damaged.size(), 1U);
  // The entry of the damaged file is not sealed again for ever: there is nothing left to resume.
  for (std::uint32_t epoch = 3; epoch < 6; ++epoch) {
    EXPECT_EQ(Must(RotateDataKey(path(), TestSecret(), kUnwatched)).damaged.size(), 1U);
    EXPECT_EQ(ReadState().epoch, epoch);
  }
}

TEST_F(RotationTest, AFullKeystoreIsLeftWholeAndGoesOnWithRoom) {
  Fill(300);
  const std::string before = State();
  const std::uint64_t used = OpenTable()->GetUsage().used;
  SealedTableOptions tight;
  tight.map_bytes = tight.map_bytes_max = used + 16 * 4096;
  EXPECT_EQ(CodeOf(Rotate(*OpenTable(tight), kUnwatched)), ErrorCode::kNoSpace);
  EXPECT_EQ(State(), before);
  Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  EXPECT_EQ(State(), before);
  EXPECT_EQ(CountSeals(1), 0U);
}

// Every write beyond some place fails, be it of a batch, of a commit's last page, or of the new file.
TEST_F(RotationTest, WritesThatFailLoseNothing) {
  Fill(120);
  const std::string before = State();
  int failed = 0;
  std::uint64_t limit = std::uint64_t{64} << 10;  // What lock.mdb takes.
  for (bool ended = false; !ended; limit += 3 * 4096) {
    ASSERT_LT(limit, std::uint64_t{16} << 20);
    ChildProcess rotator({KEY_ROTATOR, path().string(), std::to_string(limit)});
    while (rotator.Read()) {
    }
    ended = rotator.Wait() == 0 && !ReadState().rewrite_pending;
    failed += ended ? 0 : 1;
    ASSERT_EQ(State(), before) << limit;
  }
  EXPECT_GT(failed, 0);
  Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  EXPECT_EQ(State(), before);
  EXPECT_FALSE(ReadState().rotating);
}

TEST_F(RotationTest, WhatCannotBeWrittenAnewIsSaidAndLeftForLater) {
  Fill(20);
  const std::filesystem::path beside = path() / "data.mdb.new";
  std::filesystem::create_directories(beside / "in the way");
  const RotationOutcome outcome = Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  EXPECT_FALSE(outcome.rewritten);
  ASSERT_TRUE(outcome.rewrite_failure);
  EXPECT_TRUE(ReadState().rewrite_pending);  // And it opens all the same.
  std::filesystem::remove_all(beside);
  EXPECT_FALSE(ReadState().rewrite_pending);
  EXPECT_EQ(CountSeals(1), 0U);
}

TEST_F(RotationTest, NobodyIsAloneWhileItIsOpen) {
  {
    const auto keystore = Must(Keystore::Open(path(), TestSecret(), clock_.get()));
    EXPECT_EQ(Must(DirectoryLock::TryAlone(path())), nullptr);
    EXPECT_NE(Must(DirectoryLock::Share(path())), nullptr);
  }
  const auto alone = Must(DirectoryLock::TryAlone(path()));
  EXPECT_NE(alone, nullptr);
  EXPECT_EQ(Must(DirectoryLock::TryAlone(path())), nullptr);
}

}  // namespace
}  // namespace certfs
