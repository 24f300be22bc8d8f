// Goal: a keystore that the first certfs made opens, shows all that it holds, and becomes one of today as it
// is changed. Method: tests/store/vectors/format-1, made through a mount by certfs of 2026-11-25 (header,
// manifest and entries of format 1); its key is the tests' own.

#include "store/keystore_keys.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {
namespace {

constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};

class OldFormat : public testing::Test {
 protected:
  OldFormat() {
    for (const char* const name : {"keystore.hdr", "data.mdb"}) {
      std::filesystem::copy(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/format-1/" + name,
                            path() / name);
    }
  }
  const std::filesystem::path& path() const { return directory_.path(); }
  std::unique_ptr<Keystore> Open(const UnlockSecret& secret = TestSecret()) {
    return Must(Keystore::Open(path(), secret, clock_.get()));
  }
  static std::optional<Entry> Find(Keystore& keystore, std::string_view store, std::string_view alias) {
    const auto snapshot = Must(keystore.Snapshot());
    return Must(snapshot->FindEntry(Must(snapshot->FindStore(NameOf(store)))->number, AliasOf(alias)));
  }
  static std::string Text(Keystore& keystore, const Entry& entry, Member member) {
    return ReadText(*Must(keystore.Snapshot()), entry, member);
  }
  void ExpectAll(Keystore& keystore) {
    const struct {
      const char* store;
      const char* alias;
      Member member;
      const char* vector;
    } rows[] = {{"TRUSTED_ROOTS", "root", Member::kCertificate, "root.pem"},
                {"machine", "www", Member::kKey, "leaf.key"},
                {"machine", "www", Member::kCertificate, "chain.pem"},
                {"BACKUP_STORE", "bkp_www", Member::kCertificate, "leaf.pem"}};
    for (const auto& row : rows) {
      const auto entry = Find(keystore, row.store, row.alias);
      ASSERT_TRUE(entry && entry->file(row.member)) << row.alias;
      EXPECT_EQ(Text(keystore, *entry, row.member), AsText(VectorOf(row.vector))) << row.vector;
    }
    const auto password = Find(keystore, "APPLMGMT_PASSWORD", "pw");
    ASSERT_TRUE(password);
    EXPECT_EQ(Text(keystore, *password, Member::kSecret), "a secret");
    const auto snapshot = Must(keystore.Snapshot());
    const Entry www = *Find(keystore, "machine", "www");
    EXPECT_EQ(www.file(Member::kKey)->attributes.access_acl.empty(), false);
    const auto next = Must(snapshot->FindEntry(www.store, www.alias.Next()));
    ASSERT_TRUE(next);
    EXPECT_EQ(Text(keystore, *next, Member::kKey), AsText(VectorOf("other.key")));
    EXPECT_EQ(next->origin, www.number);
  }

  TemporaryDirectory directory_;
  FixedClock clock_;
};

TEST_F(OldFormat, OpensAndHasNothingThatItDidNotKnow) {
  const auto keystore = Open();
  ExpectAll(*keystore);
  EXPECT_EQ(Find(*keystore, "machine", "www")->changed, std::nullopt);
  EXPECT_TRUE(Must(Must(keystore->Snapshot())->GetSettings()).export_password.empty());
  EXPECT_TRUE(Must(keystore->RecoveryCertificates()).empty());
}

TEST_F(OldFormat, BecomesOneOfTodayAsItIsChanged) {
  {
    const auto keystore = Open();
    Must(keystore->SetSettings({SecretOf("a password"), ExportProfile::kModern}));
    const Number pw = Find(*keystore, "APPLMGMT_PASSWORD", "pw")->number;
    Must(keystore->WriteFile(pw, Member::kSecret, AsBytes("another"), kAlice, {}));
    Must(keystore->WriteFile(pw, Member::kSecret, AsBytes("a secret"), kAlice, {}));
    EXPECT_EQ(Find(*keystore, "APPLMGMT_PASSWORD", "pw")->changed->uid, kAlice.uid);
  }
  EXPECT_EQ(Must(AddSlot(path(), TestSecret(), TestSecret('b'), kNow)), 2);
  EXPECT_EQ(Must(RotateDataKey(path(), TestSecret('b'), [](std::size_t, std::size_t) {})).damaged.size(), 0U);
  const auto keystore = Open(TestSecret('b'));
  ExpectAll(*keystore);
  EXPECT_EQ(AsText(Must(Must(keystore->Snapshot())->GetSettings()).export_password.Reveal()), "a password");
  EXPECT_EQ(test::ReadAll((path() / "keystore.hdr").string())[9], 2);
}

}  // namespace
}  // namespace certfs
