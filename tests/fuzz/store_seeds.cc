// The seeds of what a keystore, its backups and a volume are made of.

#include <limits>

#include "crypto/pem.h"
#include "store/audit_format.h"
#include "store/authority_archive.h"
#include "store/backup_manifest.h"
#include "store/hash_tree.h"
#include "store/node_cache.h"
#include "store/record_codec.h"
#include "store/unlocked_header.h"
#include "tests/fuzz/kernel.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/targets.h"
#include "tests/store/ledger_fixture.h"
#include "tests/store/restore_fixture.h"

namespace certfs::fuzz {

namespace {

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

}  // namespace

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

  for (const char* const format : {"format-1", "format-3"})
    Put("pages", format, TestFile("store/vectors/" + std::string(format) + "/data.mdb"));
  Bytes pages = TestFile("store/vectors/format-3/data.mdb");
  Put("salvage", "whole", pages);
  std::fill_n(pages.begin(), 2 * 4096, std::uint8_t{0});
  Put("salvage", "without-metas", pages);

  // Records of this file, with the keystore's name left out, and what fits it.
  const auto mark = [](char kind, std::uint64_t commit) {
    Bytes bytes{static_cast<std::uint8_t>(kind)};
    Writer writer(bytes);
    writer.Raw(AsBytes("CERTFSHW"));
    writer.U16(1);
    writer.Raw(Bytes(6 + 16));
    writer.U64(commit);
    writer.U64(0);
    writer.I64(1'800'000'000);
    return bytes;
  };
  const auto both = [](Bytes first, const Bytes& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  Put("high_water", "both", both(mark('m', 0), mark('m', 1)));
  Put("high_water", "older", both(mark('m', 1), mark('m', 1000)));
  Put("high_water", "another", mark('o', 1));

  // A question of each topic and one that is none, one that is too long, one that is too short, and some
  // about nobody.
  std::string line;
  const auto ask = [&](std::uint32_t topic, std::int32_t thread, std::string_view more = {}) {
    line += static_cast<char>(sizeof topic + sizeof thread + more.size());
    line.append(reinterpret_cast<const char*>(&topic), sizeof topic);
    line.append(reinterpret_cast<const char*>(&thread), sizeof thread);
    line += more;
  };
  for (std::uint32_t topic = 0; topic < 6; ++topic) ask(topic, 1);
  ask(2, 1, "x");
  line += "\3abc";
  ask(2, -1);
  ask(3, std::numeric_limits<std::int32_t>::max());
  Put("mounter_line", "questions", line);

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

}  // namespace certfs::fuzz
