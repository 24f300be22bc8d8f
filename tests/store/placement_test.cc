// Goal: the ledger knows at every moment in which entry each of its certificates is live.
// Method: every change of the door that a live cert.pem may go through, over both tables.

#include "tests/store/authority_door.h"
#include "tests/store/restore_fixture.h"

namespace certfs {
namespace {

class PlacementTest : public AuthorityDoor {
 protected:
  PlacementTest() { Create(); }

  // A key with two certificates for it.
  struct Renewable {
    SecretBytes key_pem;
    Issued first;
    Issued second;
  };
  Renewable MakeRenewable(const std::string& host) {
    const PrivateKey key = Must(PrivateKey::Generate(KeyType::kEcP256));
    return {WritePem("PRIVATE KEY", Must(key.ToPkcs8()).Reveal()),
            Must(authority_.Issue(OrderBy(key, host), kRoot)),
            Must(authority_.Issue(OrderBy(key, host), kRoot))};
  }
  Number EntryOf(const Issued& issued) { return Line(issued.record.serial)->entry; }
};

TEST_P(PlacementTest, WritingAndRemoving) {
  const Renewable pair = MakeRenewable("a.test");
  const Number entry = Make("vpxd", "a");
  Must(Write(entry, Member::kKey, pair.key_pem.Reveal()));
  Must(Write(entry, Member::kCertificate, pair.first.chain));
  EXPECT_EQ(EntryOf(pair.first), entry);
  Must(Write(entry, Member::kCertificate, pair.second.chain));
  EXPECT_EQ(EntryOf(pair.first), 0U);
  EXPECT_EQ(EntryOf(pair.second), entry);
  EXPECT_EQ(Line(pair.first.record.serial)->replaced_by, pair.second.record.serial);
  EXPECT_EQ(Line(pair.second.record.serial)->replaces, pair.first.record.serial);
  RemovedFile removed;
  Must(keystore_->RemoveFile(entry, Member::kCertificate, kRoot, &removed));
  EXPECT_EQ(EntryOf(pair.second), 0U);
  Must(keystore_->RestoreFile(removed));
  EXPECT_EQ(EntryOf(pair.second), entry);
  // What was there before comes back: it is replaced by nothing any more.
  Must(Write(entry, Member::kCertificate, pair.first.chain));
  EXPECT_EQ(EntryOf(pair.first), entry);
  EXPECT_FALSE(Line(pair.first.record.serial)->replaced_by);
  EXPECT_EQ(Sound(), "");
}

TEST_P(PlacementTest, StagedIsNotLive) {
  const Renewable pair = MakeRenewable("a.test");
  const Number entry = Make("vpxd", "a");
  const Number next = Must(keystore_->CreateNext(entry, kRoot, 0755)).number;
  Must(Write(next, Member::kCertificate, pair.first.chain));
  EXPECT_EQ(EntryOf(pair.first), 0U);
  Must(Write(next, Member::kKey, pair.key_pem.Reveal()));
  EXPECT_EQ(EntryOf(pair.first), entry);
  Must(Write(next, Member::kKey, pair.key_pem.Reveal()));
  Must(Write(next, Member::kCertificate, pair.second.chain));
  EXPECT_EQ(EntryOf(pair.first), 0U) << "what BACKUP_STORE keeps is not live";
  EXPECT_EQ(EntryOf(pair.second), entry);
  Must(keystore_->RenameEntry(StoreNumber("vpxd"), AliasOf("a"), AliasOf("b"), kRoot));
  EXPECT_EQ(EntryOf(pair.second), entry);
  EXPECT_EQ(Sound(), "");
}

// As `mv` does it between two stores.
TEST_P(PlacementTest, ACopyThatStaysIsWhereItIs) {
  const Renewable pair = MakeRenewable("a.test");
  const Number from = Make("vpxd", "a");
  const Number to = Make("machine", "a");
  for (const Number entry : {from, to}) {
    Must(Write(entry, Member::kKey, pair.key_pem.Reveal()));
    Must(Write(entry, Member::kCertificate, pair.first.chain));
  }
  EXPECT_EQ(EntryOf(pair.first), to);
  Must(keystore_->RemoveFile(from, Member::kCertificate, kRoot));
  EXPECT_EQ(EntryOf(pair.first), to);
  // And the other way round: of two copies the second goes.
  Must(Write(from, Member::kCertificate, pair.first.chain));
  EXPECT_EQ(EntryOf(pair.first), from);
  Must(keystore_->RemoveFile(from, Member::kCertificate, kRoot));
  EXPECT_EQ(EntryOf(pair.first), to);
  Must(keystore_->RemoveFile(to, Member::kCertificate, kRoot));
  EXPECT_EQ(EntryOf(pair.first), 0U);
}

TEST_P(PlacementTest, OthersDoNotCount) {
  Must(Write(Make("TRUSTED_ROOTS", "root"), Member::kCertificate, VectorOf("root.pem")));
  const Number entry = Make("vpxd", "a");
  const Renewable pair = MakeRenewable("a.test");
  Put(entry, Member::kCertificate, "leaf.pem");
  Must(Write(entry, Member::kCertificate, pair.first.chain));
  EXPECT_EQ(EntryOf(pair.first), entry);
  EXPECT_FALSE(Line(pair.first.record.serial)->replaces);
  Put(entry, Member::kCertificate, "leaf.pem");
  EXPECT_EQ(EntryOf(pair.first), 0U);
  EXPECT_FALSE(Line(pair.first.record.serial)->replaced_by);
}

// A CA that is trusted is not served.
TEST_P(PlacementTest, TrustedIsNotLive) {
  const PrivateKey key = Must(PrivateKey::Generate(KeyType::kEcP256));
  IssueOrder order;
  order.profile = "ca";
  order.request = AuthorityRequestBy(key);
  const Issued sub = Must(authority_.Issue(order, kRoot));
  Must(Write(Make("TRUSTED_ROOTS", "sub"), Member::kCertificate, sub.record.certificate));
  EXPECT_EQ(EntryOf(sub), 0U);
}

INSTANTIATE_TEST_SUITE_P(Keystores, PlacementTest, kBothDoors, NameOfDoor);

}  // namespace
}  // namespace certfs
