// Goal: whatever becomes of a replacement of the root, each live pair matches and verifies against the roots
// of that very moment, and in the end there is one root that issues. Method: whole replacements over both
// tables; one of a keystore on disk in a process that is killed at twenty places, while all pairs are checked
// again and again.

#include <algorithm>
#include <thread>

#include "store/memory_table.h"
#include "tests/store/authority_door.h"
#include "tests/store/child_process.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using namespace std::chrono_literals;

class AuthorityReplacementTest : public AuthorityDoor {
 protected:
  AuthorityReplacementTest() {
    Create();
    for (int i = 0; i < 10; ++i) Place("vpxd", "e" + std::to_string(i), "e" + std::to_string(i) + ".test");
    Place("MACHINE_SSL_CERT", "web", "web.test");
  }
  void Begin(bool compromised = false, bool rekey = false) {
    Must(authority_.BeginReplacement(NewRoot("New Root"), compromised, rekey, kRoot));
    EXPECT_EQ(Sound(), "");
  }
  ReplacementProgress Step(std::size_t count = 4) {
    const ReplacementProgress progress = Must(authority_.StepReplacement(count, kRoot));
    EXPECT_EQ(Sound(), "");
    return progress;
  }
  void StepToTheEnd() {
    for (int steps = 0; Step().replacement; ++steps) ASSERT_LT(steps, 20);
  }
  std::size_t Trusted() {
    return Must(keystore_->GetTrust(*Must(keystore_->Snapshot())))->set.authorities().size();
  }
  // An entry with a certificate that cannot be issued for it again.
  Number PlaceWhatIsRefusedNext() {
    const auto built_in = [](std::string_view name) {
      const auto all = BuiltInProfiles();
      return AsBytes(
          std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name; })->toml);
    };
    Must(authority_.SetProfile("mine", built_in("server")));
    EntryOrder order = EntryFor("MACHINE_SSL_CERT", "odd", "odd.test");
    order.issue.profile = "mine";
    Must(authority_.WriteEntries({&order, 1}, "", false, kRoot));
    Must(authority_.SetProfile("mine", built_in("client")));
    return FindIn("MACHINE_SSL_CERT", "odd")->number;
  }
  // Under which certificate of the authority the entry's one was issued.
  std::uint32_t IssuerIn(const std::string& alias) { return LineIn(FindIn("vpxd", alias)->number).authority; }
  std::string PairIn(const std::string& alias) {
    const Number entry = FindIn("vpxd", alias)->number;
    return Text(entry, Member::kCertificate) + Text(entry, Member::kKey);
  }
};

TEST_P(AuthorityReplacementTest, PlannedAllIsReissuedAndTheOldOneRetires) {
  const std::string key = Text(FindIn("vpxd", "e3")->number, Member::kKey);
  Begin();
  EXPECT_EQ(Trusted(), 2U);
  EXPECT_EQ(Record().replacement->total, 11U);
  EXPECT_EQ(Must(authority_.Progress(*Must(keystore_->Snapshot()))).left, 11U);
  // What is asked for meanwhile comes from the new one.
  EXPECT_EQ(Must(authority_.Issue(OrderFor("later.test"), kRoot)).record.authority, 2U);
  EXPECT_EQ(Step(4).left, 7U);
  EXPECT_EQ(Step(4).left, 3U);
  EXPECT_EQ(Must(authority_.Progress(*Must(keystore_->Snapshot()))).left, 3U);
  EXPECT_FALSE(Step(4).replacement);
  const AuthorityRecord record = Record();
  EXPECT_FALSE(record.replacement);
  EXPECT_EQ(record.Issuing()->id, 2U);
  EXPECT_EQ(record.Find(1)->role, AuthorityRole::kRetiring);
  EXPECT_EQ(Trusted(), 2U) << "what was handed out elsewhere is still good";
  EXPECT_EQ(Text(FindIn("vpxd", "e3")->number, Member::kKey), key);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(IssuerIn("e" + std::to_string(i)), 2U);
  // Once its last certificate has expired, it goes.
  EXPECT_TRUE(Must(authority_.Retire(false, kRoot)).empty());
  clock_.Tick(24h * 399);
  EXPECT_EQ(Must(authority_.Retire(false, kRoot)), std::vector<std::uint32_t>{1});
  EXPECT_EQ(Trusted(), 1U);
  EXPECT_EQ(Record().Find(1)->role, AuthorityRole::kRetired);
  EXPECT_TRUE(Record().Find(1)->key.empty());
  EXPECT_TRUE(Must(authority_.Retire(true, kRoot)).empty());
}

// People may have put it in under a name of their own.
TEST_P(AuthorityReplacementTest, WhatIsDistrustedIsTrustedInNoEntry) {
  const std::string root = Text(Record().Find(1)->root_entry, Member::kCertificate);
  Must(Write(Make("TRUSTED_ROOTS", "once-more"), Member::kCertificate, AsBytes(root)));
  Begin(true);
  StepToTheEnd();
  EXPECT_EQ(Trusted(), 1U);
  EXPECT_FALSE(FindIn("TRUSTED_ROOTS", "once-more"));
}

TEST_P(AuthorityReplacementTest, CompromisedTheOldOneIsDistrustedAtOnce) {
  const std::string key = Text(FindIn("vpxd", "e3")->number, Member::kKey);
  Begin(true, true);
  StepToTheEnd();
  EXPECT_EQ(Trusted(), 1U);
  EXPECT_EQ(Must(keystore_->GetTrust(*Must(keystore_->Snapshot())))->list_entries.size(), 1U);
  EXPECT_EQ(Record().Find(1)->role, AuthorityRole::kRetired);
  EXPECT_TRUE(Record().Find(1)->key.empty());
  EXPECT_NE(Text(FindIn("vpxd", "e3")->number, Member::kKey), key);
  // Nobody gets the old ones in any more.
  const auto kept = FindIn("BACKUP_STORE", "bkp_web");
  ASSERT_TRUE(kept);
  const std::string old = Text(kept->number, Member::kCertificate);
  EXPECT_EQ(CodeOf(Write(Make("MACHINE_SSL_CERT", "old"), Member::kCertificate, AsBytes(old))),
            ErrorCode::kRejected);
  // Its list is gone, and the ledger still knows.
  for (const IssuedCertificate& line : Lines()) {
    if (line.authority != 1) continue;
    Must(authority_.Revoke(line.serial, RevocationReason::kCaCompromise, kRoot));
    EXPECT_EQ(StateOf(Line(line.serial), clock_.now()), IssuedState::kRevoked);
  }
  EXPECT_EQ(Must(keystore_->GetTrust(*Must(keystore_->Snapshot())))->list_entries.size(), 1U);
}

TEST_P(AuthorityReplacementTest, TakenBackEveryEntryHasWhatItHad) {
  for (const bool rekey : {false, true}) {
    SCOPED_TRACE(rekey);
    std::vector<std::string> before;
    for (int i = 0; i < 10; ++i) before.push_back(PairIn("e" + std::to_string(i)));
    Begin(false, rekey);
    Step(4);
    Step(4);
    Place("vpxd", "new" + std::to_string(rekey), "new.test");  // By the new root.
    Must(authority_.RollBackReplacement(kRoot));
    StepToTheEnd();
    for (int i = 0; i < 10; ++i)
      EXPECT_EQ(PairIn("e" + std::to_string(i)), before[static_cast<std::size_t>(i)]);
    EXPECT_EQ(IssuerIn("new" + std::to_string(rekey)), 1U)
        << "what came meanwhile is certified by the old one";
    EXPECT_EQ(Record().Issuing()->id, 1U);
    EXPECT_EQ(Record().certificates.back().role, AuthorityRole::kRetired);
    EXPECT_TRUE(Record().certificates.back().key.empty());
    EXPECT_EQ(Trusted(), 1U);
  }
}

// The end of a replacement is no end of the way back, as long as the old root is there to go back to.
TEST_P(AuthorityReplacementTest, TakenBackAfterItsEnd) {
  std::vector<std::string> before;
  for (int i = 0; i < 10; ++i) before.push_back(PairIn("e" + std::to_string(i)));
  Begin(false, true);
  StepToTheEnd();
  Place("vpxd", "new", "new.test");  // By the new root.
  Must(authority_.RollBackReplacement(kRoot));
  EXPECT_EQ(Record().Issuing()->id, 1U);
  ASSERT_TRUE(Record().replacement);
  EXPECT_GE(Record().replacement->total, 11U);
  EXPECT_EQ(Record().last_operation->name, kReplaceRootOperation);
  EXPECT_EQ(CodeOf(authority_.RevertLast(false, kRoot)), ErrorCode::kNotFound) << "not so";
  Step(4);
  StepToTheEnd();
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(PairIn("e" + std::to_string(i)), before[static_cast<std::size_t>(i)]);
  EXPECT_EQ(IssuerIn("new"), 1U);
  EXPECT_EQ(Record().Find(2)->role, AuthorityRole::kRetired);
  EXPECT_EQ(Trusted(), 1U);
  EXPECT_TRUE(Record().last_operation->reverted);
  EXPECT_EQ(CodeOf(authority_.RollBackReplacement(kRoot)), ErrorCode::kNotFound) << "there is none before it";
}

// Nobody can take back what lies somewhere else: the root that issued it stays trusted, and retires.
TEST_P(AuthorityReplacementTest, TakenBackWhatWasHandedOutMeanwhileStaysGood) {
  Begin();
  Step(4);
  const IssuedCertificate elsewhere =
      Must(authority_.Issue(OrderFor("elsewhere.test"), kRoot)).record.Clone();
  ASSERT_EQ(elsewhere.authority, 2U);
  Must(authority_.RollBackReplacement(kRoot));
  StepToTheEnd();
  EXPECT_EQ(Record().Issuing()->id, 1U);
  EXPECT_EQ(Record().Find(2)->role, AuthorityRole::kRetiring);
  EXPECT_EQ(Trusted(), 2U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(IssuerIn("e" + std::to_string(i)), 1U);
  EXPECT_EQ(CodeOf(authority_.RollBackReplacement(kRoot)), ErrorCode::kNotFound) << "there is none before it";
  // Until nobody relies on it any more.
  clock_.Tick(24h * 399);
  EXPECT_EQ(Must(authority_.Retire(false, kRoot)), std::vector<std::uint32_t>{2});
  EXPECT_EQ(Trusted(), 1U);
}

TEST_P(AuthorityReplacementTest, WhatIsDistrustedIsNotTakenBackTo) {
  Begin(true, false);
  StepToTheEnd();
  EXPECT_EQ(CodeOf(authority_.RollBackReplacement(kRoot)), ErrorCode::kNotFound);
  EXPECT_EQ(Record().Issuing()->id, 2U);
}

// The old pair is in BACKUP_STORE no more, or was revoked: the entry gets a new one, of the old root.
TEST_P(AuthorityReplacementTest, WhatCannotComeBackIsMadeAnew) {
  Begin(false, true);
  ASSERT_TRUE(Step(10).replacement);
  std::vector<std::string> moved;
  for (int i = 0; i < 10; ++i) {
    const std::string alias = "e" + std::to_string(i);
    if (IssuerIn(alias) == 2) moved.push_back(alias);
  }
  ASSERT_GE(moved.size(), 9U);
  Must(keystore_->RemoveEntry(StoreNumber("BACKUP_STORE"), AliasOf("bkp_" + moved[0]), kRoot));
  const SerialNumber revoked = *LineIn(FindIn("vpxd", moved[1])->number).replaces;
  Must(authority_.Revoke(revoked, RevocationReason::kSuperseded, kRoot));
  Must(authority_.RollBackReplacement(kRoot));
  StepToTheEnd();
  EXPECT_EQ(IssuerIn(moved[0]), 1U);
  EXPECT_EQ(IssuerIn(moved[1]), 1U);
  EXPECT_NE(LineIn(FindIn("vpxd", moved[1])->number).serial, revoked);
}

// Its profile is gone, so that it cannot be issued again: it keeps what it has, and holds nothing up.
TEST_P(AuthorityReplacementTest, WhatCannotBeReissuedHoldsNothingUp) {
  Must(authority_.SetProfile("mine",
                             AsBytes(Must(authority_.Profiles(*Must(keystore_->Snapshot()))).back().second)));
  EntryOrder order = EntryFor("vpxd", "odd", "odd.test");
  order.issue.profile = "mine";
  Must(authority_.WriteEntries({&order, 1}, "", false, kRoot));
  Must(authority_.SetProfile("mine", {}));
  const std::string before = PairIn("odd");
  Begin();
  StepToTheEnd();
  EXPECT_EQ(PairIn("odd"), before);
  EXPECT_EQ(IssuerIn("odd"), 1U);
  EXPECT_EQ(Record().Issuing()->id, 2U);
  EXPECT_EQ(Record().Find(1)->role, AuthorityRole::kRetiring) << "it is still trusted for that one";
  EXPECT_EQ(IssuerIn("e0"), 2U);
}

// Its profile makes no servers any more: the entry refuses what it gets, and the others of the same step go
// on.
TEST_P(AuthorityReplacementTest, WhatAnEntryRefusesHoldsNothingUp) {
  const Number odd = PlaceWhatIsRefusedNext();
  const std::string before = Text(odd, Member::kCertificate);
  Begin();
  EXPECT_FALSE(Step(20).replacement) << "all in one step";
  EXPECT_EQ(Text(odd, Member::kCertificate), before);
  EXPECT_EQ(Record().Issuing()->id, 2U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(IssuerIn("e" + std::to_string(i)), 2U);
}

// Otherwise a compromised root would be distrusted, and everything with it, while nothing was put in its
// place.
TEST_P(AuthorityReplacementTest, CompromisedItDoesNotEndWithNothingReissued) {
  for (const char* const store : {"vpxd", "MACHINE_SSL_CERT"}) {
    for (const std::string alias : {"e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9", "web"}) {
      if (const auto entry = FindIn(store, alias))
        Must(keystore_->RemoveFile(entry->number, Member::kCertificate, kRoot));
    }
  }
  const Number odd = PlaceWhatIsRefusedNext();
  Begin(true);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(CodeOf(authority_.StepReplacement(20, kRoot)), ErrorCode::kRejected);
  EXPECT_EQ(Record().Issuing()->id, 1U);
  EXPECT_EQ(Trusted(), 2U);
  Must(keystore_->RemoveFile(odd, Member::kCertificate, kRoot));
  EXPECT_FALSE(Step(20).replacement);
  EXPECT_EQ(Trusted(), 1U);
}

// What others know is a key, whatever certificates there are of it.
TEST_P(AuthorityReplacementTest, CompromisedItGoesWithEveryCertificateOfItsKey) {
  const AuthorityRecord record = Record();
  const PrivateKey key = Must(PrivateKey::FromDer(record.Issuing()->key.Reveal()));
  RootOptions options;
  const Certificate old = Must(Certificate::FromDer(record.Issuing()->certificate));
  options.name.assign(old.subject_der().begin(), old.subject_der().end());
  const auto renewed = [&] {
    return Must(MakeRoot(options, Must(RandomSerialNumber()),
                         std::chrono::floor<std::chrono::seconds>(clock_.now()), *Must(MakeSigner(key))));
  };
  Must(authority_.Import(key, {renewed()}, true, kRoot));
  ExpectRefused(
      ErrorCode::kRejected, [&] { return authority_.BeginReplacement(key, {renewed()}, true, false, kRoot); },
      "compromised-key");
  EXPECT_FALSE(Record().replacement);
  Begin(true);
  EXPECT_EQ(Record().replacement->total, 11U) << "what the first of the two certificates issued";
  StepToTheEnd();
  EXPECT_EQ(Record().Find(1)->role, AuthorityRole::kRetired);
  EXPECT_EQ(Record().Find(2)->role, AuthorityRole::kRetired);
  EXPECT_TRUE(Record().Find(1)->key.empty());
  EXPECT_EQ(Trusted(), 1U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(IssuerIn("e" + std::to_string(i)), 3U);
}

// A key that others have is certified no more, neither anew nor by what it had before.
TEST_P(AuthorityReplacementTest, TakenBackALostKeyDoesNotReturn) {
  const auto key_in = [&](const char* alias) { return Text(FindIn("vpxd", alias)->number, Member::kKey); };
  const std::string lost = key_in("e1");
  const std::string lost_before = key_in("e2");
  const SerialNumber former = LineIn(FindIn("vpxd", "e2")->number).serial;
  Begin();
  Step(20);
  EXPECT_EQ(key_in("e1"), lost);
  Must(authority_.Revoke(LineIn(FindIn("vpxd", "e1")->number).serial, RevocationReason::kKeyCompromise,
                         kRoot));
  Must(authority_.Revoke(former, RevocationReason::kKeyCompromise, kRoot));
  Must(authority_.RollBackReplacement(kRoot));
  for (int steps = 0; Must(authority_.StepReplacement(4, kRoot)).replacement; ++steps) ASSERT_LT(steps, 20);
  EXPECT_NE(key_in("e1"), lost);
  EXPECT_NE(key_in("e2"), lost_before);
  EXPECT_EQ(IssuerIn("e1"), 1U);
  EXPECT_EQ(IssuerIn("e2"), 1U);
  EXPECT_EQ(Sound(), "");
}

TEST_P(AuthorityReplacementTest, OneAtATime) {
  EXPECT_EQ(CodeOf(authority_.StepReplacement(1, kRoot)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(authority_.RollBackReplacement(kRoot)), ErrorCode::kNotFound);
  Begin();
  ExpectRefused(
      ErrorCode::kBusy, [&] { return authority_.BeginReplacement(NewRoot("Third"), false, false, kRoot); },
      "replacement-under-way");
}

INSTANTIATE_TEST_SUITE_P(Keystores, AuthorityReplacementTest, kBothDoors, NameOfDoor);

// --- Killed at twenty places

class KilledReplacementTest : public testing::TestWithParam<const char*> {
 protected:
  KilledReplacementTest() {
    Must(Keystore::Create(directory_.path(), TestSecret(), kRoot, clock_.get()));
    keystore_ = Open();
    CertificateAuthority authority(*keystore_);
    Must(authority.Create(NewRoot(), kRoot));
    std::vector<EntryOrder> orders;
    for (int i = 0; i < entries_; ++i) {
      const std::string name = "e" + std::to_string(i);
      orders.push_back(EntryFor("vpxd", name, name + ".test"));
    }
    Must(authority.WriteEntries(orders, "", false, kRoot));
  }
  std::unique_ptr<Keystore> Open() {
    return Must(Keystore::Open(directory_.path(), TestSecret(), clock_.get()));
  }
  std::vector<std::string> Run(const std::string& what) {
    std::vector<std::string> arguments{ROOT_REPLACER, directory_.path().string(), what};
    if (std::string_view(GetParam()) == "rekey") arguments.emplace_back("rekey");
    return arguments;
  }
  // Kills a run at some place within its last of so many steps. Looks at everything all the while.
  void KillDuring(const std::string& what, int steps, std::chrono::microseconds later) {
    ChildProcess child(Run(what));
    for (int i = 1; i < steps && child.Read(); ++i) {
      child.Say();
      ASSERT_EQ(Unsound(*keystore_), "");
    }
    if (child.Read()) {
      child.Say();
      std::this_thread::sleep_for(later);  // Nothing is waited for: any place will do.
    }
    child.Kill();
    ASSERT_EQ(Unsound(*keystore_), "");
  }

  const int entries_ = std::min(100, Rounds(100, 60));
  TemporaryDirectory directory_;
  FixedClock clock_;
  std::unique_ptr<Keystore> keystore_;
};

TEST_P(KilledReplacementTest, GoesOnOrIsTakenBack) {
  {
    // Killed as soon as it has begun.
    ChildProcess child(Run("begin"));
    ASSERT_TRUE(child.Read());
    child.Kill();
    ASSERT_EQ(Unsound(*keystore_), "");
  }
  for (int place = 0; place < 10; ++place)
    KillDuring("step", 1 + place % 2, std::chrono::microseconds(500 * place));
  const auto half = Must(Must(keystore_->Snapshot())->GetAuthority());
  ASSERT_TRUE(half.replacement) << "it was killed before its end";
  const bool back = std::string_view(GetParam()) == "back";
  if (back) KillDuring("back", 1, 200us);
  for (int place = 0; place < 9; ++place) KillDuring("step", 1, std::chrono::microseconds(700 * place));
  ChildProcess child(Run("step"));
  while (child.Read()) {
    child.Say();
    ASSERT_EQ(Unsound(*keystore_), "");
  }
  EXPECT_EQ(child.Wait(), 0);
  const auto record = Must(Must(keystore_->Snapshot())->GetAuthority());
  EXPECT_FALSE(record.replacement);
  EXPECT_EQ(record.Issuing()->id, back ? 1U : 2U);
  EXPECT_EQ(Unsound(*keystore_), "");
  // Nothing is forgotten: every entry has one live certificate of whoever issues now.
  int live = 0;
  for (const IssuedCertificate& line : LinesOf(*Must(keystore_->Snapshot()))) {
    if (line.entry == 0) continue;
    ++live;
    EXPECT_EQ(line.authority, record.Issuing()->id);
  }
  EXPECT_EQ(live, entries_);
}

INSTANTIATE_TEST_SUITE_P(Ways, KilledReplacementTest, testing::Values("same", "rekey", "back"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace certfs
