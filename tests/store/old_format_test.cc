// Goal: a keystore that a certfs of before made opens, shows all that it holds, and becomes one of today as
// it is changed. Method: tests/store/vectors/format-1, made through a mount by certfs of 2026-11-25 (header,
// manifest and entries of format 1), format-2, made by that of 2026-11-27 (manifest of format 2, stores of
// format 1, no table of issued certificates), and format-3, made by that of 2026-11-28 before it had an audit
// log (manifest of format 3); their key is the tests' own.

#include "store/audit_verification.h"
#include "store/keystore_keys.h"
#include "store/sealed_table.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/ledger_fixture.h"

namespace certfs {
namespace {

constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};

class OldFormat : public testing::TestWithParam<const char*> {
 protected:
  OldFormat() {
    for (const char* const name : {"keystore.hdr", "data.mdb"}) {
      std::filesystem::copy(
          std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/" + GetParam() + "/" + name, path() / name);
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

TEST_P(OldFormat, OpensAndHasNothingThatItDidNotKnow) {
  const auto keystore = Open();
  ExpectAll(*keystore);
  const auto snapshot = Must(keystore->Snapshot());
  const bool first = GetParam() == std::string("format-1");
  EXPECT_EQ(Find(*keystore, "machine", "www")->changed.has_value(), !first);
  EXPECT_EQ(AsText(Must(snapshot->GetSettings()).export_password.Reveal()), first ? "" : "an older password");
  EXPECT_FALSE(snapshot->has_authority());
  EXPECT_EQ(snapshot->issued_count(), 0U);
  EXPECT_FALSE(Must(snapshot->FindStore(NameOf("machine")))->enforce_revocation);
  EXPECT_TRUE(Must(keystore->RecoveryCertificates()).empty());
}

TEST_P(OldFormat, BecomesOneOfTodayAsItIsChanged) {
  {
    const auto keystore = Open();
    Must(keystore->SetSettings({SecretOf("a password"), ExportProfile::kModern}));
    const Number machine = Must(Must(keystore->Snapshot())->FindStore(NameOf("machine")))->number;
    EXPECT_TRUE(Must(keystore->SetEnforceRevocation(machine, true)).enforce_revocation);
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
  EXPECT_TRUE(Must(Must(keystore->Snapshot())->FindStore(NameOf("machine")))->enforce_revocation);
}

// Goal: it takes an authority and a ledger. Method: put into the table itself, and read by whoever opens it.
TEST_P(OldFormat, TakesAnAuthority) {
  const RootKeys keys = Must(Must(Header::Load(path())).Unlock(TestSecret()));
  {
    const auto table = Must(OpenSealedTable(path(), {keys.store_id, keys.manifest_key.Clone()}));
    const auto transaction = Must(table->BeginTransaction());
    Must(transaction->PutAuthority(SomeAuthority()));
    Must(transaction->PutIssued(SomeIssued(1)));
    Must(transaction->Commit());
  }
  const auto keystore = Open();
  ExpectAll(*keystore);
  EXPECT_TRUE(Must(keystore->Snapshot())->has_authority());
  EXPECT_TRUE(Must(Must(keystore->Snapshot())->FindIssued(SerialOf(1))));
}

// Goal: it begins an audit log, and knows it from then on. Method: nothing is written while it is only read.
TEST_P(OldFormat, BeginsAnAuditLog) {
  {
    const auto keystore = Open();
    EXPECT_TRUE(Must(VerifyAudit(*keystore)).sound());
    EXPECT_FALSE(std::filesystem::exists(path() / "audit.log"));
    Must(keystore->CreateStore(NameOf("new"), kAlice, 0755));
  }
  const auto keystore = Open();
  ExpectAll(*keystore);
  const AuditReport report = Must(VerifyAudit(*keystore));
  EXPECT_TRUE(report.sound());
  EXPECT_EQ(report.lines, 2U);
  EXPECT_EQ(report.anchored, 2U);
  std::filesystem::remove(path() / "audit.log");
  EXPECT_FALSE(Must(VerifyAudit(*keystore)).sound());
}

INSTANTIATE_TEST_SUITE_P(Formats, OldFormat, testing::Values("format-1", "format-2", "format-3"),
                         [](const auto& tested) { return std::string(tested.param).replace(6, 1, ""); });

}  // namespace
}  // namespace certfs
