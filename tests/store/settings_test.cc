// Goal: settings are kept sealed, and what somebody without the key did to them shows. Method: the door on
// both tables; and each byte of the sealed record changed, the record removed, and put back from earlier.

#include "store/settings.h"

#include "store/sealed_table.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/raw_lmdb.h"

namespace certfs {
namespace {

const Bytes kKeyOfSettings{1};

class SettingsDoor : public Door {
 protected:
  std::string Password() {
    return std::string(AsText(Must(Must(keystore_->Snapshot())->GetSettings()).export_password.Reveal()));
  }
};
INSTANTIATE_TEST_SUITE_P(Keystores, SettingsDoor, kBothDoors, NameOfDoor);

TEST_P(SettingsDoor, TakesAndForgetsAPassword) {
  EXPECT_EQ(Password(), "");
  Must(keystore_->SetSettings({SecretOf("a password"), ExportProfile::kCompatible}));
  EXPECT_EQ(Password(), "a password");
  EXPECT_EQ(Must(Must(keystore_->Snapshot())->GetSettings()).profile, ExportProfile::kCompatible);
  EXPECT_EQ(CodeOf(keystore_->SetSettings({SecretOf(std::string(2000, 'x')), ExportProfile::kModern})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(Password(), "a password");
  Must(keystore_->SetSettings({}));
  EXPECT_EQ(Password(), "");
}

TEST_P(SettingsDoor, HasNoRecoveryCertificatesAtFirst) {
  EXPECT_TRUE(Must(keystore_->RecoveryCertificates()).empty());
}

class SealedSettings : public testing::Test {
 protected:
  SealedSettings() { Must(CreateSealedTable(directory_.path(), TestKeys())); }
  void Put(std::string_view password) {
    const auto table = Must(OpenSealedTable(directory_.path(), TestKeys()));
    const auto transaction = Must(table->BeginTransaction());
    Must(transaction->PutSettings({SecretOf(password), ExportProfile::kModern}));
    Must(transaction->Commit());
  }
  Result<Settings> Get() {
    const auto table = TRY(OpenSealedTable(directory_.path(), TestKeys()));
    return TRY(table->Snapshot())->GetSettings();
  }
  Bytes Sealed() { return RawLmdb(directory_.path()).Get("manifest", kKeyOfSettings); }
  void Replace(const Bytes& sealed) { RawLmdb(directory_.path()).Put("manifest", kKeyOfSettings, sealed); }

  TemporaryDirectory directory_;
};

TEST_F(SealedSettings, EveryChangedByteShows) {
  Put("the password");
  const Bytes good = Sealed();
  EXPECT_EQ(std::string(AsText(good)).find("password"), std::string::npos);
  EXPECT_EQ(good[2], 5);  // The kind that store/README.md gives them.
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 0x01;
    Replace(bad);
    ASSERT_EQ(CodeOf(Get()), ErrorCode::kCorrupt) << at;
  }
  Replace(good);
  EXPECT_EQ(AsText(Must(Get()).export_password.Reveal()), "the password");
}

TEST_F(SealedSettings, AbsenceAndThePastShowAndANewPasswordRepairsThem) {
  Put("first");
  const Bytes first = Sealed();
  Put("second");
  Replace(first);
  EXPECT_EQ(CodeOf(Get()), ErrorCode::kCorrupt);
  RawLmdb(directory_.path()).Remove("manifest", kKeyOfSettings);
  EXPECT_EQ(CodeOf(Get()), ErrorCode::kCorrupt);
  Put("third");
  EXPECT_EQ(AsText(Must(Get()).export_password.Reveal()), "third");
}

TEST(RecoveryCertificates, AreRefusedFromAForgedHeader) {
  const TemporaryDirectory directory;
  const auto keystore = MakeKeystoreOnDisk(directory.path(), FixedClock().get());
  EXPECT_TRUE(Must(keystore->RecoveryCertificates()).empty());
  Must(Must(Header::Create(TestSecret(), {})).Save(directory.path()));  // Of another keystore.
  EXPECT_EQ(CodeOf(keystore->RecoveryCertificates()), ErrorCode::kCorrupt);
  std::filesystem::remove(directory.path() / "keystore.hdr");
  const auto missing = keystore->RecoveryCertificates();
  EXPECT_EQ(CodeOf(missing), ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message().find(directory.path().string()), std::string::npos);
}

}  // namespace
}  // namespace certfs
