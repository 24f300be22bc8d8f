// Goal: a store that enforces revocation hands out no key whose certificate is revoked, and no other store is
// any different. Method: pairs of an authority in such a store and beside it, before and after a revocation.

#include "store/key_release.h"

#include "store/memory_table.h"
#include "store/view.h"
#include "tests/store/authority_door.h"

namespace certfs {
namespace {

class KeyReleaseTest : public AuthorityDoor {
 protected:
  KeyReleaseTest() {
    Create();
    revoked_ = Place("machine", "revoked", "revoked.test");
    Place("machine", "good", "good.test");
    Place("vpxd", "revoked", "other.test");
  }
  std::optional<ErrorCode> Release(std::string_view store, std::string_view alias) {
    const auto entry = FindIn(store, alias);
    auto released = gate_.Check(*Must(keystore_->Snapshot()), *entry);
    return released.has_value() ? std::nullopt : std::optional(released.error().code());
  }
  void Enforce(std::string_view store, bool on) {
    Must(keystore_->SetEnforceRevocation(StoreNumber(store), on));
  }
  // What store.p12 of `machine` is like.
  ShownView StoreKeystore() {
    const auto snapshot = Must(keystore_->Snapshot());
    const Store store = *Must(snapshot->FindStoreByNumber(StoreNumber("machine")));
    for (ShownView& each : Must(views_.OfStore(*snapshot, store))) {
      if (each.view->kind == ViewKind::kStoreKeystore) return std::move(each);
    }
    ADD_FAILURE() << "no store.p12";
    return {};
  }

  KeyRelease gate_{*keystore_};
  Views views_{*keystore_, kRoot};
  IssuedCertificate revoked_;
};

INSTANTIATE_TEST_SUITE_P(Keystores, KeyReleaseTest, kBothDoors, NameOfDoor);

TEST_P(KeyReleaseTest, OnlyWhereItIsEnforced) {
  Enforce("machine", true);
  EXPECT_EQ(Release("machine", "revoked"), std::nullopt);
  Must(authority_.Revoke(revoked_.serial, RevocationReason::kKeyCompromise, kRoot));
  EXPECT_EQ(Release("machine", "revoked"), ErrorCode::kRevoked);
  EXPECT_EQ(Release("machine", "good"), std::nullopt);
  EXPECT_EQ(Release("vpxd", "revoked"), std::nullopt);
  Enforce("machine", false);
  EXPECT_EQ(Release("machine", "revoked"), std::nullopt);
}

// No list tells of it any more, and the ledger still does.
TEST_P(KeyReleaseTest, AlsoOnceItsAuthorityHasGone) {
  Enforce("machine", true);
  // Its profile goes, so that it cannot be issued again and stays where it is.
  const auto profiles = Must(authority_.Profiles(*Must(keystore_->Snapshot())));
  Must(authority_.SetProfile("mine", AsBytes(profiles.back().second)));
  EntryOrder order = EntryFor("machine", "odd", "odd.test");
  order.issue.profile = "mine";
  Must(authority_.WriteEntries({&order, 1}, "", false, kRoot));
  Must(authority_.SetProfile("mine", {}));
  Must(authority_.Revoke(LineIn(FindIn("machine", "odd")->number).serial, RevocationReason::kKeyCompromise,
                         kRoot));
  Must(authority_.BeginReplacement(NewRoot("New Root"), true, false, kRoot));
  for (int steps = 0; Must(authority_.StepReplacement(10, kRoot)).replacement; ++steps) ASSERT_LT(steps, 10);
  ASSERT_EQ(LineIn(FindIn("machine", "odd")->number).authority, 1U);
  EXPECT_EQ(Release("machine", "odd"), ErrorCode::kRevoked);
  EXPECT_EQ(Release("machine", "good"), std::nullopt);
}

TEST_P(KeyReleaseTest, ANewCertificateEndsIt) {
  Enforce("machine", true);
  Must(authority_.Revoke(revoked_.serial, RevocationReason::kSuperseded, kRoot));
  ASSERT_EQ(Release("machine", "revoked"), ErrorCode::kRevoked);
  Must(authority_.Renew(FindIn("machine", "revoked")->number, true, kRoot));
  EXPECT_EQ(Release("machine", "revoked"), std::nullopt);
}

TEST_P(KeyReleaseTest, AKeyAloneIsNobodysToRevoke) {
  Enforce("machine", true);
  Must(Write(Make("machine", "alone"), Member::kKey, VectorOf("leaf.key")));
  EXPECT_EQ(Release("machine", "alone"), std::nullopt);
}

TEST_P(KeyReleaseTest, FilesOfManyKeysLeaveItOut) {
  Settings settings;
  settings.export_password = SecretBytes::CopyOf(AsBytes("correct horse"));
  Must(keystore_->SetSettings(settings));
  const ShownView before = StoreKeystore();
  Enforce("machine", true);
  Must(authority_.Revoke(revoked_.serial, RevocationReason::kKeyCompromise, kRoot));
  const ShownView after = StoreKeystore();
  EXPECT_NE(after.identity, before.identity);
  EXPECT_LT(after.size, before.size);
  const ViewBytes bytes = Must(views_.Read(*Must(keystore_->Snapshot()), after));
  EXPECT_EQ(bytes.plain.size(), after.size);
}

}  // namespace
}  // namespace certfs
