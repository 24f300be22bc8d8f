// Goal: what was backed up comes back exactly, in a new keystore or not at all.
// Method: a keystore with something of everything is backed up, restored and compared; every failure has to
// leave the place as it was.

#include "store/restore.h"

#include <random>

#include "crypto/store_file.h"
#include "tests/store/restore_fixture.h"
#include "tests/support/recipients.h"
#include "tests/support/rounds.h"

namespace certfs {

namespace {

class Restore : public testing::Test {
 protected:
  Restore() : source_(MakeKeystoreOnDisk(source_directory_.path(), clock_.get())) {
    Populator(*source_, clock_).All();
  }

  std::filesystem::path target() const { return target_directory_.path() / "restored"; }
  Result<BackupContents> RestoreFrom(const BackupOnDisk& file, const EnvelopeKey& key = PasswordKey()) {
    const auto opened = TRY(file.Open(key));
    return RestoreKeystore(opened, target(), TestSecret('n'), clock_.get());
  }
  std::unique_ptr<Keystore> OpenTarget() {
    return Must(Keystore::Open(target(), TestSecret('n'), clock_.get()));
  }
  bool TargetIsThere() const { return std::filesystem::exists(target()); }

  TemporaryDirectory source_directory_;
  TemporaryDirectory target_directory_;
  FixedClock clock_;
  std::unique_ptr<Keystore> source_;
};

TEST_F(Restore, EverythingComesBackExactly) {
  const BackupOnDisk file(Must(MakeBackup(*source_)).bytes);
  const BackupContents contents = Must(RestoreFrom(file));
  const auto restored = OpenTarget();
  EXPECT_EQ(DescribeByName(*restored), DescribeByName(*source_));
  // A keystore of its own.
  EXPECT_NE(Must(restored->Snapshot())->store_id(), Must(source_->Snapshot())->store_id());
  EXPECT_EQ(CodeOf(Keystore::Open(target(), TestSecret(), clock_.get())), ErrorCode::kAccessDenied);
  EXPECT_EQ(contents.manifest.keystore, Must(source_->Snapshot())->store_id());
  EXPECT_TRUE(contents.export_password);
}

// A backup of the restored one is the same, but for what is the keystore's own.
TEST_F(Restore, ABackupOfTheRestoredHoldsTheSame) {
  const Backup first = Must(MakeBackup(*source_));
  Must(RestoreFrom(BackupOnDisk(first.bytes)));
  const auto restored = OpenTarget();
  const Backup second = Must(MakeBackup(*restored));
  EXPECT_EQ(first.summary.manifest.counts, second.summary.manifest.counts);
  EXPECT_EQ(first.summary.tar_size, second.summary.tar_size);
}

TEST_F(Restore, TheIndexOfSerialNumbersComesBack) {
  Must(RestoreFrom(BackupOnDisk(Must(MakeBackup(*source_)).bytes)));
  const auto restored = OpenTarget();
  const auto here = Must(restored->Snapshot());
  const auto there = Must(source_->Snapshot());
  int indexed = 0;
  for (const char* vector : {"leaf.pem", "chain.pem", "root.pem", "issuing.pem", "other-root.pem"}) {
    for (const Certificate& each : Must(ReadCertificateFile(VectorOf(vector))).certificates) {
      const BytesView issuer = each.issuer_der();
      const IssuedSerial serial{{issuer.begin(), issuer.end()}, each.serial_der()};
      const auto holder = Must(there->FindSerial(serial));
      EXPECT_EQ(Must(here->FindSerial(serial)), holder) << vector;
      indexed += holder ? 1 : 0;
    }
  }
  EXPECT_GE(indexed, 4);
}

// What comes of it is a keystore like any other: every door works, by name and by number.
TEST_F(Restore, TheRestoredKeystoreGoesOn) {
  Must(RestoreFrom(BackupOnDisk(Must(MakeBackup(*source_)).bytes)));
  const auto restored = OpenTarget();
  Populator change(*restored, clock_);
  const Number fresh = change.Make("machine", "fresh");
  change.Put(fresh, Member::kCertificate, "leaf.pem");
  const auto web = *Must(Must(restored->Snapshot())->FindEntry(change.StoreOf("machine"), AliasOf("web")));
  EXPECT_EQ(Must(Must(restored->Snapshot())->FindEntryByNumber(web.number))->alias, web.alias);
  change.Put(web.number, Member::kCertificate, "leaf.pem");
  Must(restored->RemoveFile(fresh, Member::kCertificate, kRoot));
  Must(restored->RemoveEntry(change.StoreOf("machine"), AliasOf("fresh"), kRoot));
  EXPECT_EQ(CodeOf(restored->CreateEntry(change.StoreOf("machine"), AliasOf("WEB"), kRoot, 0755)),
            ErrorCode::kAlreadyExists);
  // The state before goes where that of this entry was kept.
  const auto snapshot = Must(restored->Snapshot());
  const auto kept =
      Must(snapshot->FindEntry(change.StoreOf("BACKUP_STORE"), Must(Alias::ParseGiven("bkp_web"))));
  EXPECT_EQ(ReadText(*snapshot, *kept, Member::kCertificate), AsText(VectorOf("chain.pem")));
}

TEST_F(Restore, OpensByARecoveryKeyAlone) {
  const auto safe = test::MakeRecipient("P-384", "safe");
  Must(source_->SetSettings({}));
  const BackupOnDisk file(Must(MakeBackup(*source_, {safe.certificate})).bytes);
  EXPECT_EQ(CodeOf(RestoreFrom(file)), ErrorCode::kAccessDenied);
  EXPECT_FALSE(TargetIsThere());
  const BackupContents contents = Must(RestoreFrom(file, safe.key));
  ASSERT_EQ(contents.recovery.size(), 1U);
  EXPECT_EQ(contents.recovery[0].fingerprint(), safe.certificate.fingerprint());
  const auto restored = OpenTarget();
  EXPECT_EQ(DescribeByName(*restored), DescribeByName(*source_));
  // It has its slot again.
  const auto recovery = Must(restored->RecoveryCertificates());
  ASSERT_EQ(recovery.size(), 1U);
  EXPECT_EQ(recovery[0].fingerprint(), safe.certificate.fingerprint());
}

TEST_F(Restore, RecoverySlotsThatDoNotFitAreLeftOut) {
  std::vector<Certificate> sixteen;
  for (int i = 0; i < 16; ++i)
    sixteen.push_back(test::MakeRecipient("P-256", "safe" + std::to_string(i)).certificate);
  const BackupOnDisk file(Must(MakeBackup(*source_, sixteen)).bytes);
  const BackupContents contents = Must(RestoreFrom(file));
  EXPECT_EQ(contents.recovery.size(), 16U);
  ASSERT_EQ(contents.left_out.size(), 1U);
  EXPECT_EQ(contents.left_out[0].certificate.fingerprint(), contents.recovery[15].fingerprint());
  EXPECT_NE(contents.left_out[0].why.find("16 slots"), std::string::npos);
  const auto restored = OpenTarget();
  EXPECT_EQ(Must(restored->RecoveryCertificates()).size(), 15U);
}

TEST_F(Restore, CheckingSaysWhatIsInIt) {
  const BackupOnDisk file(Must(MakeBackup(*source_)).bytes);
  std::uint64_t read = 0;
  const auto opened = Must(file.Open());
  const BackupContents contents = Must(CheckBackup(opened, [&](std::uint64_t more) { read += more; }));
  EXPECT_EQ(read, opened.size());
  EXPECT_EQ(contents.manifest.time, "2026-03-01T00:00:00Z");
  EXPECT_EQ(contents.stores.size(), contents.manifest.counts.stores);
  std::uint64_t entries = 0;
  for (const auto& store : contents.stores) entries += store.entries;
  EXPECT_EQ(entries, contents.manifest.counts.entries);
}

TEST_F(Restore, FailuresLeaveNothing) {
  const Bytes good = Must(MakeBackup(*source_)).bytes;
  BackupOnDisk file(good);
  EXPECT_EQ(CodeOf(RestoreFrom(file, PasswordKey("wrong"))), ErrorCode::kAccessDenied);
  EXPECT_FALSE(TargetIsThere());
  file.Write(BytesView(good).first(good.size() - 1));
  EXPECT_EQ(CodeOf(RestoreFrom(file)), ErrorCode::kCorrupt);
  EXPECT_FALSE(TargetIsThere());
  file.Write(VectorOf("leaf.pem"));
  EXPECT_EQ(CodeOf(RestoreFrom(file)), ErrorCode::kMalformed);
  EXPECT_EQ(CodeOf(BackupFile::Open(target_directory_.path() / "none", PasswordKey())), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(BackupFile::Open(target_directory_.path(), PasswordKey())), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(TargetIsThere());
  // Nor is anything touched that was there.
  file.Write(good);
  std::filesystem::create_directory(target());
  std::ofstream(target() / "mine") << "mine";
  EXPECT_EQ(CodeOf(RestoreFrom(file)), ErrorCode::kAlreadyExists);
  EXPECT_TRUE(std::filesystem::exists(target() / "mine"));
}

TEST_F(Restore, AFileThatChangesMeanwhileIsNotTakenForItself) {
  const Bytes good = Must(MakeBackup(*source_)).bytes;
  BackupOnDisk file(good);
  const auto opened = Must(file.Open());
  Bytes other = good;
  other[good.size() / 2] ^= 1;
  file.Write(other);
  EXPECT_EQ(CodeOf(CheckBackup(opened)), ErrorCode::kCorrupt);
  file.Write(Must(MakeBackup(*source_)).bytes);
  EXPECT_EQ(CodeOf(CheckBackup(opened)), ErrorCode::kCorrupt);
  file.Write(good);
  Must(CheckBackup(opened));
}

// Places where a bit is another, or the end comes too early. Whatever opens is what was backed up.
TEST_F(Restore, EachChangeIsRefusedOrHarmless) {
  const auto safe = test::MakeRecipient("P-256", "safe");
  const Bytes good = Must(MakeBackup(*source_, {safe.certificate})).bytes;
  const std::string was = DescribeByName(*source_);
  std::mt19937_64 random(1000);
  int harmless = 0;
  const EnvelopeKey keys[] = {PasswordKey(), safe.key};
  BackupOnDisk file(good);
  const int places = Rounds(1000, 200);
  for (int i = 0; i < places; ++i) {
    // A third in what stands before the message, where other recipients are.
    const std::size_t place = static_cast<std::size_t>(random() % (i % 3 == 0 ? 900 : good.size()));
    Bytes changed = good;
    if (i % 5 == 0) {
      changed.resize(place);
    } else {
      changed[place] ^= static_cast<std::uint8_t>(1U << random() % 8);
    }
    SCOPED_TRACE((i % 5 == 0 ? "cut at " : "flipped at ") + std::to_string(place));
    file.Write(changed);
    const auto restored = RestoreFrom(file, keys[i % 2]);
    EXPECT_EQ(restored.has_value(), TargetIsThere());
    if (!restored.has_value()) continue;
    ++harmless;
    EXPECT_EQ(DescribeByName(*OpenTarget()), was);
    std::filesystem::remove_all(target());
  }
  EXPECT_GT(harmless, 0);
}

}  // namespace

}  // namespace certfs
