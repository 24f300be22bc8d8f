// Goal: what RemoveFile took away RestoreFile puts back as if nothing had happened, BACKUP_STORE included,
// unless something did. Method: removals on both tables, the whole state compared before and after.

#include "tests/store/keystore_fixture.h"

namespace certfs {
namespace {

class KeystoreRestore : public Door {
 protected:
  RemovedFile Remove(Number number, Member member) {
    RemovedFile removed;
    Must(keystore_->RemoveFile(number, member, kRoot, &removed));
    return removed;
  }
  Number Pair() {
    const Number number = Make("machine", "www");
    Put(number, Member::kKey, "leaf.key");
    Put(number, Member::kCertificate, "leaf.pem");
    return number;
  }
  std::optional<Entry> Kept() {
    return Must(Must(keystore_->Snapshot())->FindEntry(StoreNumber("BACKUP_STORE"), AliasOf("bkp_www")));
  }
  std::string KeptText(Member member) {
    const auto entry = Kept();
    if (!entry || !entry->file(member)) return "";
    return ReadText(*Must(keystore_->Snapshot()), *entry, member);
  }
  static std::string Vector(const std::string& name) { return std::string(AsText(VectorOf(name))); }
};
INSTANTIATE_TEST_SUITE_P(Keystores, KeystoreRestore, kBothDoors, NameOfDoor);

TEST_P(KeystoreRestore, BytesOwnerModeTimesAndRevisionReturn) {
  const Number number = Pair();
  Must(keystore_->SetFileAttributes(number, Member::kCertificate,
                                    {0640, 5, 6, {}, Time(std::chrono::seconds(7))}));
  Put(number, Member::kCertificate, "chain.pem");  // Something is kept, and is displaced below.
  const Entry before = Get(number);
  clock_.Tick();
  const RemovedFile removed = Remove(number, Member::kCertificate);
  EXPECT_FALSE(Get(number).file(Member::kCertificate));
  EXPECT_EQ(KeptText(Member::kCertificate), Vector("chain.pem"));
  const WriteOutcome outcome = Must(keystore_->RestoreFile(removed));
  const Entry after = Get(number);
  EXPECT_EQ(after.revision, before.revision);
  EXPECT_EQ(after.file(Member::kCertificate)->attributes, before.file(Member::kCertificate)->attributes);
  EXPECT_EQ(Text(number, Member::kCertificate), Vector("chain.pem"));
  EXPECT_EQ(KeptText(Member::kCertificate), Vector("leaf.pem"));
  EXPECT_EQ(KeptText(Member::kKey), Vector("leaf.key"));
  EXPECT_EQ(outcome.kept, Kept()->number);
  // A kept state's revision never comes twice.
  EXPECT_GT(Kept()->revision, removed.kept.revision);
}

TEST_P(KeystoreRestore, WhatWasKeptForItAloneGoes) {
  const Number number = Make("machine", "www");
  Put(number, Member::kCertificate, "leaf.pem");
  const std::string before = State();
  const RemovedFile removed = Remove(number, Member::kCertificate);
  EXPECT_TRUE(Kept());
  Must(keystore_->RestoreFile(removed));
  EXPECT_FALSE(Kept());
  EXPECT_EQ(State(), before);  // The clock stood still.
}

TEST_P(KeystoreRestore, AnotherChangeComesFirst) {
  const Number number = Pair();
  RemovedFile removed = Remove(number, Member::kCertificate);
  Put(number, Member::kCertificate, "chain.pem");
  ExpectRefused(ErrorCode::kStale, [&] { return keystore_->RestoreFile(removed); });
  removed = Remove(number, Member::kCertificate);
  Put(number, Member::kKey, "other.key");  // It would not fit any more.
  ExpectRefused(ErrorCode::kStale, [&] { return keystore_->RestoreFile(removed); });
  Must(keystore_->RemoveFile(number, Member::kKey, kRoot));
  Must(keystore_->RemoveEntry(StoreNumber("machine"), AliasOf("www"), kRoot));
  ExpectRefused(ErrorCode::kNotFound, [&] { return keystore_->RestoreFile(removed); });
}

// What BACKUP_STORE came to hold since is newer than what the removal displaced.
TEST_P(KeystoreRestore, AKeptStateThatChangedAgainStays) {
  const Number number = Pair();
  Put(number, Member::kCertificate, "chain.pem");
  const RemovedFile removed = Remove(number, Member::kCertificate);
  Must(keystore_->RemoveEntry(StoreNumber("BACKUP_STORE"), AliasOf("bkp_www"), kRoot));
  EXPECT_EQ(Must(keystore_->RestoreFile(removed)).kept, 0U);
  EXPECT_EQ(Text(number, Member::kCertificate), Vector("chain.pem"));
  EXPECT_FALSE(Kept());
}

TEST_P(KeystoreRestore, ASerialNumberThatIsTakenByThenRefuses) {
  const Number number = Make("machine", "www");
  Put(number, Member::kCertificate, "serial-first.pem");
  const RemovedFile removed = Remove(number, Member::kCertificate);
  Must(keystore_->RemoveEntry(StoreNumber("BACKUP_STORE"), AliasOf("bkp_www"), kRoot));
  Put(Make("machine", "other"), Member::kCertificate, "serial-second.pem");
  ExpectRefused(
      ErrorCode::kRejected, [&] { return keystore_->RestoreFile(removed); }, "serial-reused");
}

// It counts again once it is back.
TEST_P(KeystoreRestore, ItsSerialNumberIsItsOwnAgain) {
  const Number number = Make("machine", "www");
  Put(number, Member::kCertificate, "serial-first.pem");
  Must(keystore_->RestoreFile(Remove(number, Member::kCertificate)));
  const Number other = Make("machine", "other");
  ExpectRefused(
      ErrorCode::kRejected, [&] { return WriteVector(other, Member::kCertificate, "serial-second.pem"); },
      "serial-reused");
}

TEST_P(KeystoreRestore, WhatIsStagedReturnsToo) {
  const Number number = Pair();
  const Number next = Must(keystore_->CreateNext(number, kRoot, 0755)).number;
  Put(next, Member::kKey, "serial.key");
  const std::string before = State();
  Must(keystore_->RestoreFile(Remove(next, Member::kKey)));
  EXPECT_EQ(Text(next, Member::kKey), Vector("serial.key"));
  EXPECT_EQ(State(), before);
}

TEST_P(KeystoreRestore, AFileThatReturnsByAWriteHasItsOwnerModeAndAcl) {
  const Number number = Pair();
  AttributeChange change{{}, 5, 6, {}, {}};
  // u::rw- u:7:r-- g::r-- m::r-- o::---, in the kernel's form.
  constexpr std::uint8_t kList[] = {2, 0, 0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 2,   0,  4,
                                    0, 7, 0,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16, 0,
                                    4, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};
  change.access_acl = Must(AccessControlList::Parse(kList));
  Must(keystore_->SetFileAttributes(number, Member::kCertificate, change));
  const Attributes returning = Get(number).file(Member::kCertificate)->attributes;
  Remove(number, Member::kCertificate);
  clock_.Tick();
  Must(keystore_->WriteFile(number, Member::kCertificate, VectorOf("chain.pem"), kAlice,
                            {0600, {}, {}, {}, {}}, &returning));
  const Attributes now = Get(number).file(Member::kCertificate)->attributes;
  EXPECT_EQ(now.mode, 0640U);
  EXPECT_EQ(now.uid, 5U);
  EXPECT_EQ(now.gid, 6U);
  EXPECT_EQ(now.access_acl, returning.access_acl);
  EXPECT_EQ(now.mtime, clock_.now());
}

}  // namespace
}  // namespace certfs
