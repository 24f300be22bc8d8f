// Goal: damage to what an authority rests on ends nothing early and holds nothing up, and forgets nothing
// that was revoked. Method: records of a keystore on disk are changed by somebody without the key.

#include <algorithm>
#include <fstream>

#include "store/salvage.h"
#include "tests/store/authority_door.h"
#include "tests/store/damage_door.h"
#include "tests/store/restore_fixture.h"

namespace certfs {

namespace {

constexpr Member kCertificate = Member::kCertificate;
constexpr Member kList = Member::kRevocationList;

// With an authority, by which `count` entries of vpxd have their pairs.
class AuthorityDamage : public DamageDoor {
 protected:
  AuthorityDamage() { Must(Authority().Create(NewRoot(), kRoot)); }
  // Of the keystore as it is now: it is another one after each Flip.
  CertificateAuthority Authority() { return CertificateAuthority(*keystore_); }
  Number Place(const std::string& alias) {
    const EntryOrder order = EntryFor("vpxd", alias, alias + ".test");
    return Must(Authority().WriteEntries({&order, 1}, "", false, kRoot)).front().entry.number;
  }
  AuthorityRecord Record() { return Must(Must(keystore_->Snapshot())->GetAuthority()); }
  IssuedCertificate LineIn(Number entry) {
    std::optional<IssuedCertificate> found;
    Must(Must(keystore_->Snapshot())
             ->ListIssued(IssuedGroupKey::InEntry(entry), [&](Cursor, const IssuedCertificate& line) {
               found = line.Clone();
               return false;
             }));
    EXPECT_TRUE(found) << "no line for the entry";
    return found ? std::move(*found) : IssuedCertificate();
  }
  // Changes the record wherever it stands in the file: LMDB leaves copies behind.
  void SpoilEverywhere(const std::string& table, const Bytes& key) {
    keystore_.reset();
    const auto path = directory_.path() / "data.mdb";
    const Bytes record = RawLmdb(directory_.path()).Get(table, key);
    Bytes file = test::ReadAll(path.string());
    int spoiled = 0;
    for (auto at = file.begin();; ++spoiled) {
      at = std::search(at, file.end(), record.begin(), record.end());
      if (at == file.end()) break;
      at[static_cast<std::ptrdiff_t>(record.size() - 1)] ^= 1;
    }
    EXPECT_GT(spoiled, 0);
    std::ofstream out(path, std::ios::binary | std::ios::in);
    out.write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  }
};

INSTANTIATE_TEST_SUITE_P(Keystores, AuthorityDamage, kOnDisk, NameOfDoor);

// The ledger knows what lay there: otherwise its line would say so for ever, and a replacement of the root
// find something to re-issue at each step.
TEST_P(AuthorityDamage, ADamagedCertificateOfTheAuthorityIsNoLongerWhereItWas) {
  std::vector<Number> entries;
  for (const char* const alias : {"written", "removed", "reissued"}) {
    const EntryOrder order = EntryFor("vpxd", alias, std::string(alias) + ".test");
    entries.push_back(Must(Authority().WriteEntries({&order, 1}, "", false, kRoot)).front().entry.number);
  }
  for (const Number entry : entries) Flip("contents", KeyOf(entry, kCertificate));
  CertificateAuthority authority(*keystore_);
  const EntryOrder again = EntryFor("vpxd", "written", "written.test");
  Must(authority.WriteEntries({&again, 1}, "", false, kRoot));
  Must(keystore_->RemoveFile(entries[1], kCertificate, kRoot));
  Must(authority.BeginReplacement(NewRoot("New Root"), false, false, kRoot));
  EXPECT_EQ(Must(Must(keystore_->Snapshot())->GetAuthority()).replacement->total, 2U);
  EXPECT_FALSE(Must(authority.StepReplacement(4, kRoot)).replacement);
  EXPECT_EQ(Unsound(*keystore_), "");
  for (const IssuedCertificate& line : LinesOf(*Must(keystore_->Snapshot())))
    EXPECT_EQ(line.entry != 0, line.authority == 2 && line.common_name != "removed.test") << line.common_name;
}

TEST_P(AuthorityDamage, WhatIsRestoredOverADamagedCertificateIsWhereTheLedgerSays) {
  const EntryOrder order = EntryFor("vpxd", "web", "web.test");
  const auto write = [&] {
    return Must(Authority().WriteEntries({&order, 1}, "", false, kRoot)).front().entry;
  };
  write();
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  const BackupOnDisk backup(Must(MakeBackup(*keystore_)).bytes);
  Flip("contents", KeyOf(write().number, kCertificate));
  Must(MergeBackup(Must(backup.Open()), *keystore_, kRoot));
  EXPECT_EQ(Unsound(*keystore_), "");
}

TEST_P(AuthorityDamage, ADamagedLineHoldsNoMergeUp) {
  const Number entry = Place("web");
  const Number line = LineIn(entry).number;
  Must(keystore_->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
  const BackupOnDisk backup(Must(MakeBackup(*keystore_)).bytes);
  const std::string certificate = Text(entry, kCertificate);
  Must(keystore_->RemoveFile(entry, kCertificate, kRoot));
  Flip("issued", KeyOf(line));
  Must(MergeBackup(Must(backup.Open()), *keystore_, kRoot));
  EXPECT_EQ(Text(entry, kCertificate), certificate);
}

// It may be readable again tomorrow.
TEST_P(AuthorityDamage, AnAuthorityWhoseRootIsDamagedDoesNotRetire) {
  {
    CertificateAuthority authority(*keystore_);
    Must(authority.BeginReplacement(NewRoot("New Root"), false, false, kRoot));
    while (Must(authority.StepReplacement(4, kRoot)).replacement) continue;
  }
  const Number root = Must(Must(keystore_->Snapshot())->GetAuthority()).Find(1)->root_entry;
  Flip("contents", KeyOf(root, kCertificate));
  EXPECT_EQ(CodeOf(Authority().Retire(true, kRoot)), ErrorCode::kCorrupt);
  EXPECT_NE(Must(Must(keystore_->Snapshot())->GetAuthority()).Find(1)->role, AuthorityRole::kRetired);
  Must(keystore_->RemoveFile(root, kCertificate, kRoot));
  EXPECT_EQ(Must(Authority().Retire(true, kRoot)), std::vector<std::uint32_t>{1});
}

// Otherwise all entries would be passed over, and the old root be trusted no more with everything under it.
TEST_P(AuthorityDamage, WhereNothingCanBeJudgedNothingIsReplaced) {
  Put(Make("TRUSTED_ROOTS", "root"), kCertificate, "root.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "root");
  Put(list, kList, "crl-5.pem");
  Place("a");
  Must(Authority().BeginReplacement(NewRoot("New Root"), true, false, kRoot));
  Flip("contents", KeyOf(list, kList));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(CodeOf(Authority().StepReplacement(4, kRoot)), ErrorCode::kCorrupt);
  EXPECT_NE(Record().Find(1)->role, AuthorityRole::kRetired);
  Flip("contents", KeyOf(list, kList));
  EXPECT_FALSE(Must(Authority().StepReplacement(4, kRoot)).replacement);
  EXPECT_EQ(Record().Find(1)->role, AuthorityRole::kRetired);
  EXPECT_EQ(Unsound(*keystore_), "");
}

TEST_P(AuthorityDamage, ADamagedEntryHoldsNoReplacementUp) {
  const Number damaged = Place("damaged");
  const Number whole = Place("whole");
  Flip("entries", KeyOf(damaged));
  EXPECT_EQ(Must(Authority().PlanRenewals(*Must(keystore_->Snapshot()), std::chrono::days(900))).size(), 1U);
  Must(Authority().BeginReplacement(NewRoot("New Root"), false, false, kRoot));
  EXPECT_FALSE(Must(Authority().StepReplacement(4, kRoot)).replacement);
  EXPECT_EQ(LineIn(whole).authority, 2U);
}

TEST_P(AuthorityDamage, ADamagedLineHoldsNoReplacementUp) {
  const Number damaged = Place("damaged");
  const Number whole = Place("whole");
  Flip("issued", KeyOf(LineIn(damaged).number));
  Must(Authority().BeginReplacement(NewRoot("New Root"), false, false, kRoot));
  EXPECT_EQ(Must(Authority().Progress(*Must(keystore_->Snapshot()))).left, 1U);
  EXPECT_EQ(Must(CertificateAuthority::NextEntries(*Must(keystore_->Snapshot()), 4)),
            std::vector<Number>{whole});
  EXPECT_FALSE(Must(Authority().StepReplacement(4, kRoot)).replacement);
  EXPECT_EQ(LineIn(whole).authority, 2U);
  // Nor does it keep anybody from the entry.
  Must(keystore_->RemoveFile(damaged, kCertificate, kRoot));
}

// Its list is the authority's own, which knows what belongs on it; but whoever else has its key may have
// revoked there, too.
TEST_P(AuthorityDamage, ItsOwnListIsSignedAnewWhenAskedFor) {
  const Number entry = Place("a");
  Must(Authority().Revoke(LineIn(entry).serial, RevocationReason::kUnspecified, kRoot));
  const Number list = Record().Find(1)->crl_entry;
  Flip("contents", KeyOf(list, kList));
  EXPECT_EQ(CodeOf(Authority().RefreshLists(false)), ErrorCode::kCorrupt);
  EXPECT_EQ(Must(Authority().RefreshLists(true)), 1U);
  EXPECT_EQ(Record().Find(1)->crl_entry, list);
  const auto trust = Must(keystore_->GetTrust(*Must(keystore_->Snapshot())));
  EXPECT_FALSE(trust->lists_damaged);
  ASSERT_EQ(trust->set.lists().size(), 1U);
  EXPECT_TRUE(trust->set.lists()[0].Revokes(CertificateIn(LineIn(entry))));
}

// The salvaged ledger knows nothing of a line that was damaged: the list of before does.
TEST_P(AuthorityDamage, WhatIsSalvagedStaysRevoked) {
  const Number entry = Place("a");
  Place("b");
  const IssuedCertificate line = LineIn(entry);
  Must(Authority().Revoke(line.serial, RevocationReason::kKeyCompromise, kRoot));
  SpoilEverywhere("issued", KeyOf(line.number));
  const TemporaryDirectory other;
  const auto into = other.path() / "salvaged";
  const SalvageReport report =
      Must(SalvageKeystore(directory_.path(), TestSecret(), into, TestSecret(), kRoot, clock_.get()));
  EXPECT_EQ(report.Count(Fate::kDoubtful) + report.Count(Fate::kDamaged), 1U);
  keystore_ = Must(Keystore::Open(into, TestSecret(), clock_.get()));
  EXPECT_EQ(Must(Authority().RefreshLists(true)), 1U);
  const auto trust = Must(keystore_->GetTrust(*Must(keystore_->Snapshot())));
  ASSERT_EQ(trust->set.lists().size(), 1U);
  EXPECT_TRUE(trust->set.lists()[0].Revokes(CertificateIn(line)));
  const auto known = Must(Must(keystore_->Snapshot())->FindIssued(line.serial));
  ASSERT_TRUE(known);
  EXPECT_TRUE(known->revocation);
  keystore_.reset();
}

}  // namespace

}  // namespace certfs
