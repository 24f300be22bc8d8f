// Goal: what somebody should look at is found, and nothing else.
// Method: an authority over both tables, moments of a fixed clock, and one trouble after the other.

#include <algorithm>

#include "tests/store/authority_door.h"

namespace certfs {
namespace {

using namespace std::chrono_literals;

class AuthorityHealthTest : public AuthorityDoor {
 protected:
  std::vector<std::string> Findings() {
    std::vector<std::string> found;
    for (const HealthFinding& each : Must(authority_.Health(*Must(keystore_->Snapshot()))))
      found.push_back(std::string(each.severity) + " " + std::string(each.id));
    std::ranges::sort(found);
    return found;
  }
  using Expected = std::vector<std::string>;
};

TEST_P(AuthorityHealthTest, NothingIsWrongWithANewOne) {
  EXPECT_EQ(Findings(), Expected{});
  Create();
  EXPECT_EQ(Findings(), Expected{});
}

TEST_P(AuthorityHealthTest, ABackupIsRemindedOf) {
  Create();
  Must(authority_.Issue(OrderFor("a.test"), kRoot));
  EXPECT_EQ(Findings(), Expected{"warning ca-never-backed-up"});
  Must(authority_.NoteBackup());
  EXPECT_EQ(Findings(), Expected{});
  clock_.Tick();
  Must(authority_.BeginReplacement(NewRoot("New"), false, false, kRoot));
  Must(authority_.StepReplacement(1, kRoot));
  EXPECT_EQ(Findings(), Expected{"warning ca-backup-stale"}) << "the new key is in no backup";
}

TEST_P(AuthorityHealthTest, ManyCertificatesMakeABackupOld) {
  Create();
  Must(authority_.Issue(OrderFor("a.test"), kRoot));
  Must(authority_.NoteBackup());
  const std::vector<IssueOrder> orders(1000, OrderFor("b.test"));
  Must(authority_.IssueAll(orders, kRoot));
  EXPECT_EQ(Findings(), Expected{"info ca-backup-stale"});
}

TEST_P(AuthorityHealthTest, ListsGrowOld) {
  Create();
  clock_.Tick(84h + 1s);
  EXPECT_EQ(Findings(), Expected{"warning crl-stale"});
  clock_.Tick(84h);
  EXPECT_EQ(Findings(), Expected{"critical crl-stale"});
  Must(authority_.RefreshLists(false));
  EXPECT_EQ(Findings(), Expected{});
}

TEST_P(AuthorityHealthTest, TheAuthorityComesToItsEnd) {
  NewAuthority wanted = NewRoot();
  wanted.lifetime = std::chrono::days(100);
  Must(authority_.Create(wanted, kRoot));
  clock_.Tick(24h * 89);
  Must(authority_.RefreshLists(false));
  EXPECT_EQ(Findings(), Expected{});
  clock_.Tick(25h);
  EXPECT_EQ(Findings(), Expected{"warning ca-expires"});
  clock_.Tick(24h * 11);
  EXPECT_EQ(Findings(), (Expected{"critical ca-expired", "critical crl-stale"}));
}

TEST_P(AuthorityHealthTest, WhatIsLiveAndShouldNotBe) {
  Create();
  Must(authority_.NoteBackup());
  const IssuedCertificate revoked = Place("vpxd", "bad", "bad.test");
  Must(authority_.Revoke(revoked.serial, RevocationReason::kSuperseded, kRoot));
  EXPECT_EQ(Findings(), Expected{"critical revoked-live"});
  const auto findings = Must(authority_.Health(*Must(keystore_->Snapshot())));
  EXPECT_EQ(findings.front().subject, "vpxd/bad");
  Must(authority_.Renew(FindIn("vpxd", "bad")->number, false, kRoot));
  EXPECT_EQ(Findings(), Expected{});
  clock_.Tick(24h * 399);
  Must(authority_.RefreshLists(false));
  EXPECT_EQ(Findings(), Expected{"critical expired-live"});
}

TEST_P(AuthorityHealthTest, AReplacementThatIsNotFinished) {
  Create();
  Place("vpxd", "a", "a.test");
  Must(authority_.BeginReplacement(NewRoot("New"), false, false, kRoot));
  Must(authority_.NoteBackup());
  // What it read is the key of the old root.
  EXPECT_EQ(Findings(), (Expected{"warning ca-backup-stale", "warning replacement-unfinished"}));
  Must(authority_.StepReplacement(10, kRoot));
  EXPECT_EQ(Findings(), Expected{"warning ca-backup-stale"});
  Must(authority_.NoteBackup());
  EXPECT_EQ(Findings(), Expected{});
  // Somebody puts an old one back.
  Must(Write(FindIn("vpxd", "a")->number, Member::kCertificate,
             AsBytes(Text(FindIn("BACKUP_STORE", "bkp_a")->number, Member::kCertificate))));
  EXPECT_EQ(Findings(), Expected{"warning retiring-authority"});
  Must(authority_.Retire(true, kRoot));
  EXPECT_EQ(Findings(), Expected{"critical distrusted-live"});
}

INSTANTIATE_TEST_SUITE_P(Keystores, AuthorityHealthTest, kBothDoors, NameOfDoor);

}  // namespace
}  // namespace certfs
