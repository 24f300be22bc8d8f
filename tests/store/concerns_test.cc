// Goal: each finding is there where exactly that is wrong, with what to do, and none where nothing is.
// Method: keystores that hold one thing that is wrong, put there past the rules where a writer would be
// refused; vectors of stock openssl, a clock that the test moves.

#include "store/concerns.h"

#include "tests/store/watched_keystore.h"

namespace certfs {
namespace {

using namespace std::chrono_literals;
using Expected = std::vector<std::string>;
using std::chrono::sys_days;

class Concerns : public testing::Test {
 protected:
  Concerns() { keystore_.FillWell(); }
  WatchedKeystore keystore_;
};

TEST_F(Concerns, NothingIsWrongWhereNothingIs) {
  EXPECT_EQ(keystore_.Found(), Expected{});
  for (const Concern& each : keystore_.Concerns()) EXPECT_EQ(each.urgency, Urgency::kInfo) << each.id;
}

TEST(ConcernsOfAnEmptyKeystore, AreNone) {
  WatchedKeystore keystore;
  EXPECT_TRUE(keystore.Concerns().empty());  // No backup and no password are needed either.
}

// One certificate that breaks one row.
TEST_F(Concerns, OfOneCertificate) {
  const struct {
    const char* store;
    const char* vector;
    Expected found;
    const char* action;
  } rows[] = {
      {"machine", "expired.pem", {"critical expired machine/x"}, "cp NEW-CERT.pem stores/machine/x/cert.pem"},
      {"machine",
       "no-san.pem",
       {"warning leaf-without-san machine/x"},
       "cp NEW-CERT.pem stores/machine/x/cert.pem"},
      {"machine",
       "sha1.pem",
       {"critical sha1-signature machine/x"},
       "cp NEW-CERT.pem stores/machine/x/cert.pem"},
      {"machine",
       "rsa1024.pem",
       {"critical weak-key machine/x"},
       "mkdir -p stores/machine/x/next && cp key.pem cert.pem stores/machine/x/next/"},
      {"machine",
       "self-signed.pem",
       {"warning self-signed machine/x"},
       "cp NEW-CERT.pem stores/machine/x/cert.pem"},
      {"machine",
       "future.pem",
       {"critical not-yet-valid machine/x"},
       "certfs verify --store machine stores/machine/x/cert.pem"},
      {"TRUSTED_ROOTS", "leaf.pem", {"critical not-a-ca TRUSTED_ROOTS/x"}, "rm -r stores/TRUSTED_ROOTS/x"},
      {"TRUSTED_ROOTS", "old-root.pem", {"warning expired TRUSTED_ROOTS/x"}, "rm -r stores/TRUSTED_ROOTS/x"},
  };
  for (const auto& row : rows) {
    WatchedKeystore keystore;
    keystore.FillWell();
    // The issuer of leaves that come without it.
    keystore.Force("TRUSTED_ROOTS", "issuing", Member::kCertificate, "issuing.pem");
    ASSERT_EQ(keystore.Found(), Expected{});
    keystore.Force(row.store, "x", Member::kCertificate, row.vector);
    EXPECT_EQ(keystore.Found(), row.found) << row.vector;
    EXPECT_EQ(keystore.Concerns().front().action, row.action) << row.vector;
  }
}

TEST_F(Concerns, AnIssuerThatIsMissing) {
  keystore_.Force("machine", "x", Member::kCertificate, "untrusted.pem");
  EXPECT_EQ(keystore_.Found(), Expected{"warning untrusted-issuer machine/x"});
  keystore_.Force("MACHINE_SSL_CERT", "x", Member::kCertificate, "untrusted.pem");
  EXPECT_EQ(keystore_.Found().front(), "critical untrusted-issuer MACHINE_SSL_CERT/x");
  EXPECT_EQ(keystore_.Get("untrusted-issuer").action,
            "mkdir stores/TRUSTED_ROOTS/NAME && cp ISSUER.pem stores/TRUSTED_ROOTS/NAME/cert.pem");
}

// What BACKUP_STORE keeps is no alarm: it expires like everything, and nobody uses it.
TEST_F(Concerns, BackupsAreNotLive) {
  keystore_.Force("BACKUP_STORE", "bkp_x", Member::kCertificate, "expired.pem");
  EXPECT_EQ(keystore_.Found(), Expected{});
}

// "expiring (30 days; 7 days critical)". All vectors of the well-filled store end on 2027-01-01.
TEST_F(Concerns, TheEndIsNear) {
  const auto at = [&](sys_days day) {
    keystore_.now = day;
    return keystore_.Found();
  };
  EXPECT_EQ(at(sys_days{2026y / 12 / 1}), Expected{});
  const Expected near{"warning expiring MACHINE_SSL_CERT/__MACHINE_CERT",
                      "warning expiring TRUSTED_ROOTS/root"};
  EXPECT_EQ(at(sys_days{2026y / 12 / 3}), near);
  EXPECT_EQ(keystore_.Get("expiring").detail, "expires 2027-01-01T00:00:00Z");
  const Expected nearer{"critical expiring MACHINE_SSL_CERT/__MACHINE_CERT",
                        "warning expiring TRUSTED_ROOTS/root"};
  EXPECT_EQ(at(sys_days{2026y / 12 / 26}), nearer);
  const Expected over = at(sys_days{2027y / 1 / 2});
  EXPECT_EQ(over.front(), "critical anchor-expired MACHINE_SSL_CERT/__MACHINE_CERT");
  EXPECT_TRUE(std::find(over.begin(), over.end(), "critical expired MACHINE_SSL_CERT/__MACHINE_CERT") !=
              over.end());
  EXPECT_TRUE(std::find(over.begin(), over.end(), "warning expired TRUSTED_ROOTS/root") != over.end());
}

// A leaf is no better than what comes along with it.
TEST_F(Concerns, AnIssuerInTheFileEndsFirst) {
  keystore_.now = sys_days{2026y / 12 / 28};
  keystore_.Force("machine", "x", Member::kCertificate, "long-lived.pem");
  const auto mine = [&] {
    for (const Concern& each : keystore_.Concerns()) {
      if (each.subject == "machine/x" && each.id == "expiring") return each.detail;
    }
    return std::string();
  };
  EXPECT_EQ(mine(), "");
  const std::string chain =
      std::string(AsText(VectorOf("long-lived.pem"))) + std::string(AsText(VectorOf("issuing.pem")));
  keystore_.Force("machine", "x", Member::kCertificate, AsBytes(chain));
  EXPECT_EQ(mine(), "expires 2027-01-01T00:00:00Z, because its issuer does: CN=Vector Issuing CA");
}

TEST_F(Concerns, Revoked) {
  keystore_.Force("TRUSTED_ROOTS", "issuing", Member::kCertificate, "issuing.pem");
  keystore_.Force("TRUSTED_ROOTS_CRLS", "issuing", Member::kRevocationList, "crl-revokes-leaf.pem");
  EXPECT_EQ(keystore_.Found(), Expected{"critical revoked MACHINE_SSL_CERT/__MACHINE_CERT"});
  EXPECT_EQ(keystore_.Get("revoked").detail,
            "revoked by a CRL in TRUSTED_ROOTS_CRLS: certificate 1 (CN=www.example.com): by the CRL of "
            "CN=Vector Issuing CA");
  EXPECT_EQ(keystore_.Get("revoked").action,
            "mkdir -p stores/MACHINE_SSL_CERT/__MACHINE_CERT/next && cp key.pem cert.pem "
            "stores/MACHINE_SSL_CERT/__MACHINE_CERT/next/");
}

// The CA in the middle of the chain.
TEST_F(Concerns, AnIssuerIsRevoked) {
  keystore_.Force("TRUSTED_ROOTS_CRLS", "root", Member::kRevocationList, "crl-revokes-issuing.pem");
  EXPECT_EQ(keystore_.Found(), Expected{"critical revoked MACHINE_SSL_CERT/__MACHINE_CERT"});
  EXPECT_NE(keystore_.Get("revoked").detail.find("certificate 2 (CN=Vector Issuing CA)"), std::string::npos);
}

TEST_F(Concerns, AStaleCrl) {
  keystore_.Force("TRUSTED_ROOTS_CRLS", "root", Member::kRevocationList, "crl-stale.pem");
  EXPECT_EQ(keystore_.Found(), Expected{"warning crl-stale TRUSTED_ROOTS_CRLS/root"});
  EXPECT_EQ(keystore_.Get("crl-stale").action, "cp NEW-CRL.pem stores/TRUSTED_ROOTS_CRLS/root/crl.pem");
}

TEST_F(Concerns, ABackupThatWasNeverRead) {
  keystore_.backup_read = false;
  EXPECT_EQ(keystore_.Found(), Expected{"warning backup-never-read backup/keystore.cms"});
}

TEST_F(Concerns, AnExportPasswordThatIsNotSet) {
  Must(keystore_.keystore->SetSettings({}));
  EXPECT_EQ(keystore_.Found(), Expected{});  // Whoever needs none has nothing to do.
  EXPECT_EQ(keystore_.Get("export-password-unset").urgency, Urgency::kInfo);
}

// What the authority can renew it is asked to; what the ledger says of a certificate is said once.
TEST_F(Concerns, OfTheAuthority) {
  keystore_.own = {HolderOf(ReadCertificateFile(VectorOf("issuing.pem")).value().certificates.front())};
  keystore_.Force("TRUSTED_ROOTS", "issuing", Member::kCertificate, "issuing.pem");
  keystore_.Force("machine", "it's", Member::kCertificate, "expired.pem");
  keystore_.authority = {{"expired-live", "critical", "machine/it's", "from the ledger"},
                         {"revoked-live", "critical", "machine/it's", "from the ledger"},
                         {"ca-never-backed-up", "warning", "the certificate authority", "never"}};
  EXPECT_EQ(keystore_.Found(),
            (Expected{"critical expired machine/it's", "critical revoked-live machine/it's",
                      "warning ca-never-backed-up the certificate authority"}));
  EXPECT_EQ(keystore_.Get("expired").action, "certfs renew 'machine/it'\\''s'");
  EXPECT_EQ(keystore_.Get("revoked-live").action, "certfs renew --rekey 'machine/it'\\''s'");
  EXPECT_EQ(keystore_.Get("ca-never-backed-up").action, "certfs ca backup --out ca.p12");
}

TEST_F(Concerns, NotEverybodyIsToldOfEverything) {
  const Number entry =
      keystore_.Force("machine", "hidden", Member::kCertificate, BytesView(VectorOf("expired.pem")));
  keystore_.SetMode(entry, 0700);
  const auto mine = keystore_.Concerns();
  const auto found =
      std::find_if(mine.begin(), mine.end(), [](const Concern& each) { return each.id == "expired"; });
  ASSERT_NE(found, mine.end());
  EXPECT_EQ(found->subject, "machine/hidden");
  for (const Concern& each : ForEverybody(mine)) {
    if (each.id != "expired") continue;
    EXPECT_EQ(each.urgency, Urgency::kCritical);
    for (const std::string& text : {each.subject, each.detail, each.action}) {
      EXPECT_EQ(text.find("hidden"), std::string::npos) << text;
      EXPECT_EQ(text.find("CN="), std::string::npos) << text;
    }
  }
}

// What the ledger says of an entry that was not seen, because the record of its store cannot be read, may be
// what not everybody may know.
TEST_F(Concerns, OfWhatWasNotSeenNotEverybodyIsTold) {
  keystore_.authority = {{"revoked-live", "critical", "hidden", "serial number 1"},
                         {"ca-expires", "warning", "CA certificate 1 (CN=CA)", "expires"}};
  EXPECT_EQ(keystore_.Get("revoked-live").subject, "hidden");
  for (const Concern& each : ForEverybody(keystore_.Concerns())) {
    if (each.id == "revoked-live") {
      EXPECT_EQ((each.subject + each.action).find("hidden"), std::string::npos);
    }
    if (each.id == "ca-expires") {
      EXPECT_EQ(each.subject, "CA certificate 1 (CN=CA)");
    }
  }
}

TEST_F(Concerns, ACrlThatCannotBeRead) {
  keystore_.Force("TRUSTED_ROOTS_CRLS", "root", Member::kRevocationList, AsBytes("no CRL"));
  EXPECT_EQ(keystore_.Found(), Expected{"critical damaged TRUSTED_ROOTS_CRLS"});
  EXPECT_NE(keystore_.Get("damaged").detail.find("nobody can tell"), std::string::npos);
  keystore_.Force("TRUSTED_ROOTS_CRLS", "root", Member::kRevocationList, "crl-5.pem");
  EXPECT_EQ(keystore_.Found(), Expected{});
}

TEST_F(Concerns, TheWorstComesFirstAndTheOrderStays) {
  keystore_.Force("machine", "b", Member::kCertificate, "expired.pem");
  keystore_.Force("machine", "a", Member::kCertificate, "no-san.pem");
  keystore_.Force("machine", "c", Member::kCertificate, "expired.pem");
  const auto found = keystore_.Concerns();
  EXPECT_TRUE(std::is_sorted(found.begin(), found.end(),
                             [](const Concern& a, const Concern& b) { return a.urgency < b.urgency; }));
  EXPECT_EQ(found, keystore_.Concerns());
  EXPECT_EQ(found.front().subject, "machine/b");
}

TEST(ShellWords, AreOneWordEach) {
  EXPECT_EQ(ShellWord("stores/machine/web"), "stores/machine/web");
  EXPECT_EQ(ShellWord("two words"), "'two words'");
  EXPECT_EQ(ShellWord("$(rm -rf *)'"), "'$(rm -rf *)'\\'''");
  EXPECT_EQ(ShellWord(""), "''");
  EXPECT_EQ(ShellWord("-rf"), "'-rf'");
}

}  // namespace
}  // namespace certfs
