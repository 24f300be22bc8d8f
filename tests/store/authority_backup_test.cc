// Goal: a backup brings the authority and its ledger back exactly, and never mixes two. Method: 1,000 lines
// through an archive, restored and merged; archives made by hand for what is to be refused.

#include <nlohmann/json.hpp>

#include "store/authority_archive.h"
#include "store/authority_packer.h"
#include "store/backup_layout.h"
#include "store/opened_keystore.h"
#include "tests/store/authority_fixture.h"
#include "tests/store/restore_fixture.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

class AuthorityBackup : public testing::Test {
 protected:
  AuthorityBackup() {
    Must(Keystore::Create(source_.path(), TestSecret(), kRoot, clock_.get()));
    const auto keystore = Open(source_.path());
    Populator(*keystore, clock_).All();
    const Number machine = Must(Must(keystore->Snapshot())->FindStore(NameOf("machine")))->number;
    EXPECT_TRUE(Must(keystore->SetEnforceRevocation(machine, true)).enforce_revocation);
  }

  std::unique_ptr<Keystore> Open(const std::filesystem::path& directory) {
    return Must(Keystore::Open(directory, TestSecret(), clock_.get()));
  }
  void PutLines(std::uint32_t lines) {
    const OpenedKeystore opened = Must(OpenShared(source_.path(), TestSecret()));
    PutAuthorityInto(*opened.table, lines);
  }
  static bool Enforces(Keystore& keystore) {
    return Must(Must(keystore.Snapshot())->FindStore(NameOf("machine")))->enforce_revocation;
  }
  std::filesystem::path target() const { return target_.path() / "restored"; }

  TemporaryDirectory source_;
  TemporaryDirectory target_;
  FixedClock clock_;
};

TEST_F(AuthorityBackup, ManyLinesComeBackExactly) {
  const std::uint32_t count = Rounds(1000U, 100U);
  PutLines(count);
  const auto source = Open(source_.path());
  const Backup backup = Must(MakeBackup(*source));
  EXPECT_EQ(backup.summary.manifest.counts.issued, count);
  const BackupSummary planned = Must(PlanBackup(*Must(source->Snapshot()), {}, test::kVectorTime));
  EXPECT_EQ(backup.summary.tar_size, planned.tar_size);
  const BackupOnDisk file(backup.bytes);
  const auto opened = Must(file.Open());
  EXPECT_TRUE(Must(CheckBackup(opened)).authority);
  EXPECT_TRUE(Must(RestoreKeystore(opened, target(), TestSecret(), clock_.get())).authority);
  const auto restored = Open(target());
  const auto before = Must(source->Snapshot());
  const auto after = Must(restored->Snapshot());
  EXPECT_EQ(DescribeAuthority(*after), DescribeAuthority(*before));
  EXPECT_TRUE(Enforces(*restored));
  // By each way to find them.
  for (std::uint32_t i = 0; i < count; i += 37) {
    const auto line = Must(after->FindIssued(RealIssued(i).serial));
    ASSERT_TRUE(line);
    EXPECT_TRUE(Must(after->FindIssuedByNumber(line->number)));
    for (const IssuedGroupKey& group : GroupsOf(*line)) {
      bool found = false;
      Must(after->ListIssued(group, [&](Cursor, const IssuedCertificate& each) {
        found = found || each.serial == line->serial;
        return true;
      }));
      EXPECT_TRUE(found);
    }
  }
  EXPECT_EQ(Must(MakeBackup(*restored)).summary.manifest.counts.issued, count);
}

TEST_F(AuthorityBackup, IsAddedWhereNoneIsAndKeptWhereOneIs) {
  PutLines(50);
  const auto source = Open(source_.path());
  const BackupOnDisk file(Must(MakeBackup(*source)).bytes);
  const auto opened = Must(file.Open());
  Must(Keystore::Create(target(), TestSecret(), kRoot, clock_.get()));
  const auto keystore = Open(target());
  const auto step = [](const MergePlan& plan) {
    const auto found = std::ranges::find(plan.steps, "the certificate authority", &MergeStep::name);
    return found == plan.steps.end() ? std::optional<MergeAction>() : found->action;
  };
  EXPECT_EQ(step(Must(PlanMerge(opened, *keystore))), MergeAction::kAdd);
  EXPECT_FALSE(Must(keystore->Snapshot())->has_authority());
  EXPECT_EQ(step(Must(MergeBackup(opened, *keystore, kRoot))), MergeAction::kAdd);
  EXPECT_EQ(DescribeAuthority(*Must(keystore->Snapshot())), DescribeAuthority(*Must(source->Snapshot())));
  EXPECT_EQ(step(Must(PlanMerge(opened, *keystore))), MergeAction::kKeep);
  EXPECT_EQ(step(Must(MergeBackup(opened, *keystore, kRoot))), MergeAction::kKeep);
  EXPECT_EQ(DescribeAuthority(*Must(keystore->Snapshot())), DescribeAuthority(*Must(source->Snapshot())));
}

// The files of ca/, as the packer of a keystore with two lines gives them.
std::vector<RawItem> AuthorityItems(TableSnapshot& snapshot) {
  std::vector<RawItem> items;
  const auto lines =
      Must(PackAuthority(snapshot, [&](const std::string& path, std::uint32_t mode, BytesView content) {
        items.push_back({path, AE_IFREG, mode, std::string(AsText(content))});
        return Result<void>();
      }));
  BackupManifest manifest{"0.1.0", {}, 7, "2026-03-01T00:00:00Z", {4, 0, 0, 0, lines}};
  std::vector<RawItem> all;
  all.push_back({"manifest.json", AE_IFREG, 0644, EncodeBackupManifest(manifest)});
  all.push_back({"settings.json", AE_IFREG, 0600, R"({"profile": "modern"})"});
  for (const char* store : {"BACKUP_STORE", "MACHINE_SSL_CERT", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS"})
    all.push_back({std::string("stores/") + store + "/", AE_IFDIR, 0755, ""});
  all.insert(all.end(), items.begin(), items.end());
  return all;
}

Result<BackupContents> CheckItems(const std::vector<RawItem>& items) {
  const BackupOnDisk file(SealAsBackup(MakeTar(items)));
  const auto opened = TRY(file.Open());
  return CheckBackup(opened);
}

using Items = std::vector<RawItem>;
RawItem& At(Items& items, std::string_view path) {
  const auto found = std::ranges::find(items, path, &RawItem::path);
  EXPECT_NE(found, items.end()) << path;
  return *found;
}
void Replace(RawItem& item, std::string_view from, std::string_view to) {
  const std::size_t at = item.content.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  item.content.replace(at, from.size(), to);
}
constexpr std::string_view kRecord = "ca/authority.json";
constexpr std::string_view kLedger = "ca/ledger/000001.pem";

// Each leaves an archive that no certfs writes.
const std::pair<const char*, void (*)(Items&)> kSpoiled[] = {
    {"format 1", [](Items& items) { Replace(items[0], "\"format\": 2", "\"format\": 1"); }},
    {"another count", [](Items& items) { Replace(items[0], "\"issued\": 2", "\"issued\": 3"); }},
    {"no record",
     [](Items& items) { std::erase_if(items, [](auto& each) { return each.path == kRecord; }); }},
    {"a record of nothing", [](Items& items) { At(items, kRecord).content = "{}"; }},
    {"no JSON", [](Items& items) { At(items, kRecord).content = "{"; }},
    {"another spelling", [](Items& items) { At(items, kRecord).content += "\n"; }},
    {"an unknown role", [](Items& items) { Replace(At(items, kRecord), "\"issuing\"", "\"owning\""); }},
    {"two that issue", [](Items& items) { Replace(At(items, kRecord), "\"prepared\"", "\"issuing\""); }},
    {"a number too large",
     [](Items& items) { Replace(At(items, kRecord), "\"id\": 4", "\"id\": 4294967300"); }},
    {"one key less", [](Items& items) { Replace(At(items, kRecord), "\"key\": true", "\"key\": false"); }},
    {"no certificate", [](Items& items) { At(items, "ca/1/cert.pem").content = "x"; }},
    {"another's key",
     [](Items& items) { At(items, "ca/1/key.pem").content = AsText(VectorOf("other.key")); }},
    {"a key for all", [](Items& items) { At(items, "ca/1/key.pem").mode = 0644; }},
    {"a profile elsewhere",
     [](Items& items) { At(items, "ca/profiles/client.toml").path = "ca/profiles/x.toml"; }},
    {"a profile too large",
     [](Items& items) { At(items, "ca/profiles/client.toml").content.assign(70'000, ' '); }},
    {"cut short",
     [](Items& items) {
       while (items.back().path != "ca/profiles/client.toml") items.pop_back();
     }},
    {"a ledger for all", [](Items& items) { At(items, kLedger).mode = 0644; }},
    {"a gap in the ledger", [](Items& items) { At(items, kLedger).path = "ca/ledger/000002.pem"; }},
    {"an empty file",
     [](Items& items) {
       items.push_back({"ca/ledger/000002.pem", AE_IFREG, 0600, ""});
     }},
    {"text between", [](Items& items) { Replace(At(items, kLedger), "}\n-----", "}\nx\n-----"); }},
    {"another serial number",
     [](Items& items) {
       Replace(At(items, kLedger), ToHex(RealIssued(1).serial), ToHex(RealIssued(3).serial));
     }},
    {"half a block", [](Items& items) { At(items, kLedger).content.resize(900); }},
    {"an unknown reason", [](Items& items) { Replace(At(items, kLedger), "\"reason\":4", "\"reason\":7"); }},
    {"an unknown member", [](Items& items) { Replace(At(items, kLedger), "\"uid\"", "\"x\":1,\"uid\""); }},
    {"a directory",
     [](Items& items) {
       items.push_back({"ca/x/", AE_IFDIR, 0755, ""});
     }},
    {"a store behind",
     [](Items& items) {
       items.push_back({"stores/x/", AE_IFDIR, 0755, ""});
     }},
};

TEST_F(AuthorityBackup, EachOddityIsRefused) {
  PutLines(0);
  {
    const OpenedKeystore opened = Must(OpenShared(source_.path(), TestSecret()));
    const auto transaction = Must(opened.table->BeginTransaction(Room::kUpToLimit));
    for (const std::uint32_t seed : {1U, 6U}) Must(transaction->PutIssued(RealIssued(seed)));
    Must(transaction->Commit());
  }
  const auto source = Open(source_.path());
  const Items good = AuthorityItems(*Must(source->Snapshot()));
  EXPECT_EQ(Must(CheckItems(good)).manifest.counts.issued, 2U);
  for (const auto& [name, spoil] : kSpoiled) {
    Items items = good;
    spoil(items);
    const auto checked = CheckItems(items);
    ASSERT_FALSE(checked.has_value()) << name;
    EXPECT_EQ(checked.error().code(), ErrorCode::kMalformed) << name << checked.error().message();
  }
}

TEST_F(AuthorityBackup, ASerialNumberStandsThereOnce) {
  PutLines(3);
  const auto source = Open(source_.path());
  Items items = AuthorityItems(*Must(source->Snapshot()));
  Replace(items[0], "\"issued\": 3", "\"issued\": 6");
  At(items, kLedger).content += std::string(At(items, kLedger).content);
  const BackupOnDisk file(SealAsBackup(MakeTar(items)));
  const auto opened = Must(file.Open());
  EXPECT_EQ(CodeOf(RestoreKeystore(opened, target(), TestSecret(), clock_.get())), ErrorCode::kRejected);
  Must(Keystore::Create(target(), TestSecret(), kRoot, clock_.get()));
  EXPECT_EQ(CodeOf(MergeBackup(opened, *Open(target()), kRoot)), ErrorCode::kRejected);
}

TEST_F(AuthorityBackup, BackupStoreEnforcesNothing) {
  const auto keystore = Open(source_.path());
  const Number kept = Must(Must(keystore->Snapshot())->FindStore(NameOf("BACKUP_STORE")))->number;
  EXPECT_EQ(CodeOf(keystore->SetEnforceRevocation(kept, true)), ErrorCode::kNotPermitted);
  EXPECT_EQ(CodeOf(keystore->SetEnforceRevocation(1'000'000, true)), ErrorCode::kNotFound);
  const Number sms = Must(keystore->CreateStore(NameOf("own"), kRoot, 0755)).number;
  Must(keystore->SetEnforceRevocation(sms, true));
  Must(keystore->RenameStore(NameOf("own"), NameOf("other")));
  EXPECT_TRUE(Must(Must(keystore->Snapshot())->FindStore(NameOf("other")))->enforce_revocation);
  EXPECT_FALSE(Must(keystore->SetEnforceRevocation(sms, false)).enforce_revocation);
}

// Whoever knows a public key can make a backup for it.
TEST_F(AuthorityBackup, WhatNestsWithoutEndEndsNobody) {
  // A call takes 16 bytes of a stack of 8 MiB at least.
  constexpr std::size_t kDepth = std::size_t{512} << 10;
  const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
  for (const std::string name : {"certificates", "profiles", "last_operation", "replacement"}) {
    EXPECT_FALSE(ParseAuthorityJson("{\"" + name + "\":" + deep + "}").has_value()) << name;
    const std::string line = "{\"" + name + "\":" + deep + ",\"names\":" + deep + "}\n";
    EXPECT_FALSE(ParseLines(AsBytes(line), [](ArchivedLine) { return Result<void>(); }).has_value()) << name;
  }
}

}  // namespace
}  // namespace certfs
