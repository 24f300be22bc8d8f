// Goal: an authority is made or brought along whole, trusted from the first moment, or not at all.
// Method: Create, Import and Restore over both tables, and what the stores of trust and the record hold then.

#include "store/memory_table.h"
#include "tests/store/authority_door.h"
#include "tests/store/faulty_table.h"

namespace certfs {
namespace {

// A CA of elsewhere, and an intermediate of it.
struct Elsewhere {
  Elsewhere() {
    Must(authority.Create(NewRoot("Corporate Root"), kRoot));
    const auto face = Must(authority.Face(*Must(keystore->Snapshot())));
    root.emplace(face->certificate);
    IssueOrder order;
    order.profile = "ca";
    order.request = AuthorityRequestBy(key);
    chain = Must(ReadCertificateFile(Must(authority.Issue(order, kRoot)).chain)).certificates;
    chain.push_back(*root);
  }
  FixedClock clock;
  std::unique_ptr<Keystore> keystore = Must(Keystore::InMemory(kRoot, clock.get()));
  CertificateAuthority authority{*keystore};
  PrivateKey key = Must(PrivateKey::Generate(KeyType::kEcP256));
  std::optional<Certificate> root;
  std::vector<Certificate> chain;
};

class AuthorityCreationTest : public AuthorityDoor {};

TEST_P(AuthorityCreationTest, ThereIsNoneAtFirst) {
  const auto snapshot = Must(keystore_->Snapshot());
  EXPECT_FALSE(Must(authority_.Face(*snapshot)));
  EXPECT_EQ(CodeOf(authority_.Issue(OrderFor("a.test"), kRoot)), ErrorCode::kNotFound);
  EXPECT_EQ(authority_.Issue(OrderFor("a.test"), kRoot).error().rule(), "no-authority");
  EXPECT_EQ(CodeOf(authority_.RefreshLists(true)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(authority_.Revoke({}, RevocationReason::kUnspecified, kRoot)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(authority_.PlanRenewals(*snapshot, std::chrono::days(30))), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(authority_.BeginReplacement(NewRoot(), false, false, kRoot)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(authority_.Retire(true, kRoot)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(authority_.MakeBackup(*snapshot)), ErrorCode::kNotFound);
  EXPECT_FALSE(Must(authority_.Progress(*snapshot)).replacement);
  EXPECT_TRUE(Must(authority_.Health(*snapshot)).empty());
}

TEST_P(AuthorityCreationTest, AMadeRootIsTrustedAndHasItsList) {
  NewAuthority wanted = NewRoot("Made", KeyType::kEcP384);
  wanted.path_length = 1;
  wanted.permitted = {"DNS:test"};
  wanted.lifetime = std::chrono::days(1000);
  Must(authority_.Create(wanted, kRoot));
  const auto snapshot = Must(keystore_->Snapshot());
  const auto face = Must(authority_.Face(*snapshot));
  ASSERT_TRUE(face);
  EXPECT_TRUE(face->certificate.IsSelfSigned());
  EXPECT_TRUE(face->certificate.IsAuthority());
  EXPECT_TRUE(face->chain.empty());
  EXPECT_EQ(face->facts.id, 1U);
  EXPECT_TRUE(face->facts.key.empty()) << "the face shows no key";
  EXPECT_EQ(DaysLeft(face->certificate.not_after(), clock_.now()), std::chrono::days(1000));
  const auto list = Must(RevocationList::FromDer(face->crl));
  EXPECT_TRUE(list.SignedBy(face->certificate));
  EXPECT_TRUE(list.revoked().empty());
  EXPECT_LT(list.this_update(), clock_.now());

  const auto trust = Must(keystore_->GetTrust(*snapshot));
  ASSERT_EQ(trust->set.authorities().size(), 1U);
  EXPECT_EQ(trust->set.authorities().front().fingerprint(), face->certificate.fingerprint());
  ASSERT_EQ(trust->list_entries, std::vector<Number>{face->facts.crl_entry});
  // Both are named by the key, so that a new list has no new name.
  const std::string name = ToHex(face->certificate.subject_key_identifier());
  EXPECT_EQ(Get(face->facts.root_entry).alias.text(), name);
  EXPECT_EQ(Get(face->facts.crl_entry).alias.text(), name);
  EXPECT_EQ(Get(face->facts.root_entry).attributes.mode, 0755U);

  // What the constraints leave out is not issued.
  EXPECT_EQ(CodeOf(authority_.Issue(OrderFor("a.example"), kRoot)), ErrorCode::kRejected);
  Must(authority_.Issue(OrderFor("a.test"), kRoot));
}

TEST_P(AuthorityCreationTest, ThereIsOneAtMost) {
  Create();
  ExpectRefused(
      ErrorCode::kAlreadyExists, [&] { return authority_.Create(NewRoot("Second"), kRoot); },
      "authority-exists");
  Elsewhere elsewhere;
  ExpectRefused(
      ErrorCode::kAlreadyExists,
      [&] { return authority_.Import(elsewhere.key, elsewhere.chain, false, kRoot); }, "authority-exists");
  ExpectRefused(
      ErrorCode::kAlreadyExists,
      [&] { return authority_.Restore(elsewhere.key, elsewhere.chain, nullptr, kRoot); }, "authority-exists");
}

TEST_P(AuthorityCreationTest, WrongConstraintsAreRefused) {
  NewAuthority wanted = NewRoot();
  wanted.permitted = {"nonsense"};
  ExpectRefused(
      ErrorCode::kMalformed, [&] { return authority_.Create(wanted, kRoot); }, "name-constraints-malformed");
  EXPECT_FALSE(Must(keystore_->Snapshot())->has_authority());
}

TEST_P(AuthorityCreationTest, AnIntermediateIsTrustedWithItsRoot) {
  Elsewhere elsewhere;
  Must(authority_.Import(elsewhere.key, elsewhere.chain, false, kRoot));
  const auto face = Must(authority_.Face(*Must(keystore_->Snapshot())));
  ASSERT_EQ(face->chain.size(), 1U);
  EXPECT_EQ(face->chain.front().fingerprint(), elsewhere.root->fingerprint());
  EXPECT_EQ(Must(keystore_->GetTrust(*Must(keystore_->Snapshot())))->set.authorities().size(), 2U);
  // A server sends the intermediate along, and no root.
  const Issued issued = Must(authority_.Issue(OrderFor("a.test"), kRoot));
  EXPECT_EQ(Must(ReadCertificateFile(issued.chain)).certificates.size(), 2U);
  Place("MACHINE_SSL_CERT", "web", "web.test");
  EXPECT_EQ(Sound(), "");
}

TEST_P(AuthorityCreationTest, WhatDoesNotHoldIsNotImported) {
  Elsewhere elsewhere;
  const PrivateKey other = Must(PrivateKey::Generate(KeyType::kEcP256));
  const auto refuse = [&](const PrivateKey& key, std::vector<Certificate> chain, ErrorCode code,
                          std::string_view rule) {
    SCOPED_TRACE(rule);
    ExpectRefused(
        code, [&] { return authority_.Import(key, chain, false, kRoot); }, rule);
    EXPECT_FALSE(Must(keystore_->Snapshot())->has_authority());
  };
  refuse(other, elsewhere.chain, ErrorCode::kRejected, "key-mismatch");
  refuse(elsewhere.key, {elsewhere.chain[0]}, ErrorCode::kRejected, "chain-broken");
  Elsewhere stranger;
  refuse(elsewhere.key, {elsewhere.chain[0], *stranger.root}, ErrorCode::kRejected, "chain-broken");
  refuse(elsewhere.key, {elsewhere.chain[0], *stranger.root, *elsewhere.root}, ErrorCode::kRejected,
         "chain-broken");
  refuse(elsewhere.key, {}, ErrorCode::kInvalidArgument, "");
  const PrivateKey key = Must(PrivateKey::Generate(KeyType::kEcP256));
  const auto leaf = Must(elsewhere.authority.Issue(OrderBy(key, "leaf.test"), kRoot));
  refuse(key, {CertificateIn(leaf.record), *elsewhere.root}, ErrorCode::kRejected, "not-a-ca");
  clock_.Tick(std::chrono::days(9 * 365));
  refuse(elsewhere.key, elsewhere.chain, ErrorCode::kExpired, "expired");
}

TEST_P(AuthorityCreationTest, AnImportedOneTakesOver) {
  Create();
  const IssuedCertificate before = Place("vpxd", "a", "a.test");
  Elsewhere elsewhere;
  Must(authority_.Import(elsewhere.key, elsewhere.chain, true, kRoot));
  const AuthorityRecord record = Record();
  ASSERT_EQ(record.certificates.size(), 2U);
  EXPECT_EQ(record.Find(1)->role, AuthorityRole::kRetiring);
  EXPECT_EQ(record.Issuing()->id, 2U);
  EXPECT_EQ(Must(authority_.Issue(OrderFor("b.test"), kRoot)).record.authority, 2U);
  // What the old one issued goes on being good, and can be revoked.
  EXPECT_EQ(Sound(), "");
  Must(authority_.Revoke(before.serial, RevocationReason::kSuperseded, kRoot));
  EXPECT_TRUE(List(1).Revokes(CertificateIn(before)));
  ExpectRefused(
      ErrorCode::kAlreadyExists,
      [&] { return authority_.Import(elsewhere.key, elsewhere.chain, true, kRoot); }, "authority-exists");
}

// A name that something else has is not taken from it.
TEST_P(AuthorityCreationTest, ARootThatIsThereAlreadyIsUsed) {
  Elsewhere elsewhere;
  const Number entry = Make("TRUSTED_ROOTS", "corporate");
  const BytesView der = elsewhere.root->der();
  Must(Write(entry, Member::kCertificate, der));
  Must(authority_.Import(elsewhere.key, elsewhere.chain, false, kRoot));
  EXPECT_EQ(Must(keystore_->GetTrust(*Must(keystore_->Snapshot())))->set.authorities().size(), 2U);
  EXPECT_EQ(Record().Issuing()->root_entry, 0U) << "it is not ours to remove";
}

TEST_P(AuthorityCreationTest, RestoringKeepsWhatWasRevoked) {
  Elsewhere elsewhere;
  const Issued good = Must(elsewhere.authority.Issue(OrderFor("good.test"), kRoot));
  const Issued bad = Must(elsewhere.authority.Issue(OrderFor("bad.test"), kRoot));
  Must(elsewhere.authority.Revoke(bad.record.serial, RevocationReason::kKeyCompromise, kRoot));
  const auto old = Must(elsewhere.authority.Face(*Must(elsewhere.keystore->Snapshot())));
  const auto list = Must(RevocationList::FromDer(old->crl));
  const AuthorityRecord record = Must(Must(elsewhere.keystore->Snapshot())->GetAuthority());
  const PrivateKey key = Must(PrivateKey::FromDer(record.Issuing()->key.Reveal()));

  Elsewhere stranger;
  const auto other = Must(stranger.authority.Face(*Must(stranger.keystore->Snapshot())));
  const auto other_list = Must(RevocationList::FromDer(other->crl));
  ExpectRefused(
      ErrorCode::kRejected, [&] { return authority_.Restore(key, {old->certificate}, &other_list, kRoot); },
      "crl-bad-signature");

  Must(authority_.Restore(key, {old->certificate}, &list, kRoot));
  const RevocationList restored = List(1);
  EXPECT_GT(restored.number(), list.number());
  EXPECT_TRUE(restored.Revokes(CertificateIn(bad.record)));
  EXPECT_FALSE(restored.Revokes(CertificateIn(good.record)));
  EXPECT_EQ(StateOf(Line(bad.record.serial), clock_.now()), IssuedState::kRevoked);
  EXPECT_EQ(Line(bad.record.serial)->revocation->reason, RevocationReason::kKeyCompromise);
  EXPECT_EQ(StateOf(Line(good.record.serial), clock_.now()), IssuedState::kUnknown);
  // It issues, and its old root verifies that; the list goes on holding what it held.
  const Issued issued = Must(authority_.Issue(OrderFor("new.test"), kRoot));
  const TrustSet trust({old->certificate}, {});
  EXPECT_TRUE(trust
                  .Verify(CertificateIn(issued.record), {}, Purpose::kServer,
                          std::chrono::floor<std::chrono::seconds>(clock_.now()))
                  .faults.empty());
  clock_.Tick(std::chrono::days(4));
  EXPECT_EQ(Must(authority_.RefreshLists(false)), 1U);
  EXPECT_TRUE(List(1).Revokes(CertificateIn(bad.record)));
}

// OpenSSL gives serial numbers of 20 octets: longer than ours, and revoked all the same.
TEST_P(AuthorityCreationTest, WhatOtherProgramsRevokedStaysRevoked) {
  Elsewhere elsewhere;
  const AuthorityRecord record = Must(Must(elsewhere.keystore->Snapshot())->GetAuthority());
  const PrivateKey key = Must(PrivateKey::FromDer(record.Issuing()->key.Reveal()));
  const auto issuer = Must(Issuer::Make(*elsewhere.root, {}, Must(MakeSigner(key))));
  const SerialNumber serial = *ParseSerialNumber("7f112233445566778899aabbccddeeff00112233");
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.now());
  const RevokedSerial revoked{serial, now - std::chrono::hours(2), RevocationReason::kKeyCompromise};
  const auto list = Must(RevocationList::FromDer(Must(
      MakeRevocationList(*issuer, 7, now - std::chrono::hours(1), now + std::chrono::hours(1), {revoked}))));
  Must(authority_.Restore(key, {*elsewhere.root}, &list, kRoot));
  EXPECT_EQ(List(1).revoked(), std::vector{revoked});
  EXPECT_EQ(StateOf(Line(serial), clock_.now()), IssuedState::kRevoked);
}

// A CA whose certificate is renewed keeps name and key, and with them its list (RFC 5280, 5).
TEST_P(AuthorityCreationTest, ARenewedCertificateGoesOnWithTheList) {
  Create();
  const Issued first = Must(authority_.Issue(OrderFor("a.test"), kRoot));
  const Issued second = Must(authority_.Issue(OrderFor("b.test"), kRoot));
  Must(authority_.Revoke(first.record.serial, RevocationReason::kKeyCompromise, kRoot));
  const AuthorityRecord record = Record();
  const PrivateKey key = Must(PrivateKey::FromDer(record.Issuing()->key.Reveal()));
  const Certificate old = Must(Certificate::FromDer(record.Issuing()->certificate));
  RootOptions options;
  options.name.assign(old.subject_der().begin(), old.subject_der().end());
  const Certificate renewed =
      Must(MakeRoot(options, Must(RandomSerialNumber()),
                    std::chrono::floor<std::chrono::seconds>(clock_.now()), *Must(MakeSigner(key))));
  Must(authority_.Import(key, {renewed}, true, kRoot));
  EXPECT_EQ(Record().Find(1)->crl_entry, Record().Find(2)->crl_entry);
  EXPECT_TRUE(List(2).Revokes(CertificateIn(first.record)));
  Must(authority_.Retire(true, kRoot));
  EXPECT_TRUE(List(2).Revokes(CertificateIn(first.record)));
  // Of what the old certificate stood for, too.
  Must(authority_.Revoke(second.record.serial, RevocationReason::kUnspecified, kRoot));
  EXPECT_TRUE(List(2).Revokes(CertificateIn(first.record)));
  EXPECT_TRUE(List(2).Revokes(CertificateIn(second.record)));
}

// What another keeper of the key revoked, or this keystore before it was put back, stays revoked.
TEST_P(AuthorityCreationTest, WhatTheListRevokesIsTakenOver) {
  Elsewhere elsewhere;
  const Issued bad = Must(elsewhere.authority.Issue(OrderFor("bad.test"), kRoot));
  const Issued worse = Must(elsewhere.authority.Issue(OrderFor("worse.test"), kRoot));
  const AuthorityRecord record = Must(Must(elsewhere.keystore->Snapshot())->GetAuthority());
  Must(authority_.Restore(Must(PrivateKey::FromDer(record.Issuing()->key.Reveal())), {*elsewhere.root},
                          nullptr, kRoot));
  Must(elsewhere.authority.Revoke(worse.record.serial, RevocationReason::kUnspecified, kRoot));
  Must(elsewhere.authority.Revoke(bad.record.serial, RevocationReason::kKeyCompromise, kRoot));
  const Bytes list = Must(elsewhere.authority.Face(*Must(elsewhere.keystore->Snapshot())))->crl;
  Must(Write(Record().Issuing()->crl_entry, Member::kRevocationList, list));
  EXPECT_EQ(Must(authority_.RefreshLists(false)), 1U) << "it does not tell of what was revoked here";
  EXPECT_EQ(Must(authority_.RefreshLists(false)), 0U);
  // On this list, and on those behind it.
  for (int i = 0; i < 2; ++i) {
    clock_.Tick(std::chrono::hours(1));
    Must(authority_.RefreshLists(true));
    EXPECT_TRUE(List(1).Revokes(CertificateIn(bad.record)));
    EXPECT_TRUE(List(1).Revokes(CertificateIn(worse.record)));
  }
  EXPECT_EQ(Line(bad.record.serial)->revocation->reason, RevocationReason::kKeyCompromise);
}

INSTANTIATE_TEST_SUITE_P(Keystores, AuthorityCreationTest, kBothDoors, NameOfDoor);

}  // namespace
}  // namespace certfs
