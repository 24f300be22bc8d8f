// Goal: whatever somebody seals as a backup, it is restored as what it says or refused in words; never does
// it reach beyond itself.
// Method: a small archive, good as it is, and a table of what may be wrong with one; then random damage to
// the archive beneath an envelope that is whole.

#include <algorithm>
#include <random>

#include "store/backup_layout.h"
#include "tests/store/restore_fixture.h"
#include "tests/support/rounds.h"

namespace certfs {

namespace {

std::string TextOf(const std::string& vector) { return std::string(AsText(VectorOf(vector))); }

// A whole backup of one pair and one kept state, made by hand.
std::vector<RawItem> GoodItems() {
  BackupManifest manifest{"0.1.0", {}, 7, "2026-03-01T00:00:00Z", {5, 2, 3, 0}};
  manifest.counts.bytes = TextOf("leaf.key").size() + 2 * TextOf("leaf.pem").size();
  const std::map<std::string, std::string> first{{"user.certfs.revision", "1"}};
  std::vector<RawItem> items;
  items.push_back({"manifest.json", AE_IFREG, 0644, EncodeBackupManifest(manifest)});
  items.push_back({"settings.json", AE_IFREG, 0600, R"({"profile": "modern"})"});
  items.push_back({"export-password", AE_IFREG, 0600, "password"});
  for (const char* store : {"MACHINE_SSL_CERT", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS"})
    items.push_back({std::string("stores/") + store + "/", AE_IFDIR, 0755, ""});
  items.push_back({"stores/BACKUP_STORE/", AE_IFDIR, 0700, ""});
  items.push_back({"stores/BACKUP_STORE/bkp_web/", AE_IFDIR, 0755, "", first});
  items.push_back({"stores/BACKUP_STORE/bkp_web/cert.pem", AE_IFREG, 0644, TextOf("leaf.pem")});
  items.push_back({"stores/machine/", AE_IFDIR, 0755, ""});
  items.push_back({"stores/machine/web/", AE_IFDIR, 0755, "", first});
  items.push_back({"stores/machine/web/cert.pem", AE_IFREG, 0644, TextOf("leaf.pem")});
  items.push_back({"stores/machine/web/key.pem", AE_IFREG, 0600, TextOf("leaf.key")});
  return items;
}

RawItem& At(std::vector<RawItem>& items, std::string_view path) {
  const auto found = std::ranges::find(items, path, &RawItem::path);
  EXPECT_NE(found, items.end()) << path;
  return *found;
}
void InsertBehind(std::vector<RawItem>& items, std::string_view path, RawItem item) {
  const auto found = std::ranges::find(items, path, &RawItem::path);
  items.insert(found + 1, std::move(item));
}

Result<BackupContents> CheckTar(BytesView tar) {
  const BackupOnDisk file(SealAsBackup(tar));
  const auto opened = TRY(file.Open());
  return CheckBackup(opened);
}

constexpr auto kWeb = "stores/machine/web/";
constexpr auto kCertificatePath = "stores/machine/web/cert.pem";
constexpr auto kKeyPath = "stores/machine/web/key.pem";

struct Case {
  const char* name;
  void (*spoil)(std::vector<RawItem>& items);
  ErrorCode code = ErrorCode::kMalformed;
};

const std::vector<Case>& Cases() {
  using Items = std::vector<RawItem>;
  static const std::vector<Case> cases{
      {"Newer", [](Items& items) { items[0].content.replace(items[0].content.find("2"), 1, "3"); },
       ErrorCode::kUnsupported},
      {"NoManifest", [](Items& items) { items.erase(items.begin()); }},
      {"ManifestIsNone", [](Items& items) { items[0].content = "{}"; }},
      {"ManifestIsADirectory",
       [](Items& items) {
         items[0] = {"manifest.json/", AE_IFDIR, 0755, ""};
       }},
      {"CountsOtherwise", [](Items& items) { items.pop_back(); }},
      {"NoSettings", [](Items& items) { items.erase(items.begin() + 1); }},
      {"OddSettings", [](Items& items) { items[1].content = R"({"profile": "none"})"; }},
      {"LongPassword", [](Items& items) { items[2].content.assign(1025, 'x'); }},
      {"TwoPasswords", [](Items& items) { items.insert(items.begin() + 3, items[2]); }},
      {"RecoveryIsNone",
       [](Items& items) {
         InsertBehind(items, "export-password", {"recovery/a.pem", AE_IFREG, 0644, "x"});
       }},
      {"RecoveryIsAnother",
       [](Items& items) {
         InsertBehind(items, "export-password",
                      {"recovery/" + std::string(64, '0') + ".pem", AE_IFREG, 0644, TextOf("leaf.pem")});
       }},
      {"NoStores", [](Items& items) { items.resize(3); }},
      {"NoProtectedStore", [](Items& items) { items.erase(items.begin() + 3); }},
      {"StoreTwice",
       [](Items& items) {
         items.push_back({"stores/MACHINE/", AE_IFDIR, 0755, ""});
       }},
      {"StoreOfTheLinksName",
       [](Items& items) {
         items.push_back({"stores/TRUSTED_ROOT_CRLS/", AE_IFDIR, 0755, ""});
       }},
      {"StoreIsAFile",
       [](Items& items) {
         items.push_back({"stores/x", AE_IFREG, 0644, "x"});
       }},
      {"Absolute", [](Items& items) { At(items, kKeyPath).path = "/etc/shadow"; }},
      {"Upwards", [](Items& items) { At(items, kKeyPath).path = "stores/machine/web/../../../x"; }},
      {"UpwardsAlias",
       [](Items& items) {
         items.push_back({"stores/machine/../", AE_IFDIR, 0755, ""});
       }},
      {"DotStore",
       [](Items& items) {
         items.push_back({"stores/./", AE_IFDIR, 0755, ""});
       }},
      {"EmptyPart", [](Items& items) { At(items, kKeyPath).path = "stores/machine/web//key.pem"; }},
      {"SymbolicLink",
       [](Items& items) {
         items.push_back({"stores/machine/web/secret", AE_IFLNK, 0777, "", {}, "/etc/shadow"});
       }},
      {"HardLink",
       [](Items& items) {
         At(items, kKeyPath).content.clear();
         At(items, kKeyPath).link = kCertificatePath;
       }},
      {"Device", [](Items& items) { At(items, kKeyPath).type = AE_IFCHR; }},
      {"Pipe", [](Items& items) { At(items, kKeyPath).type = AE_IFIFO; }},
      {"UnknownTop",
       [](Items& items) {
         items.push_back({"etc/passwd", AE_IFREG, 0644, "x"});
       }},
      {"UnknownFile",
       [](Items& items) {
         items.push_back({"stores/machine/web/id_rsa", AE_IFREG, 0600, "x"});
       }},
      {"ForeignAttribute", [](Items& items) { At(items, kKeyPath).extras["security.capability"] = "x"; }},
      {"FileTwice", [](Items& items) { items.push_back(At(items, kKeyPath)); }},
      {"AliasTwice",
       [](Items& items) {
         items.push_back({"stores/machine/WEB/", AE_IFDIR, 0755, "", {{"user.certfs.revision", "1"}}});
       }},
      {"FileOfAnotherEntry", [](Items& items) { At(items, kKeyPath).path = "stores/machine/else/key.pem"; }},
      {"EntryOfAnotherStore", [](Items& items) { At(items, kWeb).path = "stores/TRUSTED_ROOTS/web/"; }},
      {"BadAlias", [](Items& items) { At(items, kWeb).path = "stores/machine/.hidden/"; }},
      {"LongAlias",
       [](Items& items) { At(items, kWeb).path = "stores/machine/" + std::string(121, 'a') + "/"; }},
      {"KeptStateElsewhere", [](Items& items) { At(items, kWeb).path = "stores/machine/bkp_a@b/"; }},
      {"EntryInBackupStore",
       [](Items& items) { At(items, "stores/BACKUP_STORE/bkp_web/").path = "stores/BACKUP_STORE/web/"; }},
      {"StagedForNothing",
       [](Items& items) {
         items.push_back({"stores/machine/x/next/", AE_IFDIR, 0755, "", {{"user.certfs.revision", "1"}}});
       }},
      {"StagedKept",
       [](Items& items) {
         InsertBehind(
             items, "stores/BACKUP_STORE/bkp_web/cert.pem",
             {"stores/BACKUP_STORE/bkp_web/next/", AE_IFDIR, 0755, "", {{"user.certfs.revision", "1"}}});
       }},
      {"NoRevision", [](Items& items) { At(items, kWeb).extras.clear(); }},
      {"OddRevision", [](Items& items) { At(items, kWeb).extras["user.certfs.revision"] = "-1"; }},
      {"PaddedRevision", [](Items& items) { At(items, kWeb).extras["user.certfs.revision"] = "01"; }},
      {"OddChange", [](Items& items) { At(items, kWeb).extras["user.certfs.changed"] = "root"; }},
      {"OriginOfALiveOne", [](Items& items) { At(items, kWeb).extras["user.certfs.origin"] = "machine"; }},
      {"DatedLiveFile", [](Items& items) { At(items, kKeyPath).extras["user.certfs.dated"] = "1"; }},
      {"OddAcl", [](Items& items) { At(items, kKeyPath).extras["user.certfs.acl.access"] = "x"; }},
      {"AclThatIsAMode",
       [](Items& items) {
         // u::rw-,g::r--,o::---
         const Bytes acl{2, 0, 0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 4,   0,
                         4, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};
         At(items, kKeyPath).extras["user.certfs.acl.access"] = std::string(AsText(acl));
       }},
      {"KeyForOthersByAcl",
       [](Items& items) {
         const Bytes acl = AclOf(33, 0, 4).Encode();
         At(items, kKeyPath).extras["user.certfs.acl.access"] = std::string(AsText(acl));
       }},
      {"FileWithDefaultAcl",
       [](Items& items) {
         const Bytes acl = AclOf(33, 0, 0).Encode();
         At(items, kKeyPath).extras["user.certfs.acl.default"] = std::string(AsText(acl));
       }},
      {"KeyForOthers", [](Items& items) { At(items, kKeyPath).mode = 0604; }},
      {"OwnerOutOfBounds", [](Items& items) { At(items, kKeyPath).uid = std::int64_t{1} << 32; }},
      {"EmptyFile", [](Items& items) { At(items, kKeyPath).content.clear(); }},
      {"HugeFile", [](Items& items) { At(items, kKeyPath).content.assign((1 << 20) + 1, 'x'); }},
      {"NoKey", [](Items& items) { At(items, kKeyPath).content = "no key"; }},
      {"CertificateAsKey", [](Items& items) { At(items, kKeyPath).content = TextOf("leaf.pem"); }},
      {"KeyAsCertificate", [](Items& items) { At(items, kCertificatePath).content = TextOf("leaf.key"); }},
      {"KeyOfAnother", [](Items& items) { At(items, kKeyPath).content = TextOf("other.key"); }},
      {"EncryptedKey", [](Items& items) { At(items, kKeyPath).content = TextOf("encrypted.key"); }},
      {"CrlBesideAPair",
       [](Items& items) {
         items.push_back({"stores/machine/web/crl.pem", AE_IFREG, 0644, TextOf("crl-5.pem")});
       }},
      {"RequestOfALiveOne",
       [](Items& items) {
         items.push_back({"stores/machine/web/request.cfg", AE_IFREG, 0644, "Name = x\n"});
       }},
      {"KeyInTrustedRoots",
       [](Items& items) {
         InsertBehind(items, "stores/TRUSTED_ROOTS/",
                      {"stores/TRUSTED_ROOTS/a/", AE_IFDIR, 0755, "", {{"user.certfs.revision", "1"}}});
         InsertBehind(items, "stores/TRUSTED_ROOTS/a/",
                      {"stores/TRUSTED_ROOTS/a/key.pem", AE_IFREG, 0600, TextOf("leaf.key")});
       }},
      {"NameThatCannotBeShown", [](Items& items) { At(items, kWeb).path = "stores/machine/\x1B[2J/"; }},
      {"NameThatIsNotUtf8", [](Items& items) { At(items, kWeb).path = "stores/machine/\xFF/"; }},
  };
  return cases;
}

TEST(HostileBackup, ThePlainOneIsGood) {
  const BackupContents contents = Must(CheckTar(MakeTar(GoodItems())));
  EXPECT_EQ(contents.manifest.counts.entries, 2U);
  EXPECT_TRUE(contents.export_password);
}

TEST(HostileBackup, EachOddityIsRefused) {
  TemporaryDirectory directory;
  for (const Case& tested : Cases()) {
    SCOPED_TRACE(tested.name);
    std::vector<RawItem> items = GoodItems();
    tested.spoil(items);
    const Bytes tar = MakeTar(items);
    const auto checked = CheckTar(tar);
    ASSERT_EQ(ToString(CodeOf(checked)), ToString(tested.code));
    EXPECT_GT(checked.error().message().size(), 10U);
    const BackupOnDisk file(SealAsBackup(tar));
    const auto restored = RestoreKeystore(Must(file.Open()), directory.path() / "new", TestSecret(),
                                          [] { return Time(test::kVectorTime); });
    EXPECT_EQ(ToString(CodeOf(restored)), ToString(tested.code));
    EXPECT_FALSE(std::filesystem::exists(directory.path() / "new"));
  }
}

// An entry `a` with a CRL, and something staged for it.
std::string WhyNotStagedBehindACrl(const std::string& store) {
  std::vector<RawItem> items = GoodItems();
  const std::map<std::string, std::string> first{{"user.certfs.revision", "1"}};
  const std::string folder = "stores/" + store + "/";
  InsertBehind(items, folder, {folder + "a/", AE_IFDIR, 0755, "", first});
  InsertBehind(items, folder + "a/", {folder + "a/crl.pem", AE_IFREG, 0644, TextOf("crl-5.pem")});
  InsertBehind(items, folder + "a/crl.pem", {folder + "a/next/", AE_IFDIR, 0755, "", first});
  const auto checked = CheckTar(MakeTar(items));
  return checked.has_value() ? std::string() : checked.error().message();
}

TEST(HostileBackup, OnlyStoresOfPairsStage) {
  EXPECT_NE(WhyNotStagedBehindACrl("TRUSTED_ROOTS_CRLS").find("holds no pairs"), std::string::npos);
  // A pair may be staged, and its live entry then get a CRL: only the counts of that archive are wrong.
  EXPECT_NE(WhyNotStagedBehindACrl("machine").find("manifest.json"), std::string::npos);
}

TEST(HostileBackup, NothingStandsBehindTheArchive) {
  Bytes tar = MakeTar(GoodItems());
  for (const std::size_t more : {std::size_t{1}, std::size_t{512}, std::size_t{100000}}) {
    Bytes longer = tar;
    longer.resize(tar.size() + more);
    EXPECT_EQ(CodeOf(CheckTar(longer)), ErrorCode::kMalformed) << more;
  }
  for (const std::size_t less : {std::size_t{1}, std::size_t{600}, std::size_t{2000}})
    EXPECT_FALSE(CheckTar(BytesView(tar).first(tar.size() - less)).has_value()) << less;
  EXPECT_FALSE(CheckTar({}).has_value());
}

// Two certificates of one issuer and serial number were never both stored.
TEST(HostileBackup, ASerialNumberIsGivenOnce) {
  std::vector<RawItem> items = GoodItems();
  const std::map<std::string, std::string> first{{"user.certfs.revision", "1"}};
  for (const char* which : {"first", "second"}) {
    const std::string path = std::string("stores/machine/") + which + "/";
    items.push_back({path, AE_IFDIR, 0755, "", first});
    items.push_back({path + "cert.pem", AE_IFREG, 0644, TextOf(std::string("serial-") + which + ".pem")});
  }
  BackupManifest manifest = Must(DecodeBackupManifest(items[0].content));
  manifest.counts.entries += 2;
  manifest.counts.files += 2;
  manifest.counts.bytes += TextOf("serial-first.pem").size() + TextOf("serial-second.pem").size();
  items[0].content = EncodeBackupManifest(manifest);
  TemporaryDirectory directory;
  const BackupOnDisk file(SealAsBackup(MakeTar(items)));
  const auto restored = RestoreKeystore(Must(file.Open()), directory.path() / "new", TestSecret(),
                                        [] { return Time(test::kVectorTime); });
  ASSERT_EQ(CodeOf(restored), ErrorCode::kRejected);
  EXPECT_EQ(restored.error().rule(), "serial-reused");
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "new"));
}

// No damage beneath a tag that fits does more than be refused, or change what it says.
TEST(HostileBackup, RandomDamageIsSurvived) {
  const Bytes tar = MakeTar(GoodItems());
  std::mt19937 random(17);
  int refused = 0;
  const int rounds = Rounds(3000);
  for (int i = 0; i < rounds; ++i) {
    Bytes changed = tar;
    for (std::uint32_t count = 1 + random() % 4; count > 0; --count)
      changed[random() % changed.size()] = static_cast<std::uint8_t>(random());
    if (i % 7 == 0) changed.resize(random() % changed.size());
    refused += CheckTar(changed).has_value() ? 0 : 1;
  }
  EXPECT_GT(refused, rounds / 3);
}

}  // namespace

}  // namespace certfs
