// Goal: what is found is what the stores hold at the moment, and nothing is judged twice. Method: verdicts
// are counted while entries, roots, CRLs and the clock change.

#include "store/inspection.h"

#include "tests/store/watched_keystore.h"

namespace certfs {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_days;

class InspectionTest : public testing::Test {
 protected:
  InspectionTest() { keystore_.FillWell(); }

  // How many verdicts the next look takes.
  std::uint64_t Verdicts() {
    const std::uint64_t before = keystore_.inspector->verdicts();
    keystore_.Look();
    return keystore_.inspector->verdicts() - before;
  }
  const InspectedEntry& At(const std::string& store, const std::string& alias) {
    inspection_ = keystore_.Look();
    for (const auto& each : inspection_->stores) {
      for (const auto& entry : each->entries) {
        if (each->name == store && entry->alias == alias) return *entry;
      }
    }
    ADD_FAILURE() << store << "/" << alias << " is not there";
    static const InspectedEntry kNone;
    return kNone;
  }

  // One go; null where there is more to judge.
  std::shared_ptr<const Inspection> LookOnce() {
    return Must(keystore_.inspector->Inspect(*Must(keystore_.keystore->Snapshot()),
                                             std::chrono::floor<std::chrono::seconds>(keystore_.now)));
  }
  static std::size_t EntriesOf(const Inspection& inspection, const std::string& store) {
    for (const auto& each : inspection.stores) {
      if (each->name == store) return each->entries.size();
    }
    return 0;
  }

  WatchedKeystore keystore_;
  std::shared_ptr<const Inspection> inspection_;
};

TEST_F(InspectionTest, TellsWhatThereIs) {
  const InspectedEntry& pair = At("MACHINE_SSL_CERT", "__MACHINE_CERT");
  ASSERT_EQ(pair.chain.size(), 2U);
  EXPECT_EQ(pair.chain[0]->common_name, "www.example.com");
  EXPECT_EQ(pair.chain[1]->common_name, "Vector Issuing CA");
  EXPECT_EQ(pair.issuers[0], pair.chain[1]->holder);
  EXPECT_EQ(pair.issuers[1], At("TRUSTED_ROOTS", "root").chain[0]->holder);
  EXPECT_TRUE(pair.open);
  for (const auto& each : inspection_->stores) EXPECT_NE(each->name, "BACKUP_STORE");
}

TEST_F(InspectionTest, NothingIsJudgedTwice) {
  EXPECT_EQ(Verdicts(), 2U);
  const auto before = keystore_.Look();
  EXPECT_EQ(Verdicts(), 0U);
  EXPECT_EQ(keystore_.Look(), before);
  keystore_.Force("machine", "x", Member::kCertificate, "leaf.pem");
  EXPECT_EQ(Verdicts(), 1U);
  EXPECT_NE(keystore_.Look(), before);
  // A secret is none of its business.
  keystore_.Force("APPLMGMT_PASSWORD", "x", Member::kSecret, AsBytes("secret"));
  EXPECT_EQ(Verdicts(), 0U);
}

TEST_F(InspectionTest, ANewCrlHasNothingJudgedAnew) {
  keystore_.Look();
  keystore_.Force("TRUSTED_ROOTS_CRLS", "root", Member::kRevocationList, "crl-revokes-issuing.pem");
  EXPECT_EQ(Verdicts(), 1U);  // The CRL's own.
  const InspectedEntry& pair = At("MACHINE_SSL_CERT", "__MACHINE_CERT");
  EXPECT_NE(inspection_->revocations->Find(*pair.chain[1], pair.issuers[1]), nullptr);
  EXPECT_EQ(inspection_->revocations->Find(*pair.chain[0], pair.issuers[0]), nullptr);
}

// One name may be written in several string types (RFC 5280, 7.1).
TEST_F(InspectionTest, ARevocationCountsHoweverTheNamesAreWritten) {
  keystore_.Force("TRUSTED_ROOTS", "spelled", Member::kCertificate, "spelled-root.pem");
  keystore_.Force("machine", "spelled", Member::kCertificate, "spelled-leaf.pem");
  keystore_.Force("TRUSTED_ROOTS_CRLS", "spelled", Member::kRevocationList, "crl-revokes-spelled-leaf.pem");
  keystore_.Look();
  Verdicts();
  const InspectedEntry& leaf = At("machine", "spelled");
  EXPECT_EQ(leaf.issuers[0], At("TRUSTED_ROOTS", "spelled").chain[0]->holder);
  EXPECT_NE(inspection_->revocations->Find(*leaf.chain[0], leaf.issuers[0]), nullptr);
}

TEST_F(InspectionTest, ANewRootHasEverythingJudgedAnew) {
  keystore_.Look();
  keystore_.Force("TRUSTED_ROOTS", "other", Member::kCertificate, "other-root.pem");
  EXPECT_EQ(Verdicts(), 3U);
}

TEST_F(InspectionTest, ADateThatPassesHasThatJudgedAnew) {
  keystore_.Look();
  keystore_.now = sys_days{2026y / 12 / 31};
  EXPECT_EQ(Verdicts(), 0U);
  keystore_.now = sys_days{2027y / 1 / 1} + 0s;
  EXPECT_EQ(Verdicts(), 0U);  // Still valid: both ends are inclusive.
  EXPECT_TRUE(At("TRUSTED_ROOTS", "root").findings.empty());
  keystore_.now += 1s;
  EXPECT_EQ(Verdicts(), 2U);
  EXPECT_EQ(At("TRUSTED_ROOTS", "root").findings.front().rule->id, "expired");
  keystore_.now += 5s;
  EXPECT_EQ(Verdicts(), 0U);
  keystore_.now -= 3s;
  EXPECT_EQ(Verdicts(), 0U);
  // A clock that is set back beyond a date.
  keystore_.now = test::kVectorTime;
  EXPECT_EQ(Verdicts(), 2U);
  EXPECT_TRUE(At("TRUSTED_ROOTS", "root").findings.empty());
}

TEST_F(InspectionTest, PermissionsShowWithoutAnotherCommitOfContent) {
  const Number number = At("MACHINE_SSL_CERT", "__MACHINE_CERT").number;
  keystore_.SetMode(number, 0750);
  EXPECT_FALSE(At("MACHINE_SSL_CERT", "__MACHINE_CERT").open);
  keystore_.SetMode(number, 0755);
  EXPECT_TRUE(At("MACHINE_SSL_CERT", "__MACHINE_CERT").open);
}

TEST_F(InspectionTest, WhatIsGoneIsGone) {
  keystore_.Force("machine", "x", Member::kCertificate, "leaf.pem");
  const Number number = At("machine", "x").number;
  Must(keystore_.keystore->RemoveFile(number, Member::kCertificate, kRoot));
  EXPECT_TRUE(At("machine", "x").chain.empty());
  const auto machine = *Must(Must(keystore_.keystore->Snapshot())->FindStore(NameOf("machine")));
  Must(keystore_.keystore->RemoveEntry(machine.number, AliasOf("x"), kRoot));
  inspection_ = keystore_.Look();
  for (const auto& each : inspection_->stores) {
    EXPECT_TRUE(each->name != "machine" || each->entries.empty());
  }
}

// Many entries are judged in several goes, each with a snapshot of its own.
TEST_F(InspectionTest, NoSnapshotIsHeldForLong) {
  for (std::size_t i = 0; i < Inspector::kVerdictsMax + 10; ++i)
    keystore_.Force("machine", "x" + std::to_string(i), Member::kCertificate, "leaf.pem");
  EXPECT_EQ(LookOnce(), nullptr);
  const auto found = LookOnce();
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(keystore_.inspector->verdicts(), Inspector::kVerdictsMax + 12);
  EXPECT_EQ(EntriesOf(*found, "machine"), Inspector::kVerdictsMax + 10);
}

// What changes between two goes is seen, also where the first has been already.
TEST_F(InspectionTest, ChangesBetweenTwoGoesAreSeen) {
  const auto name = [](std::size_t i) { return "x" + std::to_string(i + 1000); };
  constexpr std::size_t kMany = Inspector::kVerdictsMax + 100;
  std::vector<Number> numbers;
  for (std::size_t i = 0; i < kMany; ++i)
    numbers.push_back(
        keystore_.Force("machine", name(i), Member::kCertificate, BytesView(VectorOf("leaf.pem"))));
  const auto machine = *Must(Must(keystore_.keystore->Snapshot())->FindStore(NameOf("machine")));
  EXPECT_EQ(LookOnce(), nullptr);
  Must(keystore_.keystore->RemoveFile(numbers[0], Member::kCertificate, kRoot));
  Must(keystore_.keystore->RemoveEntry(machine.number, AliasOf(name(0)), kRoot));
  keystore_.SetMode(numbers[1], 0700);
  keystore_.Force("machine", name(2), Member::kCertificate, "no-san.pem");
  keystore_.Force("machine", "a-new-one", Member::kCertificate, "leaf.pem");
  EXPECT_FALSE(At("machine", name(1)).open);
  EXPECT_EQ(At("machine", name(2)).chain.front()->common_name,
            ReadCertificateFile(VectorOf("no-san.pem")).value().certificates.front().common_name());
  At("machine", "a-new-one");
  EXPECT_EQ(EntriesOf(*inspection_, "machine"), kMany);
  // And so are the roots, and the clock.
  keystore_.Force("TRUSTED_ROOTS", "issuing", Member::kCertificate, "issuing.pem");
  EXPECT_EQ(LookOnce(), nullptr);
  keystore_.Force("TRUSTED_ROOTS", "other", Member::kCertificate, "other-root.pem");
  EXPECT_EQ(LookOnce(), nullptr);
  keystore_.now = sys_days{2027y / 2 / 1};
  EXPECT_EQ(LookOnce(), nullptr);
  inspection_ = keystore_.Look();
  EXPECT_EQ(EntriesOf(*inspection_, "machine"), kMany);
  for (const auto& store : inspection_->stores) {
    if (store->name != "machine") continue;
    for (const auto& entry : store->entries) EXPECT_FALSE(entry->findings.empty()) << entry->alias;
  }
}

}  // namespace
}  // namespace certfs
