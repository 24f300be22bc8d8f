// fuzz_seeds DIRECTORY: makes the seeds of the corpora, from the vectors of tests/ and by the writers of the
// product. What has random numbers in it (seals, envelopes) becomes another file each time, as good as the
// last one.

#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "crypto/pem.h"
#include "crypto/profile.h"
#include "crypto/signed_data_writer.h"
#include "crypto/signing_request.h"
#include "store/audit_format.h"
#include "store/authority_archive.h"
#include "store/backup_manifest.h"
#include "store/hash_tree.h"
#include "store/node_cache.h"
#include "store/record_codec.h"
#include "store/unlocked_header.h"
#include "tests/fuzz/kernel.h"
#include "tests/fuzz/targets.h"
#include "tests/store/ledger_fixture.h"
#include "tests/store/restore_fixture.h"

namespace certfs::fuzz {
namespace {

std::filesystem::path into;

void Put(const std::string& target, const std::string& name, BytesView bytes) {
  const std::filesystem::path folder = into / target;
  std::filesystem::create_directories(folder);
  std::ofstream out(folder / name, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}
void Put(const std::string& target, const std::string& name, std::string_view text) {
  Put(target, name, AsBytes(text));
}
void Copy(const std::string& target, std::initializer_list<const char*> files) {
  for (const std::string file : files)
    Put(target, std::filesystem::path(file).filename().string(), TestFile("vectors/" + file));
}
// A kind, or a choice, and what is of it.
Bytes Behind(std::uint8_t first, BytesView rest) {
  Bytes bytes{first};
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

void PutPki() {
  Copy("pem", {"pki/chain.pem", "pki/leaf-sec1.key", "pki/encrypted-traditional.key", "pki/crl-5.pem"});
  Copy("certificate",
       {"pki/leaf.der", "pki/chain.pem", "pki/chain-wrong-order.pem", "pki/name-constraints.pem",
        "pki/algorithms-differ-leaf.pem", "pki/duplicate-extension-leaf.pem", "pki/explicit-curve.pem",
        "pki/malformed-extension-leaf.pem", "pki/rsa-even-exponent-leaf.pem", "pki/address.pem",
        "pki/version-1.pem", "pki/empty-subject.pem", "pki/serial-negative-leaf.pem", "pki/dsa-leaf.pem",
        "recovery/rsa.pem", "recovery/ed25519.pem"});
  for (const char* const name : {"root", "wildcard", "unknown-critical", "constrains-names"}) {
    const auto blocks = Have(ReadPem(TestFile("vectors/pki/" + std::string(name) + ".pem")));
    Put("certificate", std::string(name) + ".der", blocks.front().body.Reveal());
  }
  Copy("private_key",
       {"pki/leaf.key", "pki/leaf.key.der", "pki/leaf-sec1.key", "pki/rsa2048-pkcs1.key", "pki/rsa1024.key",
        "pki/ed25519.key", "pki/x25519.key", "pki/encrypted.key", "pki/encrypted-traditional.key",
        "pki/dsa.key", "pki/dsa-traditional.key.der", "pki/explicit-curve.key", "pki/inconsistent.key.der",
        "pki/rsa-even-exponent.key.der"});
  Copy("crl",
       {"pki/crl-5.der", "pki/crl-6.pem", "pki/crl-delta.pem", "pki/crl-indirect.pem",
        "pki/crl-empty-entries.der", "pki/crl-odd-entry.pem", "pki/crl-removed.pem",
        "pki/crl-unknown-critical.pem", "pki/crl-without-next-update.der", "pki/crl-revokes-leaf.pem"});
  for (const char* const name : {"crl-delta", "crl-partial", "crl-revokes-leaf"}) {
    const auto blocks = Have(ReadPem(TestFile("vectors/pki/" + std::string(name) + ".pem")));
    Put("crl", std::string(name) + ".der", blocks.front().body.Reveal());
  }
  Copy("pkcs12", {"pkcs12/gnutls.p12", "pkcs12/gnutls-null-password.p12", "pkcs12/java-keys.p12",
                  "pkcs12/java-trusted.p12", "pkcs12/nss.p12", "pkcs12/nss-aes.p12", "pkcs12/openssl.p12",
                  "pkcs12/openssl-compatible.p12", "pkcs12/openssl-no-mac.p12", "pkcs12/openssl-plain.p12",
                  "pkcs12/openssl-empty-password.p12", "pkcs12/openssl-legacy.p12"});
  Copy("bundle", {"pkcs12/java.jks", "pki/leaf.der", "pki/leaf.key.der", "pki/crl-5.der", "pki/encrypted.key",
                  "pki/encrypted-traditional.key"});
  std::string all;
  for (const char* const name : {"leaf.key", "chain.pem", "crl-5.pem", "encrypted.key"})
    all += AsText(TestFile("vectors/pki/" + std::string(name)));
  Put("bundle", "everything.pem", all);
}

constexpr auto kConfig =
    "Country = US\nName = www.example.com\nOrganization = Example, Other\nOrgUnit = One\nState = CA\n"
    "Locality = Palo Alto\nDomainComponent = example.com\nIPAddress = 192.0.2.1, 2001:db8::1\n"
    "Email = admin@example.com\nHostname = www.example.com, *.example.com, fa\xC3\x9F.example\nKeyType = "
    "rsa-3072\n";

void PutRequests() {
  Put("request_config", "everything.cfg", kConfig);
  Put("request_config", "name.cfg", "\xEF\xBB\xBF# a comment\r\nname=Machine1_Cert\r\n");
  Put("request_config", "template.cfg", "Country = US\nName= Acme\nOrganization = AcmeOrg\n");
  const RequestConfig config = Have(RequestConfig::Parse(AsBytes(kConfig)));
  for (const char* const key : {"pki/leaf.key", "pki/ed25519.key", "pki/rsa2048.key"}) {
    const std::string name = std::filesystem::path(key).stem();
    const auto request =
        Have(MakeSigningRequest(config, Have(ReadKeyFile(TestFile("vectors/" + std::string(key)))).key));
    Put("request", name + ".csr", request);
    Put("request", name + ".der", Have(ReadPem(request)).front().body.Reveal());
  }
  for (const BuiltInProfile& profile : BuiltInProfiles())
    Put("profile", std::string(profile.name) + ".toml", profile.toml);
  Put("profile", "everything.toml",
      "description = \"f\xC3\xBCr alle\"\nkeys = [\"ec-p256\", \"ed25519\", \"rsa-2048\"]\ndays = 90\n"
      "backdate_minutes = 5\nkey_usage = [\"digitalSignature\", \"keyEncipherment\"]\n"
      "extended_key_usage = [\"serverAuth\", \"1.3.6.1.5.5.7.3.2\"]\nocsp_no_check = false\n[names]\n"
      "hosts = [\"example.com\", \".example.com\"]\naddresses = [\"10.0.0.0/8\", \"fd00::/8\"]\n"
      "emails = [\"a@example.com\", \".example.com\"]\nwildcards = true\nhost_required = true\n[urls]\n"
      "crl = [\"http://pki.example.com/crl.der\"]\nocsp = [\"http://pki.example.com/ocsp\"]\n"
      "issuer = [\"http://pki.example.com/ca.der\"]\n");
  Put("profile", "authority.toml", "authority = true\npath_length = 0\nkeys = [\"ec-p384\"]\ndays = 3650\n");
}

void PutTexts() {
  Put("settings", "example.toml",
      "[mount.certs]\nkeystore = \"/var/lib/certfs/keystore\"\nmountpoint = \"/certs\"\nkeyfile = "
      "\"/etc/certfs/key\"\n"
      "subtree = \"stores\"\nread_only = false\nlog_level = \"info\"\naudit_mib = 16\naudit_files = 8\n"
      "[renew]\nwithin = \"30d\"\nmount = \"/certs\"\n"
      "[watch.nginx]\nentries = [\"machine/web\"]\ncommand = \"systemctl reload nginx\"\n");
  Put("settings", "watch.toml",
      "[watch.\"a b\"]\nentries = [\"machine/web\", \"vpxd/*\"]\ncommand = [\"kill\", \"-HUP\", \"1\"]\n"
      "mount = \"/certs\"\n");
  const struct {
    const char* name;
    const char* text;
  } names[] = {{"store", "MACHINE_SSL_CERT"},
               {"next", "web/next"},
               {"kept", "bkp_web@vpxd"},
               {"path", "machine/web"},
               {"host", "www.Example.com"},
               {"idn", "fa\xC3\x9F.example"},
               {"a-label", "xn--fa-hia.example"},
               {"wildcard", "*.example.com"},
               {"email", "admin@m\xC3\xBCller.example"},
               {"address", "2001:db8::1"},
               {"range", "10.0.0.0/8"}};
  for (const auto& row : names) Put("name", row.name, row.text);
  Put("access_control_list", "named", AclOf(33, 4'294'967'000, 4).Encode());
  Put("access_control_list", "least", Bytes{2, 0, 0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 4,   0,
                                            4, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255});
  using std::string_literals::operator""s;
  Put("control", "life",
      "init --key=ec-p256 --days=100\nName = Fuzz CA\nOrganization = Acme\n\0show\0"
      "issue --profile=server --name=web --days=10\nName = www.example.com\nHostname = www.example.com\n\0"
      "list --state=active --limit=5\0status web\0crl --force"s);
  Put("control", "entries",
      "init\0write-entries reset\n[machine/a]\nprofile = server\nName = web\nHostname = a.example.com\n\0"
      "plan-renewal all --within=4000\0renew machine/a --rekey\0revoke machine/a superseded\0revert"s);
  Put("control", "pair",
      "write-entries reset --plan\n[vpxd/b]\n"s + std::string(AsText(TestFile("vectors/pki/leaf.pem"))) +
          std::string(AsText(TestFile("vectors/pki/leaf.key"))));
  Put("control", "replace",
      "init --permit=DNS:example.com --path-length=1\0replace-root --compromised\nName = Next\n\0"
      "replace-root-step 10\0show\0replace-root-back\0retire --now"s);
  Put("control", "import",
      "import\n"s + std::string(AsText(TestFile("vectors/recovery/p256.key"))) +
          std::string(AsText(TestFile("vectors/recovery/p256.pem"))));
  Put("control", "quotes", "issue \"two words\" --x=\"a \\\"b\\\" \\\\c\"\nName = a\n");
}

Manifest SomeManifest() {
  Manifest manifest;
  manifest.commit = 41;
  manifest.next_number = 99;
  manifest.store_count = 5;
  manifest.index_key = SecretOf(std::string(32, 'i'));
  manifest.data_keys.push_back({1, SecretOf(std::string(32, 'd'))});
  manifest.data_keys.push_back({2, SecretOf(std::string(32, 'e'))});
  manifest.has_authority = true;
  manifest.issued_count = 12;
  manifest.audit.first = 7;
  manifest.audit.last = {70, Sha256({AsBytes("line 70")}), 60, 12345};
  return manifest;
}

void PutStore() {
  Put("record", "manifest", Behind('m', EncodeManifest(SomeManifest()).Reveal()));
  Put("record", "settings",
      Behind('p', EncodeSettings({SecretOf("geheim"), ExportProfile::kCompatible}).Reveal()));
  Store store = NewStore("Servers");
  store.number = 20;
  store.enforce_revocation = true;
  store.attributes.default_acl = AclOf(33, 34, 0);
  Put("record", "store", Behind('s', EncodeStore(store)));
  Entry entry = NewEntry(20, "www");
  entry.number = 21;
  entry.changed = LastChange{1000, Time(std::chrono::seconds(1'700'000'000))};
  for (const Member member : {Member::kCertificate, Member::kSecret}) {
    File& file = entry.file(member).emplace();
    file.attributes = AttributesOf(static_cast<std::uint32_t>(member));
    file.size = 1234;
  }
  Put("record", "entry", Behind('e', EncodeEntry(entry)));
  // Of before: what they end with was not there yet.
  Bytes old = EncodeEntry(entry);
  old.resize(old.size() - 13);
  old[1] = 1;
  Put("record", "entry-1", Behind('e', old));
  Put("record", "authority", Behind('a', EncodeAuthority(SomeAuthority()).Reveal()));
  Put("record", "authority-empty", Behind('a', EncodeAuthority({}).Reveal()));
  IssuedCertificate issued = SomeIssued(3);
  issued.number = 31;
  Put("record", "issued", Behind('i', EncodeIssued(issued).Reveal()));

  TreeNode leaf;
  for (std::uint8_t i = 0; i < 3; ++i) leaf.items.push_back({Sha256({BytesView(&i, 1)}), i, Digest{i}});
  Put("hash_tree", "leaf", leaf.Encode());
  TreeNode inner;
  inner.count = 40;
  inner.children.resize(kTreeWays);
  inner.children[3] = Digest{1};
  Put("hash_tree", "inner", inner.Encode());
  Bytes steps{'t'};
  for (unsigned i = 0; i < 60; ++i) {
    steps.push_back(i % 5 == 4 ? 0xC1 : static_cast<std::uint8_t>(i));
    steps.push_back(static_cast<std::uint8_t>(i % 5 == 4 ? i - 4 : i % 2 == 0 ? i : 0x80 + i));
  }
  Put("hash_tree", "steps", steps);

  const auto bare = [](const Header& header) {
    Bytes bytes = header.bytes();
    bytes.resize(bytes.size() - 32);
    return bytes;
  };
  const UnlockSecret secret{SlotType::kKeyFile, SecretOf(std::string(kKeyFileBytes, 'k'))};
  auto header = Have(UnlockedHeader::Create(test::kVectorTime));
  Have(header.Add(secret, test::kVectorTime));
  Put("header", "key-file", bare(header.header()));
  Have(header.Add(Have(ReadCertificateFile(TestFile("vectors/recovery/p256.pem"))).certificates.front(),
                  test::kVectorTime));
  Put("header", "recovery", bare(header.header()));
  for (const char* const format : {"format-1", "format-3"}) {
    Bytes bytes = TestFile("store/vectors/" + std::string(format) + "/keystore.hdr");
    bytes.resize(bytes.size() - 32);
    Put("header", format, bytes);
  }

  std::string log;
  const auto piece = [&](char kind, std::string_view bytes) {
    log += kind;
    log += static_cast<char>(bytes.size() >> 8);
    log += static_cast<char>(bytes.size());
    log += bytes;
  };
  for (int i = 0; i < 3; ++i) piece('l', "{\"n\":" + std::to_string(i + 1) + ",\"op\":\"read\"}");
  Put("audit", "lines", log);
  piece('r', std::string("\0\0\0\xC8torn", 8));
  Put("audit", "torn", log);
  piece('l', "{\"n\":4}");
  Put("audit", "damaged-in-the-middle", log);
}

void PutBackups() {
  BackupManifest manifest{"0.1.0", {}, 7, "2026-03-01T00:00:00Z", {5, 2, 3, 0}};
  const auto text = [](const char* name) {
    return std::string(AsText(TestFile("vectors/pki/" + std::string(name))));
  };
  manifest.counts.bytes = text("leaf.key").size() + 2 * text("leaf.pem").size();
  const std::map<std::string, std::string> first{{"user.certfs.revision", "1"},
                                                 {"user.certfs.changed", "1000 5"}};
  std::vector<RawItem> items;
  items.push_back({"manifest.json", AE_IFREG, 0644, EncodeBackupManifest(manifest)});
  items.push_back({"settings.json", AE_IFREG, 0600, R"({"profile": "modern"})"});
  items.push_back({"export-password", AE_IFREG, 0600, "password"});
  for (const char* const store : {"MACHINE_SSL_CERT", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS"})
    items.push_back({std::string("stores/") + store + "/", AE_IFDIR, 0755, ""});
  items.push_back({"stores/BACKUP_STORE/", AE_IFDIR, 0700, ""});
  items.push_back({"stores/BACKUP_STORE/bkp_web/", AE_IFDIR, 0755, "", first});
  items.push_back({"stores/BACKUP_STORE/bkp_web/cert.pem", AE_IFREG, 0644, text("leaf.pem")});
  items.push_back({"stores/machine/", AE_IFDIR, 0755, ""});
  items.push_back({"stores/machine/web/", AE_IFDIR, 0755, "", first});
  items.push_back({"stores/machine/web/cert.pem", AE_IFREG, 0644, text("leaf.pem")});
  items.push_back({"stores/machine/web/key.pem", AE_IFREG, 0600, text("leaf.key")});
  Put("backup", "pair.tar", MakeTar(items));
  items.resize(7);
  items.push_back({"stores/BACKUP_STORE/", AE_IFDIR, 0700, ""});
  manifest.counts = {4, 0, 0, 0};
  items[0].content = EncodeBackupManifest(manifest);
  items.erase(items.begin() + 6);
  Put("backup", "empty.tar", MakeTar(items));

  Put("backup_text", "manifest.json", EncodeBackupManifest(manifest));
  ArchivedAuthority authority{
      SomeAuthority(), {{"TRUSTED_ROOTS/a", "TRUSTED_ROOTS_CRLS/a"}, {"", ""}}, {"machine/a", "vpxd/b"}};
  Put("backup_text", "authority.json", AuthorityJson(authority));
  ArchivedLine line;
  const Certificate leaf = Have(ReadCertificateFile(TestFile("vectors/pki/leaf.pem"))).certificates.front();
  line.issued = SomeIssued(3);
  line.issued.certificate.assign(leaf.der().begin(), leaf.der().end());
  line.issued.key = Have(Have(ReadKeyFile(TestFile("vectors/pki/leaf.key"))).key.ToPkcs8());
  Describe(line.issued, leaf);
  line.entry = "machine/web";
  Put("backup_text", "lines", LineText(line).Reveal());

  std::vector<RawItem> content{{"readme.txt", AE_IFREG, 0644, "hello\n"},
                               {"conf/", AE_IFDIR, 0755, ""},
                               {"conf/a.conf", AE_IFREG, 0600, "a = 1\n"},
                               {"conf/" + std::string(150, 'l') + "/m\xC3\xBCller", AE_IFREG, 0755, ""}};
  Put("package", "plain.tar", MakeTar(content));
  content.push_back({"conf/link", AE_IFLNK, 0777, "", {}, "/etc/passwd"});
  Put("package", "link.tar", MakeTar(content));
}

void PutMessages() {
  const Bytes message{'h', 'e', 'l', 'l', 'o'};
  const auto seal = [&](EnvelopeRecipients recipients) {
    Bytes out;
    auto writer = Have(EnvelopeWriter::Begin(Have(SealRecipients(recipients)), message.size(),
                                             [&](BytesView bytes) -> Result<void> {
                                               out.insert(out.end(), bytes.begin(), bytes.end());
                                               return {};
                                             }));
    Have(writer.Write(message));
    Have(writer.Finish());
    return out;
  };
  const auto recipient = [](const char* name) {
    return Have(ReadCertificateFile(TestFile("vectors/recovery/" + std::string(name)))).certificates.front();
  };
  Put("envelope", "password", Behind('w', seal({SecretOf(kExportPassword), {}, 2})));
  Put("envelope", "p256", Behind('k', seal({{}, {recipient("p256.pem")}, 2})));
  Put("envelope", "all",
      Behind('k', seal({SecretOf(kExportPassword),
                        {recipient("rsa.pem"), recipient("p384.pem"), recipient("p256.pem")},
                        2})));
}

void PutSigned() {
  const Bytes message = BytesOfText("what is signed\n");
  const struct {
    const char* name;
    const char* chain;
    const char* key;
  } rows[] = {{"ec", "pki/chain.pem", "pki/leaf.key"}, {"rsa", "recovery/rsa-signs.pem", "recovery/rsa.key"}};
  for (const auto& row : rows) {
    const auto chain = Have(ReadCertificateFile(TestFile("vectors/" + std::string(row.chain)))).certificates;
    const auto key = Have(ReadKeyFile(TestFile("vectors/" + std::string(row.key)))).key;
    auto writer = Have(SignedDataWriter::Begin(chain, key, test::kVectorTime));
    writer.Add(message);
    const SignedMessageEnds ends = Have(writer.Finish());
    Bytes whole = ends.head;
    whole.insert(whole.end(), message.begin(), message.end());
    whole.insert(whole.end(), ends.tail.begin(), ends.tail.end());
    Put("signed_data", row.name, whole);
  }
}

// Of the authority of that target: its name, and the key that it borrows.
void PutOcsp() {
  const Bytes name = Have(DistinguishedName(Have(RequestConfig::Parse(AsBytes("Name = Fuzzed\n")))));
  const std::uint8_t* at = name.data();
  X509_NAME* const issuer = d2i_X509_NAME(nullptr, &at, static_cast<long>(name.size()));
  const Certificate leaf = Have(ReadCertificateFile(TestFile("vectors/pki/leaf.pem"))).certificates.front();
  const ASN1_BIT_STRING* const key = X509_get0_pubkey_bitstr(leaf.handle());
  for (const auto& [file, digest, nonce] :
       {std::tuple("sha1", EVP_sha1(), false), std::tuple("sha256-nonce", EVP_sha256(), true)}) {
    OCSP_REQUEST* const request = OCSP_REQUEST_new();
    for (const int number : {17, 4711, 1'000'000'000}) {
      ASN1_INTEGER* const serial = ASN1_INTEGER_new();
      ASN1_INTEGER_set(serial, number);
      OCSP_request_add0_id(request, OCSP_cert_id_new(digest, issuer, key, serial));
      ASN1_INTEGER_free(serial);
    }
    if (nonce) OCSP_request_add1_nonce(request, nullptr, 16);
    unsigned char* der = nullptr;
    const int size = i2d_OCSP_REQUEST(request, &der);
    Put("ocsp", file, BytesView(der, static_cast<std::size_t>(size)));
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
  }
  X509_NAME_free(issuer);
}

void PutVolume() {
  const auto index = [](std::uint32_t opcode) {
    for (std::size_t i = 0; i < KernelRequests().size(); ++i) {
      if (KernelRequests()[i].opcode == opcode) return static_cast<std::uint8_t>(i);
    }
    return std::uint8_t{0};
  };
  // The words of the target, by number.
  enum : std::uint8_t { kStores = 0xC0, kMachine, kWeb, kCert, kKey, kNext };
  constexpr std::uint8_t kLeaf = 0xC0 + 0;
  Bytes walk;
  const auto add = [&](std::initializer_list<int> bytes) {
    for (const int byte : bytes) walk.push_back(static_cast<std::uint8_t>(byte));
  };
  // Node numbers: 0 the root, then in the order of lookups.
  add({index(FUSE_LOOKUP), 0, 0, kStores, index(FUSE_LOOKUP), 1, 0, kMachine, index(FUSE_LOOKUP), 2, 0, kWeb,
       index(FUSE_LOOKUP), 3, 0, kCert});
  Bytes read = walk;
  std::swap(read, walk);
  add({index(FUSE_OPEN),
       4,
       0,
       index(FUSE_READ),
       4,
       20,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       16,
       0,
       0,
       1,
       index(FUSE_OPENDIR),
       3,
       0,
       index(FUSE_READDIRPLUS),
       3,
       20,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       0,
       16,
       0,
       0,
       2,
       index(FUSE_RELEASE),
       4,
       0,
       1});
  Put("volume", "read", walk);
  // mkdir next, then both files of it.
  walk = read;
  add({index(FUSE_MKDIR),
       3,
       0,
       kNext,
       index(FUSE_CREATE),
       5,
       1,
       1,
       kKey,
       index(FUSE_WRITE),
       6,
       0,
       1,
       kLeaf + 2,
       index(FUSE_FLUSH),
       6,
       0,
       1,
       index(FUSE_RELEASE),
       6,
       0,
       1,
       index(FUSE_CREATE),
       5,
       1,
       1,
       kCert,
       index(FUSE_WRITE),
       7,
       0,
       2,
       kLeaf,
       index(FUSE_FLUSH),
       7,
       0,
       2,
       index(FUSE_RELEASE),
       7,
       0,
       2});
  Put("volume", "next", walk);
  // Over a live file: the open is stale, and the second lookup leads elsewhere.
  walk = read;
  add({index(FUSE_OPEN),
       4,
       1,
       1,
       index(FUSE_LOOKUP),
       3,
       0,
       kCert,
       index(FUSE_OPEN),
       5,
       1,
       1,
       index(FUSE_WRITE),
       5,
       0,
       1,
       kLeaf + 3,
       index(FUSE_FLUSH),
       5,
       0,
       1,
       index(FUSE_RELEASE),
       5,
       0,
       1});
  Put("volume", "replace", walk);
}

}  // namespace
}  // namespace certfs::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz_seeds DIRECTORY\n";
    return 2;
  }
  using namespace certfs::fuzz;
  into = argv[1];
  PutPki();
  PutRequests();
  PutTexts();
  PutStore();
  PutBackups();
  PutMessages();
  PutSigned();
  PutOcsp();
  PutVolume();
  return 0;
}
