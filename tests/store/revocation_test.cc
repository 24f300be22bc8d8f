// Goal: after a revocation the revoked slot opens nothing that is there, whatever was copied before, and a
// crash at any of its steps leaves a keystore that opens. Method: each step by itself, as a crash behind it
// would leave it; the old header put back beside the new data.

#include <sys/resource.h>

#include <algorithm>
#include <csignal>

#include "store/keystore_keys.h"
#include "store/opened_keystore.h"
#include "store/rotation.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/raw_lmdb.h"
#include "tests/support/recovery.h"

namespace certfs {
namespace {

constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};
const RotationProgress kUnwatched = [](std::size_t, std::size_t) {};

class RevocationTest : public testing::Test {
 protected:
  // Slots: 1 and 2 key files, 3 and 4 recovery certificates, 5 a key file.
  RevocationTest() {
    const auto keystore = MakeKeystoreOnDisk(path(), clock_.get());
    const Number store = Must(Must(keystore->Snapshot())->FindStore(NameOf("machine")))->number;
    for (int i = 0; i < 20; ++i) {
      const Number entry =
          Must(keystore->CreateEntry(store, AliasOf("e" + std::to_string(i)), kAlice, 0755)).number;
      Must(keystore->WriteFile(entry, Member::kKey, VectorOf("leaf.key"), kAlice, {}));
    }
    Must(AddSlot(path(), TestSecret(), TestSecret('b'), kNow));
    Must(AddRecoverySlot(path(), TestSecret(), test::Recipient("rsa"), kNow));
    Must(AddRecoverySlot(path(), TestSecret(), test::Recipient("p384"), kNow));
    Must(AddSlot(path(), TestSecret(), TestSecret('e'), kNow));
    before_ = State(TestSecret());
  }

  const std::filesystem::path& path() const { return directory_.path(); }
  Result<std::unique_ptr<Keystore>> Open(const UnlockSecret& secret) {
    return Keystore::Open(path(), secret, clock_.get());
  }
  std::string State(const UnlockSecret& secret) {
    const auto keystore = Must(Open(secret));
    return Describe(*Must(keystore->Snapshot()));
  }
  std::vector<SlotNumber> Numbers(const UnlockSecret& secret) {
    std::vector<SlotNumber> numbers;
    for (const SlotDescription& slot : Must(ReadKeyState(path(), secret)).slots)
      numbers.push_back(slot.number);
    return numbers;
  }
  Result<RotationOutcome> Revoke(const UnlockSecret& secret, const SlotRevocation& revocation) {
    const RevocationPlan plan = TRY(PlanRevocation(path(), secret, revocation));
    return RevokeSlot(path(), secret, revocation, plan, kNow, kUnwatched);
  }
  static SlotRevocation Of(SlotNumber slot, char keep = 0) {
    SlotRevocation revocation;
    revocation.revoked = slot;
    if (keep != 0) revocation.keep.push_back(TestSecret(keep));
    return revocation;
  }

  TemporaryDirectory directory_;
  FixedClock clock_;
  std::string before_;
};

TEST_F(RevocationTest, SaysWhatStaysAndWhatGoes) {
  RevocationPlan plan = Must(PlanRevocation(path(), TestSecret(), Of(2)));
  EXPECT_EQ(plan.kept, (std::vector<SlotNumber>{1, 3, 4}));
  EXPECT_EQ(plan.dropped, (std::vector<SlotNumber>{2, 5}));
  plan = Must(PlanRevocation(path(), TestSecret(), Of(3, 'e')));
  EXPECT_EQ(plan.kept, (std::vector<SlotNumber>{1, 4, 5}));
  plan = Must(PlanRevocation(path(), test::RecoveryKey("p384"), Of(1, 'b')));
  EXPECT_EQ(plan.kept, (std::vector<SlotNumber>{2, 3, 4}));
  EXPECT_EQ(CodeOf(PlanRevocation(path(), TestSecret(), Of(1))), ErrorCode::kNotPermitted);
  EXPECT_EQ(CodeOf(PlanRevocation(path(), TestSecret(), Of(2, 'b'))), ErrorCode::kNotPermitted);
  EXPECT_EQ(CodeOf(PlanRevocation(path(), TestSecret(), Of(9))), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(PlanRevocation(path(), TestSecret(), Of(2, 'x'))), ErrorCode::kAccessDenied);
  EXPECT_EQ(CodeOf(RevokeSlot(path(), TestSecret(), Of(2), plan, kNow, kUnwatched)), ErrorCode::kStale);
  EXPECT_EQ(State(TestSecret()), before_);
}

TEST_F(RevocationTest, TheRevokedSlotOpensNothingAnyMore) {
  const Header old = Must(Header::Load(path()));
  const RootKeys old_keys = Must(old.Unlock(TestSecret('b')));
  const RotationOutcome outcome = Must(Revoke(TestSecret(), Of(2, 'e')));
  EXPECT_TRUE(outcome.rewritten);
  EXPECT_TRUE(outcome.damaged.empty());
  EXPECT_EQ(CodeOf(Open(TestSecret('b'))), ErrorCode::kAccessDenied);
  for (const UnlockSecret& secret :
       {TestSecret(), TestSecret('e'), test::RecoveryKey("rsa"), test::RecoveryKey("p384")}) {
    EXPECT_EQ(State(secret), before_);
  }
  EXPECT_EQ(Numbers(TestSecret()), (std::vector<SlotNumber>{1, 3, 4, 5}));
  EXPECT_EQ(Must(ReadKeyState(path(), TestSecret())).epoch, 2U);
  EXPECT_EQ(Must(Must(Open(TestSecret()))->RecoveryCertificates()).size(), 2U);
  // Whoever kept the old header opens it as ever, and nothing with it.
  Must(old.Save(path()));
  EXPECT_EQ(CodeOf(Open(TestSecret('b'))), ErrorCode::kCorrupt);
  const auto manifest = RawLmdb(path()).ReadAll("manifest");
  for (const auto& [key, sealed] : manifest) {
    EXPECT_FALSE(Unseal(old_keys.manifest_key, ManifestIdentity(old.store_id()), sealed).has_value());
  }
  EXPECT_FALSE(manifest.contains(kAnnouncedKey));
}

// Nothing can be written any more once the records are sealed anew.
TEST_F(RevocationTest, AFailureBehindTheHeaderSaysThatTheSlotIsGone) {
  const RevocationPlan plan = Must(PlanRevocation(path(), TestSecret(), Of(2, 'e')));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const auto fail = [&](std::size_t, std::size_t) {
    const rlimit none{0, before.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  };
  const auto failed = RevokeSlot(path(), TestSecret(), Of(2, 'e'), plan, kNow, fail);
  EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(failed.has_value());
  EXPECT_NE(failed.error().message().find("slot 2 is revoked, but"), std::string::npos)
      << failed.error().message();
  EXPECT_EQ(CodeOf(Open(TestSecret('b'))), ErrorCode::kAccessDenied);
  EXPECT_TRUE(Must(RotateDataKey(path(), TestSecret(), kUnwatched)).rewritten);
  EXPECT_EQ(State(TestSecret()), before_);
}

TEST_F(RevocationTest, NeedsToBeAlone) {
  const auto other = Must(DirectoryLock::Share(path()));
  const RevocationPlan plan = Must(PlanRevocation(path(), TestSecret(), Of(2)));
  const auto refused = RevokeSlot(path(), TestSecret(), Of(2), plan, kNow, kUnwatched);
  EXPECT_EQ(CodeOf(refused), ErrorCode::kBusy);
  EXPECT_EQ(Numbers(TestSecret('b')).size(), 5U);
}

// What a crash behind the announcement leaves: nothing has happened yet.
TEST_F(RevocationTest, ACrashBeforeTheHeaderChangesNothing) {
  const UnlockedHeader old = Must(UnlockedHeader::Open(Must(Header::Load(path())), TestSecret()));
  UnlockedHeader renewed = Must(old.WithNewRootKey());
  Must(renewed.Put(1, TestSecret(), kNow));
  Must(RunSealed(*Must(SealedTable::Open(path(), Must(old.Keys()))),
                 [&](SealedTransaction& transaction) { return transaction.Announce(Must(renewed.Keys())); }));
  EXPECT_TRUE(RawLmdb(path()).ReadAll("manifest").contains(kAnnouncedKey));
  EXPECT_EQ(State(TestSecret('b')), before_);
  EXPECT_EQ(State(TestSecret()), before_);
  Must(Must(Open(TestSecret()))->SetSettings({}));
  EXPECT_FALSE(RawLmdb(path()).ReadAll("manifest").contains(kAnnouncedKey));
  EXPECT_EQ(CodeOf(SealedTable::Open(path(), Must(renewed.Keys()))), ErrorCode::kCorrupt);
  EXPECT_TRUE(Must(Revoke(TestSecret(), Of(2, 'e'))).rewritten);
  EXPECT_EQ(CodeOf(Open(TestSecret('b'))), ErrorCode::kAccessDenied);
}

// What a crash behind the new header leaves: the revoked slot is gone, and a rotation ends the rest.
TEST_F(RevocationTest, ACrashBehindTheHeaderLeavesTheNewOne) {
  const UnlockedHeader old = Must(UnlockedHeader::Open(Must(Header::Load(path())), TestSecret()));
  UnlockedHeader renewed = Must(old.WithNewRootKey());
  Must(renewed.Put(1, TestSecret(), kNow));
  Must(RunSealed(*Must(SealedTable::Open(path(), Must(old.Keys()))),
                 [&](SealedTransaction& transaction) { return transaction.Announce(Must(renewed.Keys())); }));
  Must(renewed.header().Save(path()));
  EXPECT_EQ(State(TestSecret()), before_);
  EXPECT_TRUE(Must(ReadKeyState(path(), TestSecret())).rotating);
  EXPECT_EQ(Must(ReadKeyState(path(), TestSecret())).epoch, 2U);
  EXPECT_EQ(CodeOf(Open(TestSecret('b'))), ErrorCode::kAccessDenied);
  Must(Must(Open(TestSecret()))->SetSettings({}));
  EXPECT_FALSE(RawLmdb(path()).ReadAll("manifest").contains(kAnnouncedKey));
  EXPECT_EQ(State(TestSecret()), before_);
  EXPECT_EQ(CodeOf(SealedTable::Open(path(), Must(old.Keys()))), ErrorCode::kCorrupt);
  EXPECT_TRUE(Must(RotateDataKey(path(), TestSecret(), kUnwatched)).rewritten);
  EXPECT_EQ(State(TestSecret()), before_);
}

}  // namespace
}  // namespace certfs
