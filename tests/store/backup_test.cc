// Goal: a backup holds everything that a snapshot shows, is as long as was measured, opens for whom it
// should, and fails where it would leave something out. Method: a keystore with something of everything, over
// both tables; the archive is read by libarchive.

#include "store/backup.h"

#include <archive.h>
#include <archive_entry.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "crypto/pem.h"
#include "tests/store/backup_fixture.h"
#include "tests/store/raw_lmdb.h"
#include "tests/support/recipients.h"

namespace certfs {

namespace {

struct Item {
  std::string path;
  bool directory = false;
  std::uint32_t mode = 0;
  std::uint64_t uid = 0;
  std::int64_t mtime = 0;  // In nanoseconds.
  std::map<std::string, std::string> extras;
  int acl_count = 0;
  std::string content;
};

std::vector<Item> ItemsOf(const Bytes& tar) {
  const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(), archive_read_free);
  archive_read_support_format_tar(reader.get());
  EXPECT_EQ(archive_read_open_memory(reader.get(), tar.data(), tar.size()), ARCHIVE_OK);
  std::vector<Item> items;
  archive_entry* entry = nullptr;
  int end = ARCHIVE_OK;
  while ((end = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    Item& item = items.emplace_back();
    item.path = archive_entry_pathname(entry);
    item.directory = archive_entry_filetype(entry) == AE_IFDIR;
    item.mode = archive_entry_perm(entry);
    item.uid = static_cast<std::uint64_t>(archive_entry_uid(entry));
    item.mtime = archive_entry_mtime(entry) * 1'000'000'000 + archive_entry_mtime_nsec(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
      item.extras[name] = std::string(static_cast<const char*>(value), size);
    item.acl_count = archive_entry_acl_count(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS);
    item.content.resize(static_cast<std::size_t>(archive_entry_size(entry)));
    if (!item.content.empty()) {
      EXPECT_EQ(archive_read_data(reader.get(), item.content.data(), item.content.size()),
                static_cast<la_ssize_t>(item.content.size()));
    }
  }
  EXPECT_EQ(end, ARCHIVE_EOF);
  return items;
}

class BackupTest : public Door {
 protected:
  void Populate() { Populator(*keystore_, clock_).All(); }
  std::vector<Item> ArchivedItems() {
    return ItemsOf(OpenBackup(Must(MakeBackup(*keystore_)).bytes, PasswordKey()));
  }
};

const Item* Find(const std::vector<Item>& items, const std::string& path) {
  const auto found = std::ranges::find(items, path, &Item::path);
  return found == items.end() ? nullptr : &*found;
}

TEST_P(BackupTest, HoldsEverythingThatASnapshotShows) {
  Populate();
  const std::vector<Item> items = ArchivedItems();
  const auto snapshot = Must(keystore_->Snapshot());
  std::size_t files = 0;
  std::size_t directories = 0;
  for (Cursor at_store = 0; const auto store = Must(snapshot->NextStore(at_store, nullptr));) {
    at_store = store->at;
    const std::string store_path = "stores/" + store->item.name.text() + "/";
    ASSERT_NE(Find(items, store_path), nullptr) << store_path;
    ++directories;
    for (Cursor after = 0;
         const auto entry = Must(snapshot->NextEntry(store->item.number, after, nullptr));) {
      after = entry->at;
      const std::string path = store_path + entry->item.alias.text() + "/";
      SCOPED_TRACE(path);
      const Item* const directory = Find(items, path);
      ASSERT_NE(directory, nullptr);
      ++directories;
      EXPECT_TRUE(directory->directory);
      EXPECT_EQ(directory->mode, entry->item.attributes.mode);
      EXPECT_EQ(directory->extras.at("user.certfs.revision"), std::to_string(entry->item.revision));
      EXPECT_EQ(directory->extras.contains("user.certfs.changed"), entry->item.changed.has_value());
      for (const Member member : kMembers) {
        if (!entry->item.file(member)) continue;
        const Item* const file = Find(items, path + std::string(FileName(member)));
        ASSERT_NE(file, nullptr) << FileName(member);
        ++files;
        const Attributes& attributes = entry->item.file(member)->attributes;
        EXPECT_EQ(file->content, ReadText(*snapshot, entry->item, member));
        // With an ACL, the group's bits are the owning group's.
        const std::uint32_t ignored = attributes.access_acl.empty() ? 0 : 0070;
        EXPECT_EQ(file->mode & ~ignored, attributes.mode & ~ignored);
        EXPECT_EQ(file->uid, attributes.uid);
        EXPECT_EQ(file->mtime, attributes.mtime.time_since_epoch().count());
        EXPECT_EQ(file->acl_count > 0, !attributes.access_acl.empty());
        EXPECT_EQ(file->extras.contains("user.certfs.dated"), entry->item.file(member)->dated);
      }
    }
  }
  // manifest.json, settings.json and export-password besides.
  EXPECT_EQ(items.size(), directories + files + 3);
  EXPECT_EQ(items[0].path, "manifest.json");
  const auto manifest = nlohmann::json::parse(items[0].content);
  EXPECT_EQ(manifest["format"], 2);
  EXPECT_EQ(manifest["files"], files);
  EXPECT_EQ(manifest["entries"], directories - manifest["stores"].get<std::size_t>());
  EXPECT_EQ(manifest["commit"], snapshot->commit());
  EXPECT_EQ(manifest["keystore"], ToHex(snapshot->store_id()));
  EXPECT_EQ(manifest["time"], "2026-03-01T00:00:00Z");
  EXPECT_EQ(Find(items, "export-password")->content, kExportPassword);
  EXPECT_EQ(Find(items, "export-password")->mode, 0600U);
}

TEST_P(BackupTest, WhatFilesCannotSayStandsBesideThem) {
  Populate();
  const std::vector<Item> items = ArchivedItems();
  EXPECT_EQ(Find(items, "stores/BACKUP_STORE/bkp_web/")->extras.at("user.certfs.origin"), "machine");
  // Its store is no more.
  EXPECT_FALSE(Find(items, "stores/BACKUP_STORE/bkp_orphan/")->extras.contains("user.certfs.origin"));
  EXPECT_EQ(Find(items, "stores/machine/web/next/key.pem")->extras.at("user.certfs.dated"), "1");
  const Item* const live = Find(items, "stores/machine/web/key.pem");
  EXPECT_EQ(live->acl_count, 5);
  const Bytes acl = AclOf(33, 0, 0).Encode();
  EXPECT_EQ(live->extras.at("user.certfs.acl.access"), AsText(acl));
  // An id that libarchive would make root's stands in the exact form alone.
  const Item* const inherits = Find(items, "stores/SMS/inherits/");
  EXPECT_TRUE(inherits->extras.contains("user.certfs.acl.default"));
  EXPECT_EQ(inherits->acl_count, 0);
}

// Staged entries come right behind their live ones: whoever restores knows the live one already.
TEST_P(BackupTest, StagedEntriesFollowTheirLiveOnes) {
  Populate();
  const std::vector<Item> items = ArchivedItems();
  std::string live;
  for (const Item& item : items) {
    if (!item.directory || !item.path.starts_with("stores/")) continue;
    if (item.path.ends_with("/next/")) {
      EXPECT_EQ(item.path, live + "next/");
    } else {
      live = item.path;
    }
  }
}

TEST_P(BackupTest, TheSameSnapshotAtTheSameTimeIsTheSameArchive) {
  Populate();
  const Backup first = Must(MakeBackup(*keystore_));
  const Backup second = Must(MakeBackup(*keystore_));
  EXPECT_NE(first.bytes, second.bytes);
  const Bytes tar = OpenBackup(first.bytes, PasswordKey());
  EXPECT_EQ(tar, OpenBackup(second.bytes, PasswordKey()));
  EXPECT_EQ(first.summary.tar_sha256, Sha256({tar}));
  EXPECT_EQ(first.summary.tar_size, tar.size());
  EXPECT_EQ(first.summary.size, first.bytes.size());
}

TEST_P(BackupTest, OpensForRecoveryCertificates) {
  Populate();
  const auto rsa = test::MakeRecipient("RSA-2048", "safe");
  const auto curve = test::MakeRecipient("P-384", "vault");
  const Backup backup = Must(MakeBackup(*keystore_, {rsa.certificate, curve.certificate}));
  EXPECT_EQ(Must(MeasureBackup(*Must(keystore_->Snapshot()), {rsa.certificate, curve.certificate})),
            // 600,000 rounds take two octets more to say than 2.
            backup.bytes.size() + 2);
  const Bytes tar = OpenBackup(backup.bytes, rsa.key);
  EXPECT_EQ(tar, OpenBackup(backup.bytes, curve.key));
  EXPECT_EQ(tar, OpenBackup(backup.bytes, PasswordKey()));
  const std::vector<Item> items = ItemsOf(tar);
  const Item* const kept = Find(items, "recovery/" + ToHex(rsa.certificate.fingerprint()) + ".pem");
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->content, AsText(WritePem("CERTIFICATE", rsa.certificate.der()).Reveal()));
  // Without an export password, they alone open it.
  Must(keystore_->SetSettings({}));
  const Backup alone = Must(MakeBackup(*keystore_, {rsa.certificate}));
  EXPECT_FALSE(EnvelopeReader::Open(SourceOf(alone.bytes), PasswordKey()).has_value());
  EXPECT_EQ(Find(ItemsOf(OpenBackup(alone.bytes, rsa.key)), "export-password"), nullptr);
}

TEST_P(BackupTest, TakesAPasswordOrACertificate) {
  EXPECT_EQ(CodeOf(MakeBackup(*keystore_)), ErrorCode::kPasswordRequired);
  EXPECT_EQ(CodeOf(MeasureBackup(*Must(keystore_->Snapshot()), {})), ErrorCode::kPasswordRequired);
  const Certificate weak = test::MakeRecipient("ED25519", "weak").certificate;
  EXPECT_EQ(CodeOf(MakeBackup(*keystore_, {weak})), ErrorCode::kRejected);
  EXPECT_EQ(CodeOf(MeasureBackup(*Must(keystore_->Snapshot()), {weak})), ErrorCode::kRejected);
}

TEST_P(BackupTest, FailsAsItsSink) {
  Populate();
  const std::size_t whole = Must(MakeBackup(*keystore_)).bytes.size();
  for (std::size_t room = 0; room < whole; room += 20000) {
    std::size_t left = room;
    const auto sink = [&](BytesView bytes) -> Result<void> {
      if (bytes.size() > left) return Error(ErrorCode::kNoSpace, "the disk is full");
      left -= bytes.size();
      return {};
    };
    const auto snapshot = Must(keystore_->Snapshot());
    EXPECT_EQ(CodeOf(StreamBackup(*snapshot, {}, test::kVectorTime, sink, kFewRounds)), ErrorCode::kNoSpace);
  }
}

TEST_P(BackupTest, SaysWhatItWrote) {
  Populate();
  const auto safe = test::MakeRecipient("P-256", "safe");
  const Backup backup = Must(MakeBackup(*keystore_, {safe.certificate}));
  const auto said = nlohmann::json::parse(BackupManifestJson(backup.summary));
  EXPECT_EQ(said["format"], 2);
  EXPECT_EQ(said["file"], "keystore.cms");
  EXPECT_EQ(said["size"], backup.bytes.size());
  EXPECT_EQ(said["tar_sha256"], ToHex(backup.summary.tar_sha256));
  EXPECT_EQ(said["export_password"], true);
  EXPECT_EQ(said["recovery_certificates"], nlohmann::json::array({ToHex(safe.certificate.fingerprint())}));
}

// The size is told beforehand, whatever is in the keystore.
TEST_P(BackupTest, IsAsLongAsWasMeasured) {
  std::mt19937 random(4711);
  const auto below = [&](unsigned end) { return static_cast<unsigned>(random() % end); };
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  for (int round = 0; round < 25; ++round) {
    for (int change = 0; change < 8; ++change) {
      const std::string letters(1 + below(120), static_cast<char>('a' + below(26)));
      const auto entry = keystore_->CreateEntry(StoreNumber("wcp"), AliasOf(letters),
                                                {below(1U << 31), below(9)}, below(01000));
      if (!entry.has_value()) continue;  // That alias is there.
      Bytes secret(1 + below(3000), 'x');
      Must(keystore_->WriteFile(entry.value().number, Member::kSecret, secret, kRoot, {}));
      AttributeChange change_of;
      if (below(2) == 0) change_of.access_acl = AclOf(below(1000), below(2) * 3'000'000'000, 0);
      if (below(2) == 0) change_of.mtime = Time(std::chrono::nanoseconds(random()) * below(1000));
      Must(keystore_->SetFileAttributes(entry.value().number, Member::kSecret, change_of));
    }
    const std::uint64_t measured = Must(MeasureBackup(*Must(keystore_->Snapshot()), {}));
    ASSERT_EQ(measured, Must(MakeBackup(*keystore_)).bytes.size() + 2) << "in round " << round;
  }
  // And with the rounds that a password really costs.
  const std::uint64_t measured = Must(MeasureBackup(*Must(keystore_->Snapshot()), {}));
  EXPECT_EQ(measured, Must(MakeBackup(*keystore_, {}, Time{}, kEnvelopeRounds)).bytes.size());
}

INSTANTIATE_TEST_SUITE_P(Keystores, BackupTest, kBothDoors, NameOfDoor);

// A backup without what is damaged would be trusted like any other.
class BackupOfDamage : public BackupTest {
 protected:
  void Flip(const std::string& table, const Bytes& key) {
    keystore_.reset();
    RawLmdb(directory_.path()).Flip(table, key);
    keystore_ = Must(Keystore::Open(directory_.path(), TestSecret(), clock_.get()));
  }
};

TEST_P(BackupOfDamage, FailsByName) {
  Populate();
  const Entry web = *Must(Must(keystore_->Snapshot())->FindEntry(StoreNumber("machine"), AliasOf("web")));
  Bytes record;
  Writer(record).U64(web.number);
  Bytes content = record;
  content.push_back(static_cast<std::uint8_t>(Member::kKey));

  Flip("contents", content);
  auto backup = MakeBackup(*keystore_);
  ASSERT_EQ(CodeOf(backup), ErrorCode::kCorrupt);
  EXPECT_NE(backup.error().message().find("the store machine: web: key.pem"), std::string::npos)
      << backup.error().message();
  Must(MeasureBackup(*Must(keystore_->Snapshot()), {}));  // Contents are not looked at.
  Flip("contents", content);

  Flip("entries", record);
  backup = MakeBackup(*keystore_);
  ASSERT_EQ(CodeOf(backup), ErrorCode::kCorrupt);
  EXPECT_NE(backup.error().message().find("the store machine"), std::string::npos)
      << backup.error().message();
  EXPECT_EQ(CodeOf(MeasureBackup(*Must(keystore_->Snapshot()), {})), ErrorCode::kCorrupt);
  Flip("entries", record);
  Must(MakeBackup(*keystore_));
}

INSTANTIATE_TEST_SUITE_P(Keystores, BackupOfDamage, testing::Values(DoorKind{"Disk", MakeKeystoreOnDisk}),
                         NameOfDoor);

TEST(BackupManifestTest, ReadsWhatItWrites) {
  BackupManifest manifest{"0.1.0", {}, ~std::uint64_t{0}, "2026-03-01T00:00:00Z", {1, 2, 3, 4}};
  manifest.keystore.fill(0xA5);
  EXPECT_EQ(Must(DecodeBackupManifest(EncodeBackupManifest(manifest))), manifest);
  EXPECT_EQ(FormatTimestamp(Time(std::chrono::nanoseconds(-1))), "1969-12-31T23:59:59Z");
}

TEST(BackupManifestTest, RefusesWhatIsNone) {
  const std::string good = EncodeBackupManifest({"0.1.0", {}, 7, "2026-03-01T00:00:00Z", {1, 2, 3, 4}});
  const auto with = [&](const std::string& name, const nlohmann::json& value) {
    auto object = nlohmann::json::parse(good);
    object[name] = value;
    return object.dump();
  };
  const auto newer = DecodeBackupManifest(with("format", 3));
  ASSERT_EQ(CodeOf(newer), ErrorCode::kUnsupported);
  EXPECT_NE(newer.error().message().find("format 3"), std::string::npos);
  for (const std::string& text :
       {std::string(), std::string("[]"), good.substr(0, good.size() / 2), with("format", 0),
        with("format", "1"), with("format", nullptr), with("keystore", "xyz"),
        with("keystore", std::string(32, 'g')), with("commit", -1), with("commit", 1.5), with("time", ""),
        with("time", "\x1B[2J"), with("certfs", std::string(65, 'v')), with("files", "3"),
        with("issued", "4")}) {
    EXPECT_EQ(CodeOf(DecodeBackupManifest(text)), ErrorCode::kMalformed) << text;
  }
}

}  // namespace

}  // namespace certfs
