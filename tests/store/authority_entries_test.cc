// Goal: what the authority writes into entries goes by the rules for everybody, all of it or nothing, and can
// be taken back. Method: WriteEntries, RevertLast and Renew over both tables, with orders that hold and that
// do not.

#include "tests/store/authority_door.h"

namespace certfs {
namespace {

using namespace std::chrono_literals;

class AuthorityEntriesTest : public AuthorityDoor {
 protected:
  AuthorityEntriesTest() { Create(); }
  std::vector<RenewalPlan> Plans(int days) {
    return Must(authority_.PlanRenewals(*Must(keystore_->Snapshot()), std::chrono::days(days)));
  }
};

TEST_P(AuthorityEntriesTest, SeveralInOneStep) {
  std::vector<EntryOrder> orders;
  orders.push_back(EntryFor("MACHINE_SSL_CERT", "__MACHINE_CERT", "machine.test"));
  orders.push_back(EntryFor("vpxd", "vpxd", "vpxd.test"));
  const auto planned = Must(authority_.WriteEntries(orders, "all", true, kRoot));
  EXPECT_EQ(planned.size(), 2U);
  EXPECT_FALSE(FindIn("vpxd", "vpxd")) << "a plan writes nothing";
  EXPECT_TRUE(Lines().empty());
  const auto done = Must(authority_.WriteEntries(orders, "all", false, kRoot));
  ASSERT_EQ(done.size(), 2U);
  for (const WriteOutcome& each : done) {
    EXPECT_TRUE(each.changed);
    EXPECT_TRUE(each.entry.is_pair());
    EXPECT_TRUE(each.findings.empty()) << each.findings.front().Describe();
    EXPECT_EQ(LineIn(each.entry.number).entry, each.entry.number);
    EXPECT_EQ(each.entry.file(Member::kKey)->attributes.mode, 0600U);
    EXPECT_EQ(each.entry.file(Member::kKey)->attributes.mtime,
              each.entry.file(Member::kCertificate)->attributes.mtime);
  }
  EXPECT_EQ(Record().last_operation->name, "all");
  EXPECT_EQ(Sound(), "");
}

TEST_P(AuthorityEntriesTest, OneRefusalRefusesAll) {
  std::vector<EntryOrder> orders;
  orders.push_back(EntryFor("vpxd", "a", "a.test"));
  orders.push_back(EntryFor("vpxd", "b", "*.b.test"));
  const auto refuse = [&](ErrorCode code, std::string_view name) {
    ExpectRefused(code, [&] { return authority_.WriteEntries(orders, "x", false, kRoot); });
    const auto refused = authority_.WriteEntries(orders, "x", false, kRoot);
    EXPECT_EQ(refused.error().message().find(std::string(name) + ": "), 0U) << refused.error().message();
    EXPECT_TRUE(Lines().empty());
    EXPECT_FALSE(Record().last_operation);
  };
  refuse(ErrorCode::kRejected, "vpxd/b");
  orders[1] = EntryFor("no-such-store", "b", "b.test");
  refuse(ErrorCode::kNotFound, "no-such-store/b");
  orders[1] = EntryFor("BACKUP_STORE", "b", "b.test");
  refuse(ErrorCode::kReadOnly, "BACKUP_STORE/b");
  orders[1] = EntryFor("APPLMGMT_PASSWORD", "b", "b.test");
  refuse(ErrorCode::kNotPermitted, "APPLMGMT_PASSWORD/b");
  // The rules of the store hold for the authority as for anybody.
  orders[1] = EntryFor("MACHINE_SSL_CERT", "b", "b.test");
  orders[1].issue.profile = "client";
  refuse(ErrorCode::kRejected, "MACHINE_SSL_CERT/b");
  orders.resize(1);
  for (int i = 0; i < 4096; ++i) orders.push_back(EntryFor("vpxd", "e", "e.test"));
  EXPECT_EQ(CodeOf(authority_.WriteEntries(orders, "x", false, kRoot)), ErrorCode::kTooLarge);
}

TEST_P(AuthorityEntriesTest, APairFromElsewhere) {
  const PrivateKey key = Must(PrivateKey::Generate(KeyType::kEcP256));
  const Issued issued = Must(authority_.Issue(OrderBy(key, "a.test"), kRoot));
  EntryOrder order;
  order.store = NameOf("vpxd");
  order.alias = AliasOf("a");
  order.certificate = issued.chain;
  order.key = WritePem("PRIVATE KEY", Must(key.ToPkcs8()).Reveal());
  Must(authority_.WriteEntries({&order, 1}, "custom", false, kAlice));
  EXPECT_EQ(LineIn(FindIn("vpxd", "a")->number).serial, issued.record.serial);
  EXPECT_EQ(FindIn("vpxd", "a")->attributes.uid, kAlice.uid);
  EXPECT_FALSE(Must(authority_.WriteEntries({&order, 1}, "", false, kAlice)).front().changed);
  const PrivateKey other = Must(PrivateKey::Generate(KeyType::kEcP256));
  order.key = WritePem("PRIVATE KEY", Must(other.ToPkcs8()).Reveal());
  ExpectRefused(
      ErrorCode::kRejected,
      [&] {
        return authority_.WriteEntries({&order, 1}, "custom", false, kAlice);
      },
      "key-mismatch");
  // Without a key it has to fit the live one.
  order.key.clear();
  order.certificate = Must(authority_.Issue(OrderBy(key, "a.test"), kRoot)).chain;
  Must(authority_.WriteEntries({&order, 1}, "custom", false, kAlice));
  order.certificate = Must(authority_.Issue(OrderBy(other, "a.test"), kRoot)).chain;
  EXPECT_EQ(CodeOf(authority_.WriteEntries({&order, 1}, "custom", false, kAlice)), ErrorCode::kRejected);
}

TEST_P(AuthorityEntriesTest, TheLastOperationIsTakenBack) {
  EXPECT_EQ(CodeOf(authority_.RevertLast(false, kRoot)), ErrorCode::kNotFound);
  const IssuedCertificate before = Place("vpxd", "a", "a.test");
  const std::string key = Text(FindIn("vpxd", "a")->number, Member::kKey);
  // Half a pair, and nothing at all.
  const PrivateKey lone = Must(PrivateKey::Generate(KeyType::kEcP256));
  const Number half = Make("vpxd", "half");
  Must(Write(half, Member::kCertificate, Must(authority_.Issue(OrderBy(lone, "half.test"), kRoot)).chain));
  clock_.Tick();
  std::vector<EntryOrder> orders;
  orders.push_back(EntryFor("vpxd", "a", "a.test"));
  orders.push_back(EntryFor("vpxd", "half", "half.test"));
  orders.push_back(EntryFor("vpxd", "fresh", "fresh.test"));
  Must(authority_.WriteEntries(orders, "all", false, kRoot));
  EXPECT_NE(Text(FindIn("vpxd", "a")->number, Member::kKey), key);
  clock_.Tick();
  const std::string now = State();
  EXPECT_EQ(Must(authority_.RevertLast(true, kRoot)),
            (std::vector<std::string>{"vpxd/a", "vpxd/half", "vpxd/fresh"}));
  EXPECT_EQ(State(), now) << "a plan changes nothing";
  Must(authority_.RevertLast(false, kRoot));
  EXPECT_EQ(Text(FindIn("vpxd", "a")->number, Member::kKey), key);
  EXPECT_EQ(LineIn(FindIn("vpxd", "a")->number).serial, before.serial);
  EXPECT_TRUE(FindIn("vpxd", "half")->file(Member::kCertificate));
  EXPECT_FALSE(FindIn("vpxd", "half")->file(Member::kKey));
  EXPECT_TRUE(FindIn("vpxd", "fresh")->empty());
  EXPECT_EQ(Sound(), "");
  EXPECT_EQ(CodeOf(authority_.RevertLast(false, kRoot)), ErrorCode::kNotFound) << "once";
}

TEST_P(AuthorityEntriesTest, WhatChangedSinceIsNotTakenBack) {
  Place("vpxd", "a", "a.test");
  clock_.Tick();
  Place("vpxd", "a", "a.test", "second");
  const Number entry = FindIn("vpxd", "a")->number;
  clock_.Tick();
  RemovedFile removed;
  Must(keystore_->RemoveFile(entry, Member::kKey, kRoot, &removed));
  const auto refuse = [&] {
    ExpectRefused(
        ErrorCode::kStale, [&] { return authority_.RevertLast(false, kRoot); }, "changed-since");
  };
  refuse();
  Must(keystore_->RestoreFile(removed));
  Must(authority_.Renew(entry, false, kRoot));
  refuse();
  Must(keystore_->RemoveFile(entry, Member::kCertificate, kRoot));
  Must(keystore_->RemoveFile(entry, Member::kKey, kRoot));
  Must(keystore_->RemoveEntry(StoreNumber("vpxd"), AliasOf("a"), kRoot));
  refuse();
}

// --- Renewing

TEST_P(AuthorityEntriesTest, WhatIsDueIsPlanned) {
  const IssuedCertificate due = Place("vpxd", "due", "due.test");
  const IssuedCertificate bad = Place("vpxd", "bad", "bad.test");
  clock_.Tick(24h * 300);
  const IssuedCertificate fresh = Place("vpxd", "fresh", "fresh.test");
  Must(authority_.Issue(OrderFor("nowhere.test"), kRoot));
  EXPECT_TRUE(Plans(30).empty());
  Must(authority_.Revoke(bad.serial, RevocationReason::kSuperseded, kRoot));
  ASSERT_EQ(Plans(30).size(), 1U);
  EXPECT_EQ(Plans(30).front().reason, "revoked");
  EXPECT_EQ(Plans(30).front().alias.text(), "bad");
  EXPECT_EQ(Plans(30).front().store.text(), "vpxd");
  EXPECT_FALSE(Plans(30).front().obstacle);
  EXPECT_EQ(Plans(98).size(), 2U);
  clock_.Tick(24h * 99);
  for (const RenewalPlan& plan : Plans(0)) {
    if (plan.alias.text() == "due") {
      EXPECT_EQ(plan.reason, "expired " + FormatTimestamp(due.not_after));
    }
  }
  EXPECT_EQ(Plans(0).size(), 2U);
  const auto snapshot = Must(keystore_->Snapshot());
  const auto one = Must(authority_.PlanRenewal(*snapshot, NameOf("vpxd"), AliasOf("fresh")));
  ASSERT_TRUE(one);
  EXPECT_EQ(one->reason, "asked for");
  EXPECT_EQ(one->current.serial, fresh.serial);
  EXPECT_TRUE(one->current.key.empty());
  EXPECT_EQ(CodeOf(authority_.PlanRenewal(*snapshot, NameOf("vpxd"), AliasOf("none"))), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(authority_.PlanRenewal(*snapshot, NameOf("none"), AliasOf("none"))), ErrorCode::kNotFound);
}

TEST_P(AuthorityEntriesTest, ObstaclesAreSaidBeforehand) {
  Must(authority_.SetProfile("mine",
                             AsBytes(Must(authority_.Profiles(*Must(keystore_->Snapshot()))).back().second)));
  EntryOrder order = EntryFor("vpxd", "a", "a.test");
  order.issue.profile = "mine";
  Must(authority_.WriteEntries({&order, 1}, "", false, kRoot));
  Must(authority_.SetProfile("mine", {}));
  const auto plan = Must(authority_.PlanRenewal(*Must(keystore_->Snapshot()), NameOf("vpxd"), AliasOf("a")));
  ASSERT_TRUE(plan->obstacle);
  EXPECT_EQ(plan->obstacle->rule(), "no-profile");
  EXPECT_EQ(CodeOf(authority_.Renew(plan->entry, false, kRoot)), ErrorCode::kNotFound);
}

TEST_P(AuthorityEntriesTest, RenewingKeepsOrChangesTheKey) {
  const IssuedCertificate first = Place("MACHINE_SSL_CERT", "web", "web.test");
  const Number entry = FindIn("MACHINE_SSL_CERT", "web")->number;
  const std::string key = Text(entry, Member::kKey);
  Must(keystore_->SetFileAttributes(entry, Member::kKey, {0640, 7, 8, {}, {}}));
  clock_.Tick(24h * 30);
  const IssuedCertificate second = Must(authority_.Renew(entry, false, kAlice));
  EXPECT_EQ(Text(entry, Member::kKey), key);
  EXPECT_EQ(second.replaces, first.serial);
  EXPECT_EQ(second.entry, entry);
  EXPECT_EQ(Line(first.serial)->replaced_by, second.serial);
  EXPECT_EQ(second.names, first.names);
  EXPECT_EQ(second.profile, "server");
  EXPECT_EQ(second.uid, first.uid);
  EXPECT_EQ(DaysLeft(second.not_after, clock_.now()), std::chrono::days(398));
  const IssuedCertificate third = Must(authority_.Renew(entry, true, kAlice));
  EXPECT_NE(Text(entry, Member::kKey), key);
  EXPECT_EQ(third.replaces, second.serial);
  EXPECT_TRUE(third.key.empty()) << "it is in the entry, and not in the ledger";
  const Entry live = Get(entry);
  EXPECT_EQ(live.file(Member::kKey)->attributes.mode, 0640U) << "a grant survives a renewal";
  EXPECT_EQ(live.file(Member::kKey)->attributes.uid, 7U);
  EXPECT_EQ(live.changed->uid, kAlice.uid);
  EXPECT_EQ(Sound(), "");
}

// A key that others know is never certified again.
TEST_P(AuthorityEntriesTest, ALostKeyIsReplacedUnasked) {
  const IssuedCertificate line = Place("vpxd", "a", "a.test");
  const Number entry = FindIn("vpxd", "a")->number;
  const std::string key = Text(entry, Member::kKey);
  Must(authority_.Revoke(line.serial, RevocationReason::kKeyCompromise, kRoot));
  Must(authority_.Renew(entry, false, kRoot));
  EXPECT_NE(Text(entry, Member::kKey), key);
  EXPECT_EQ(Sound(), "");
}

TEST_P(AuthorityEntriesTest, ACertificateWhoseKeyIsElsewhere) {
  const PrivateKey key = Must(PrivateKey::Generate(KeyType::kEcP256));
  const Number entry = Make("vpxd", "a");
  Must(Write(entry, Member::kCertificate, Must(authority_.Issue(OrderBy(key, "a.test"), kRoot)).chain));
  const IssuedCertificate renewed = Must(authority_.Renew(entry, false, kRoot));
  EXPECT_TRUE(key.Matches(CertificateIn(renewed)));
  ExpectRefused(
      ErrorCode::kNotPermitted, [&] { return authority_.Renew(entry, true, kRoot); }, "no-key-here");
  Must(authority_.Revoke(renewed.serial, RevocationReason::kKeyCompromise, kRoot));
  ExpectRefused(
      ErrorCode::kNotPermitted, [&] { return authority_.Renew(entry, false, kRoot); }, "no-key-here");
  const auto plan = Must(authority_.PlanRenewal(*Must(keystore_->Snapshot()), NameOf("vpxd"), AliasOf("a")));
  ASSERT_TRUE(plan->obstacle);
  EXPECT_EQ(plan->obstacle->rule(), "no-key-here");
}

TEST_P(AuthorityEntriesTest, CertificatesOfOthersAreNotRenewed) {
  const Number entry = Make("vpxd", "a");
  Put(entry, Member::kCertificate, "leaf.pem");
  ExpectRefused(
      ErrorCode::kNotFound, [&] { return authority_.Renew(entry, false, kRoot); }, "not-issued-here");
  EXPECT_EQ(CodeOf(authority_.Renew(999999, false, kRoot)), ErrorCode::kNotFound);
  EXPECT_FALSE(Must(authority_.PlanRenewal(*Must(keystore_->Snapshot()), NameOf("vpxd"), AliasOf("a"))));
}

INSTANTIATE_TEST_SUITE_P(Keystores, AuthorityEntriesTest, kBothDoors, NameOfDoor);

}  // namespace
}  // namespace certfs
