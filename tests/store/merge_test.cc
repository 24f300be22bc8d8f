// Goal: a backup is merged into a keystore entry by entry, as was planned, in one transaction, and never
// takes a CRL back. Method: a keystore is backed up, changed, and merged into; on both tables, so that it is
// no matter of LMDB.

#include <algorithm>

#include "tests/store/merge_fixture.h"

namespace certfs {

namespace {

class Merge : public MergeDoor<Door> {};

TEST_P(Merge, WhatIsTheSameIsLeftAlone) {
  change_.All();
  BackUp();
  const std::string before = DescribeByName(*keystore_);
  const std::uint64_t commit = Must(keystore_->Snapshot())->commit();
  const MergePlan done = Merged();
  EXPECT_EQ(done.Count(MergeAction::kAdd) + done.Count(MergeAction::kReplace), 0U);
  EXPECT_EQ(DescribeByName(*keystore_), before);
  EXPECT_EQ(Must(keystore_->Snapshot())->commit(), commit);  // Nothing was written.
}

TEST_P(Merge, WhatIsGoneComesBackAsItWas) {
  change_.All();
  BackUp();
  const Entry before = *Find("SMS", "m\xC3\xBCller \xE2\x82\xAC");
  Remove("SMS", "m\xC3\xBCller \xE2\x82\xAC");
  Remove("APPLMGMT_PASSWORD", "database");
  Must(keystore_->RemoveStore(NameOf("APPLMGMT_PASSWORD")));
  const std::vector<std::string> lines = Lines(Merged());
  for (const char* line :
       {"add APPLMGMT_PASSWORD", "add APPLMGMT_PASSWORD/database", "add SMS/m\xC3\xBCller \xE2\x82\xAC"})
    EXPECT_NE(std::ranges::find(lines, line), lines.end()) << line;
  const Entry after = *Find("SMS", "m\xC3\xBCller \xE2\x82\xAC");
  EXPECT_EQ(after.revision, before.revision);
  EXPECT_EQ(after.changed, before.changed);
  EXPECT_EQ(after.attributes, before.attributes);
  EXPECT_EQ(after.file(Member::kCertificate)->attributes, before.file(Member::kCertificate)->attributes);
  EXPECT_EQ(Text(Find("APPLMGMT_PASSWORD", "database")->number, Member::kSecret),
            std::string("\0\1\2\xFF\n\0", 6));
}

TEST_P(Merge, WhatIsAnotherIsReplacedAndKept) {
  const Number web = Make("machine", "web");
  Put(web, Member::kKey, "leaf.key");
  Put(web, Member::kCertificate, "leaf.pem");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  // Renewed since, granted to somebody, the password changed; and an entry that the backup has not.
  Put(web, Member::kCertificate, "chain.pem");
  AttributeChange grant;
  grant.access_acl = AclOf(33, 0, 0);
  Must(keystore_->SetFileAttributes(web, Member::kKey, grant));
  Must(keystore_->SetSettings({SecretOf("another password"), ExportProfile::kCompatible}));
  Put(Make("machine", "younger"), Member::kKey, "ed25519.key");
  const Entry renewed = Get(web);
  clock_.Tick();

  EXPECT_EQ(Lines(Merged()),
            (std::vector<std::string>{"keep BACKUP_STORE/bkp_web: a state of that name is kept already",
                                      "replace machine/web"}));
  const Entry back = Get(web);
  EXPECT_EQ(Text(web, Member::kCertificate), AsText(VectorOf("leaf.pem")));
  EXPECT_EQ(back.revision, renewed.revision + 1);  // Forward, never back: an inode stands for what it held.
  EXPECT_EQ(back.changed, (LastChange{kAlice.uid, clock_.now()}));
  EXPECT_EQ(back.file(Member::kKey)->attributes.access_acl, AclOf(33, 0, 0));
  const Entry kept = *Find("BACKUP_STORE", "bkp_web");
  EXPECT_EQ(Text(kept.number, Member::kCertificate), AsText(VectorOf("chain.pem")));
  EXPECT_TRUE(Find("machine", "younger"));
  EXPECT_EQ(AsText(Must(Must(keystore_->Snapshot())->GetSettings()).export_password.Reveal()),
            "another password");
  // What was counted once is counted once: the renewal can be put again, and removed again.
  Put(web, Member::kCertificate, "chain.pem");
  Must(keystore_->RemoveFile(web, Member::kCertificate, kRoot));
}

TEST_P(Merge, FilesThatTheBackupHasNotGo) {
  const Number web = Make("machine", "web");
  Put(web, Member::kKey, "leaf.key");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  Put(web, Member::kCertificate, "leaf.pem");
  EXPECT_EQ(Lines(Merged()), std::vector<std::string>{"replace machine/web"});
  EXPECT_FALSE(Get(web).file(Member::kCertificate));
  EXPECT_EQ(Text(Find("BACKUP_STORE", "bkp_web")->number, Member::kCertificate),
            AsText(VectorOf("leaf.pem")));
  // Its serial number is free again.
  Put(Make("machine", "other"), Member::kCertificate, "leaf.pem");
}

TEST_P(Merge, NothingIsTakenFromWhatWasEmpty) {
  const Number web = Make("machine", "web");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  Put(web, Member::kCertificate, "leaf.pem");
  EXPECT_EQ(Lines(Merged()),
            std::vector<std::string>{"keep machine/web: nothing was in it when it was backed up"});
  EXPECT_TRUE(Get(web).file(Member::kCertificate));
}

TEST_P(Merge, ACrlNeverGoesBack) {
  Put(Make("TRUSTED_ROOTS", "root"), Member::kCertificate, "root.pem");
  Put(Make("TRUSTED_ROOTS", "issuing"), Member::kCertificate, "issuing.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "issuing");
  Put(list, Member::kRevocationList, "crl-5.pem");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  Put(list, Member::kRevocationList, "crl-6.pem");
  EXPECT_EQ(Lines(Merged()),
            std::vector<std::string>{"keep TRUSTED_ROOTS_CRLS/issuing: the CRL there is not older"});
  EXPECT_EQ(Text(list, Member::kRevocationList), AsText(VectorOf("crl-6.pem")));
}

TEST_P(Merge, ANewerCrlComes) {
  Put(Make("TRUSTED_ROOTS", "root"), Member::kCertificate, "root.pem");
  Put(Make("TRUSTED_ROOTS", "issuing"), Member::kCertificate, "issuing.pem");
  Put(Make("TRUSTED_ROOTS_CRLS", "issuing"), Member::kRevocationList, "crl-6.pem");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  // Another keystore, whose list is older; and one that has it under another alias.
  TemporaryDirectory directory;
  auto other = GetParam().make(directory.path() / "other", clock_.get());
  std::swap(other, keystore_);
  Put(Make("TRUSTED_ROOTS", "root"), Member::kCertificate, "root.pem");
  Put(Make("TRUSTED_ROOTS", "issuing"), Member::kCertificate, "issuing.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "issuing");
  Put(list, Member::kRevocationList, "crl-5.pem");
  EXPECT_EQ(Lines(Merged()), std::vector<std::string>{"replace TRUSTED_ROOTS_CRLS/issuing"});
  EXPECT_EQ(Text(list, Member::kRevocationList), AsText(VectorOf("crl-6.pem")));
  Must(keystore_->RenameEntry(StoreNumber("TRUSTED_ROOTS_CRLS"), AliasOf("issuing"), AliasOf("elsewhere"),
                              kRoot));
  EXPECT_EQ(Lines(Merged()),
            std::vector<std::string>{"keep TRUSTED_ROOTS_CRLS/issuing: the CRL of that authority "
                                     "has another alias there"});
}

TEST_P(Merge, AnothersSerialNumberRefusesAll) {
  Put(Make("machine", "a"), Member::kCertificate, "serial-first.pem");
  Put(Make("machine", "b"), Member::kCertificate, "leaf.pem");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  Remove("machine", "a");
  Remove("machine", "b");
  Put(Make("wcp", "c"), Member::kCertificate, "serial-second.pem");
  const std::string before = DescribeByName(*keystore_);
  const auto merged = Run();
  ASSERT_EQ(CodeOf(merged), ErrorCode::kRejected);
  EXPECT_EQ(merged.error().rule(), "serial-reused");
  EXPECT_NE(merged.error().message().find("machine/a"), std::string::npos) << merged.error().message();
  EXPECT_EQ(DescribeByName(*keystore_), before);
}

TEST_P(Merge, StagedEntriesComeWhereNoneIs) {
  const Number web = Make("machine", "web");
  Put(web, Member::kKey, "leaf.key");
  const Number next = Must(keystore_->CreateNext(web, kRoot, 0700)).number;
  Put(next, Member::kKey, "other.key");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  EXPECT_EQ(Lines(Merged()), std::vector<std::string>{});
  Must(keystore_->RemoveFile(next, Member::kKey, kRoot));
  Put(next, Member::kKey, "ed25519.key");
  EXPECT_EQ(Lines(Merged()),
            std::vector<std::string>{"keep machine/web/next: something else is staged there"});
  Must(keystore_->RemoveFile(next, Member::kKey, kRoot));
  Must(keystore_->RemoveNext(web));
  EXPECT_EQ(Lines(Merged()), std::vector<std::string>{"add machine/web/next"});
  const Entry staged = *Find("machine", "web/next");
  EXPECT_EQ(staged.origin, web);
  EXPECT_EQ(Text(staged.number, Member::kKey), AsText(VectorOf("other.key")));
}

// Whether anything can be staged for an entry is said by what it will hold.
TEST_P(Merge, AReplacementIsStagedForWhatIsReplaced) {
  Must(keystore_->CreateStore(NameOf("own"), kRoot, 0755));
  const Number entry = Make("own", "x");
  Put(entry, Member::kKey, "leaf.key");
  const Number next = Must(keystore_->CreateNext(entry, kRoot, 0700)).number;
  Put(next, Member::kKey, "other.key");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  Must(keystore_->RemoveFile(next, Member::kKey, kRoot));
  Must(keystore_->RemoveNext(entry));
  Must(keystore_->RemoveFile(entry, Member::kKey, kRoot));
  Must(Write(entry, Member::kSecret, Bytes{'x'}));
  EXPECT_EQ(Lines(Merged()), (std::vector<std::string>{"add own/x/next", "replace own/x"}));
  EXPECT_EQ(Text(entry, Member::kKey), AsText(VectorOf("leaf.key")));

  // And the other way round: somebody has made next/ where there is a secret by now.
  Must(keystore_->RemoveFile(Find("own", "x/next")->number, Member::kKey, kRoot));
  Must(keystore_->RemoveNext(entry));
  Must(keystore_->RemoveFile(entry, Member::kKey, kRoot));
  Must(Write(entry, Member::kSecret, Bytes{'x'}));
  BackUp();
  Must(keystore_->RemoveFile(entry, Member::kSecret, kRoot));
  Put(entry, Member::kKey, "leaf.key");
  EXPECT_EQ(Lines(Merged()),
            (std::vector<std::string>{"keep BACKUP_STORE/bkp_x: a state of that name is kept already",
                                      "replace own/x"}));
  EXPECT_FALSE(Find("own", "x/next"));
}

// What the replacements of a merge displace is later than what the backup kept, in whatever order they come.
TEST_P(Merge, KeptStatesGiveWayToWhatIsReplaced) {
  const auto fill = [&](const char* store, const char* first, const char* second) {
    const Number number = Make(store, "x");
    Put(number, Member::kKey, first);
    Must(keystore_->RemoveFile(number, Member::kKey, kRoot));
    Put(number, Member::kKey, second);
  };
  fill("machine", "leaf.key", "other.key");
  fill("vpxd", "leaf.key", "other.key");
  ASSERT_TRUE(Find("BACKUP_STORE", "bkp_x@vpxd"));
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  TemporaryDirectory directory;
  auto other = GetParam().make(directory.path() / "other", clock_.get());
  std::swap(other, keystore_);
  Put(Make("machine", "x"), Member::kKey, "rsa2048.key");
  Put(Make("vpxd", "x"), Member::kKey, "ed25519.key");
  const std::vector<std::string> lines = Lines(Merged());
  EXPECT_NE(std::ranges::find(lines, "replace machine/x"), lines.end());
  EXPECT_NE(std::ranges::find(lines, "replace vpxd/x"), lines.end());
  // Both of today's are there.
  std::set<std::string> kept;
  for (const char* const name : {"bkp_x", "bkp_x@vpxd", "bkp_x@machine"}) {
    if (const auto entry = Find("BACKUP_STORE", name)) kept.insert(Text(entry->number, Member::kKey));
  }
  for (const char* const key : {"rsa2048.key", "ed25519.key"})
    EXPECT_EQ(kept.count(std::string(AsText(VectorOf(key)))), 1U) << key;
}

// What the replacement would keep came with the backup.
TEST_P(Merge, WhatTheBackupKeptIsWhatIsReplaced) {
  const Number number = Make("machine", "x");
  Put(number, Member::kCertificate, "leaf.pem");
  Put(number, Member::kCertificate, "chain.pem");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  TemporaryDirectory directory;
  auto other = GetParam().make(directory.path() / "other", clock_.get());
  std::swap(other, keystore_);
  Put(Make("machine", "x"), Member::kCertificate, "leaf.pem");
  // It is added, or stays, by whether BACKUP_STORE comes first.
  const std::vector<std::string> lines = Lines(Merged());
  EXPECT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines.back(), "replace machine/x");
  EXPECT_EQ(Text(Find("BACKUP_STORE", "bkp_x")->number, Member::kCertificate), AsText(VectorOf("leaf.pem")));
}

// Their lists do not say whose they are: their signers do.
TEST_P(Merge, TwoAuthoritiesOfOneNameHaveAListEach) {
  Put(Make("TRUSTED_ROOTS", "twin"), Member::kCertificate, "twin.pem");
  Put(Make("TRUSTED_ROOTS", "other"), Member::kCertificate, "twin-other.pem");
  Put(Make("TRUSTED_ROOTS_CRLS", "twin"), Member::kRevocationList, "crl-twin.pem");
  Put(Make("TRUSTED_ROOTS_CRLS", "other"), Member::kRevocationList, "crl-twin-other.pem");
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  BackUp();
  TemporaryDirectory directory;
  auto other = GetParam().make(directory.path() / "other", clock_.get());
  std::swap(other, keystore_);
  Merged();
  EXPECT_TRUE(Find("TRUSTED_ROOTS_CRLS", "twin"));
  EXPECT_TRUE(Find("TRUSTED_ROOTS_CRLS", "other"));
  // Where one has the other's place there, it stays.
  TemporaryDirectory second;
  other = GetParam().make(second.path() / "second", clock_.get());
  std::swap(other, keystore_);
  Put(Make("TRUSTED_ROOTS", "other"), Member::kCertificate, "twin-other.pem");
  Put(Make("TRUSTED_ROOTS_CRLS", "twin"), Member::kRevocationList, "crl-twin-other.pem");
  // Why goes by whether the lists come before the roots.
  const std::vector<std::string> lines = Lines(Merged());
  EXPECT_TRUE(std::ranges::any_of(
      lines, [](const std::string& each) { return each.starts_with("keep TRUSTED_ROOTS_CRLS/twin: "); }));
  EXPECT_EQ(Text(Find("TRUSTED_ROOTS_CRLS", "twin")->number, Member::kRevocationList),
            AsText(VectorOf("crl-twin-other.pem")));
}

// Into a keystore that has nothing, merging does what restoring does.
TEST_P(Merge, EverythingIntoNothing) {
  change_.All();
  BackUp();
  const std::string was = DescribeByName(*keystore_);
  TemporaryDirectory directory;
  auto other = GetParam().make(directory.path() / "other", clock_.get());
  std::swap(other, keystore_);
  Must(Run());
  const auto entries = [](const std::string& described) {
    std::string kept;
    std::istringstream lines(described);
    for (std::string line; std::getline(lines, line);) {
      // Save the stores' own times, and the settings.
      if (line.find(" holds ") == std::string::npos && !line.starts_with("password")) kept += line + "\n";
    }
    return kept;
  };
  EXPECT_EQ(entries(DescribeByName(*keystore_)), entries(was));
  EXPECT_EQ(Lines(Merged()), std::vector<std::string>{});
}

TEST_P(Merge, ADamagedBackupChangesNothing) {
  change_.All();
  BackUp();
  Remove("SMS", "m\xC3\xBCller \xE2\x82\xAC");
  const std::string before = DescribeByName(*keystore_);
  for (const std::size_t from_end : {1, 20, 600, 5000, 30000}) {
    Bytes good = backup_;
    backup_[backup_.size() - from_end] ^= 1;
    EXPECT_EQ(CodeOf(Run()), ErrorCode::kCorrupt) << from_end;
    backup_ = std::move(good);
    EXPECT_EQ(DescribeByName(*keystore_), before);
  }
  backup_.resize(backup_.size() - 1000);
  EXPECT_EQ(CodeOf(Run()), ErrorCode::kCorrupt);
  EXPECT_EQ(DescribeByName(*keystore_), before);
}

INSTANTIATE_TEST_SUITE_P(Keystores, Merge, kBothDoors, NameOfDoor);

}  // namespace

}  // namespace certfs
