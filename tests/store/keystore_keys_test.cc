// Goal: keys of a keystore come, go and are replaced without anything else changing, also beside others who
// have it open. Method: a small keystore on disk, its whole state compared before and after; two processes'
// worth of doors.

#include "store/keystore_keys.h"

#include <fstream>
#include <thread>

#include "store/opened_keystore.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/raw_lmdb.h"
#include "tests/store/restore_fixture.h"
#include "tests/support/recovery.h"

namespace certfs {
namespace {

constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};
const RotationProgress kUnwatched = [](std::size_t, std::size_t) {};

class KeystoreKeys : public testing::Test {
 protected:
  KeystoreKeys() {
    const auto keystore = MakeKeystoreOnDisk(path(), clock_.get());
    Must(keystore->SetSettings({SecretOf("an export password"), ExportProfile::kCompatible}));
    for (int i = 0; i < 40; ++i) {
      const Number store =
          Must(Must(keystore->Snapshot())->FindStore(NameOf(i % 2 == 0 ? "vpxd" : "SMS")))->number;
      const Number entry =
          Must(keystore->CreateEntry(store, AliasOf("e" + std::to_string(i)), kAlice, 0755)).number;
      Must(keystore->WriteFile(entry, Member::kKey, VectorOf("leaf.key"), kAlice, {}));
      if (i % 4 == 0) Must(keystore->CreateNext(entry, kAlice, 0755));
    }
  }

  const std::filesystem::path& path() const { return directory_.path(); }
  Result<std::unique_ptr<Keystore>> Open(const UnlockSecret& secret) {
    return Keystore::Open(path(), secret, clock_.get());
  }
  std::string State(const UnlockSecret& secret = TestSecret()) {
    const auto keystore = Must(Open(secret));
    return Describe(*Must(keystore->Snapshot()));
  }
  std::vector<SlotNumber> Numbers(const UnlockSecret& secret = TestSecret()) {
    std::vector<SlotNumber> numbers;
    for (const SlotDescription& slot : Must(ReadKeyState(path(), secret)).slots)
      numbers.push_back(slot.number);
    return numbers;
  }
  Bytes DataFile() { return test::ReadAll((path() / "data.mdb").string()); }

  TemporaryDirectory directory_;
  FixedClock clock_;
};

// Whoever makes the backup that is merged gets no way into the keystore.
TEST_F(KeystoreKeys, AMergeBringsNoSlot) {
  const auto source = Must(Open(TestSecret()));
  Must(source->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  const BackupOnDisk file(Must(MakeBackup(*source, {test::Recipient("p256")})).bytes);
  const TemporaryDirectory directory;
  const auto target = directory.path() / "keystore";
  Must(Keystore::Create(target, TestSecret(), kRoot, clock_.get()));
  const Bytes header = test::ReadAll((target / "keystore.hdr").string());
  const auto keystore = Must(Keystore::Open(target, TestSecret(), clock_.get()));
  const MergePlan merged = Must(MergeBackup(Must(file.Open()), *keystore, kRoot));
  EXPECT_EQ(merged.contents.recovery.size(), 1U);
  EXPECT_GT(merged.Count(MergeAction::kAdd), 0U);
  EXPECT_TRUE(Must(keystore->RecoveryCertificates()).empty());
  EXPECT_EQ(test::ReadAll((target / "keystore.hdr").string()), header);
  EXPECT_EQ(CodeOf(Keystore::Open(target, test::RecoveryKey("p256"), clock_.get())),
            ErrorCode::kAccessDenied);
}

TEST_F(KeystoreKeys, SlotsComeAndGoAndOpenTheSame) {
  const std::string before = State();
  EXPECT_EQ(Must(AddSlot(path(), TestSecret(), TestSecret('b'), kNow)), 2);
  EXPECT_EQ(Must(AddRecoverySlot(path(), TestSecret('b'), test::Recipient("rsa"), kNow)), 3);
  EXPECT_EQ(Must(AddRecoverySlot(path(), TestSecret('b'), test::Recipient("p521"), kNow)), 4);
  for (const UnlockSecret& secret :
       {TestSecret(), TestSecret('b'), test::RecoveryKey("rsa"), test::RecoveryKey("p521")}) {
    EXPECT_EQ(State(secret), before);
  }
  EXPECT_EQ(Must(Must(Open(TestSecret()))->RecoveryCertificates()).size(), 2U);
  EXPECT_EQ(Must(RemoveSlot(path(), TestSecret('b'), 1)).size(), 3U);
  EXPECT_EQ(CodeOf(Open(TestSecret())), ErrorCode::kAccessDenied);
  EXPECT_EQ(Numbers(TestSecret('b')), (std::vector<SlotNumber>{2, 3, 4}));
  EXPECT_EQ(State(TestSecret('b')), before);
}

TEST_F(KeystoreKeys, SlotsChangeWhileOthersHaveItOpen) {
  const auto keystore = Must(Open(TestSecret()));
  const auto snapshot = Must(keystore->Snapshot());
  const std::string before = Describe(*snapshot);
  // This process has it open already, and LMDB bears that only once: the header is changed as another would.
  UnlockedHeader header = Must(UnlockedHeader::Open(Must(Header::Load(path())), TestSecret()));
  Must(header.Add(test::Recipient("p256"), kNow));
  Must(header.header().Save(path()));
  EXPECT_EQ(Describe(*snapshot), before);
  EXPECT_EQ(Must(keystore->RecoveryCertificates()).size(), 1U);
}

TEST_F(KeystoreKeys, RefusesWhatWouldLockEverybodyOut) {
  EXPECT_EQ(CodeOf(RemoveSlot(path(), TestSecret(), 1)), ErrorCode::kNotPermitted);
  EXPECT_EQ(CodeOf(RemoveSlot(path(), TestSecret(), 9)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(AddSlot(path(), TestSecret('x'), TestSecret('b'), kNow)), ErrorCode::kAccessDenied);
  const auto again = AddSlot(path(), TestSecret(), TestSecret(), kNow);
  EXPECT_EQ(CodeOf(again), ErrorCode::kAlreadyExists);
  EXPECT_NE(again.error().message().find(path().string()), std::string::npos);
  EXPECT_EQ(Numbers(), std::vector<SlotNumber>{1});
}

TEST_F(KeystoreKeys, AHeaderThatCannotBeSavedStaysAsItWas) {
  const Bytes before = test::ReadAll((path() / "keystore.hdr").string());
  std::filesystem::create_directories(path() / "keystore.hdr.new" / "in the way");
  EXPECT_EQ(CodeOf(AddSlot(path(), TestSecret(), TestSecret('b'), kNow)), ErrorCode::kIo);
  EXPECT_EQ(CodeOf(AddRecoverySlot(path(), TestSecret(), test::Recipient("rsa"), kNow)), ErrorCode::kIo);
  EXPECT_EQ(test::ReadAll((path() / "keystore.hdr").string()), before);
  EXPECT_EQ(Numbers(), std::vector<SlotNumber>{1});
}

TEST_F(KeystoreKeys, RotationChangesTheKeyAndNothingElse) {
  const std::string before = State();
  EXPECT_EQ(Must(ReadKeyState(path(), TestSecret())).epoch, 1U);
  std::size_t told = 0;
  const RotationOutcome outcome =
      Must(RotateDataKey(path(), TestSecret(), [&](std::size_t done, std::size_t total) {
        EXPECT_LE(done, total);
        told = done;
      }));
  EXPECT_GE(told, outcome.records);
  EXPECT_GE(outcome.records, 40U * 2 + 10 + 1);
  EXPECT_TRUE(outcome.damaged.empty());
  EXPECT_TRUE(outcome.rewritten);
  EXPECT_FALSE(outcome.resumed);
  const KeyState state = Must(ReadKeyState(path(), TestSecret()));
  EXPECT_EQ(state.epoch, 2U);
  EXPECT_FALSE(state.rotating);
  EXPECT_FALSE(state.rewrite_pending);
  EXPECT_EQ(State(), before);
  // And once more, from there.
  EXPECT_TRUE(Must(RotateDataKey(path(), TestSecret(), kUnwatched)).rewritten);
  EXPECT_EQ(Must(ReadKeyState(path(), TestSecret())).epoch, 3U);
  EXPECT_EQ(State(), before);
}

TEST_F(KeystoreKeys, RotationMovesNoMark) {
  const auto marks = [&] {
    std::vector<std::uint64_t> found;
    const auto keystore = Must(Open(TestSecret()));
    const auto snapshot = Must(keystore->Snapshot());
    for (Number number = kFirstNumber; number < 100; ++number)
      found.push_back(Must(snapshot->FindEntryMark(number)).value_or(0));
    return found;
  };
  const auto before = marks();
  Must(RotateDataKey(path(), TestSecret(), kUnwatched));
  EXPECT_EQ(marks(), before);
}

}  // namespace
}  // namespace certfs
