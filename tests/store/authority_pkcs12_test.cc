// Goal: the authority can be carried away in a file that stock tools open, and goes on elsewhere.
// Method: MakeBackup over both tables, read by OpenSSL's own tool, and restored into an empty keystore.

#include <fstream>

#include "crypto/pkcs12_reader.h"
#include "tests/store/authority_door.h"

namespace certfs {
namespace {

class AuthorityPkcs12Test : public AuthorityDoor {
 protected:
  AuthorityPkcs12Test() { Create(); }
  Result<Bytes> Backup() { return authority_.MakeBackup(*Must(keystore_->Snapshot())); }
};

TEST_P(AuthorityPkcs12Test, AsksForAPassword) {
  EXPECT_EQ(CodeOf(Backup()), ErrorCode::kPasswordRequired);
  Must(keystore_->SetSettings({SecretOf("secret"), ExportProfile::kModern}));
  for (const ExportProfile profile : {ExportProfile::kModern, ExportProfile::kCompatible}) {
    Must(keystore_->SetSettings({SecretOf("secret"), profile}));
    const Bytes made = Must(Backup());
    EXPECT_EQ(Must(authority_.MeasureBackup(*Must(keystore_->Snapshot()))), made.size());
    EXPECT_EQ(Must(Backup()), made) << "the same content is the same bytes";
  }
}

TEST_P(AuthorityPkcs12Test, TheSizeNeedsNoPassword) {
  EXPECT_GT(Must(authority_.MeasureBackup(*Must(keystore_->Snapshot()))), 500U);
}

TEST_P(AuthorityPkcs12Test, StockOpensslOpensIt) {
  Must(keystore_->SetSettings({SecretOf("secret"), ExportProfile::kModern}));
  const std::string path = (directory_.path() / "ca.p12").string();
  std::filesystem::create_directories(directory_.path());
  const Bytes made = Must(Backup());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(made.data()), static_cast<std::streamsize>(made.size()));
  const std::string out = path + ".pem";
  const std::string command =
      "openssl pkcs12 -in " + path + " -passin pass:secret -nodes -out " + out + " 2>&1";
  ASSERT_EQ(system(command.c_str()), 0);
  const Bytes pem = test::ReadAll(out);
  EXPECT_NE(AsText(pem).find("friendlyName: certfs CA"), std::string_view::npos);
  EXPECT_NE(AsText(pem).find("BEGIN PRIVATE KEY"), std::string_view::npos);
}

TEST_P(AuthorityPkcs12Test, ItGoesOnElsewhere) {
  Must(keystore_->SetSettings({SecretOf("secret"), ExportProfile::kModern}));
  const IssuedCertificate before = Must(authority_.Issue(OrderFor("a.test"), kRoot)).record.Clone();
  const auto contents = Must(ReadPkcs12(Must(Backup()), SecretOf("secret")));
  ASSERT_EQ(contents.items.size(), 1U);
  const PrivateKey key = Must(PrivateKey::FromDer(contents.items.front().pkcs8.Reveal()));
  const auto elsewhere = Must(Keystore::InMemory(kRoot, clock_.get()));
  CertificateAuthority authority(*elsewhere);
  Must(authority.Restore(key, contents.items.front().certificates, nullptr, kRoot));
  const Issued issued = Must(authority.Issue(OrderFor("a.test"), kRoot));
  EXPECT_NE(issued.record.serial, before.serial);
  const auto face = Must(authority_.Face(*Must(keystore_->Snapshot())));
  const TrustSet trust({face->certificate}, {});
  EXPECT_TRUE(trust
                  .Verify(CertificateIn(issued.record), {}, Purpose::kServer,
                          std::chrono::floor<std::chrono::seconds>(clock_.now()))
                  .faults.empty());
}

TEST_P(AuthorityPkcs12Test, ReadingItIsNoted) {
  Must(authority_.Issue(OrderFor("a.test"), kRoot));
  EXPECT_EQ(Record().backed_up, Time{});
  Must(authority_.NoteBackup());
  EXPECT_EQ(Record().backed_up, clock_.now());
  EXPECT_EQ(Record().issued_at_backup, 1U);
}

INSTANTIATE_TEST_SUITE_P(Keystores, AuthorityPkcs12Test, kBothDoors, NameOfDoor);

}  // namespace
}  // namespace certfs
