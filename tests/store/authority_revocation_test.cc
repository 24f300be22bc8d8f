// Goal: a revocation is in the ledger, on the list and in force at once or not at all, and lists are never
// stale. Method: revocations and refreshes over both tables at moments of a fixed clock; each call of the
// table fails once.

#include "crypto/sealing.h"
#include "store/memory_table.h"
#include "tests/store/authority_door.h"
#include "tests/store/faulty_table.h"

namespace certfs {
namespace {

using namespace std::chrono_literals;

class AuthorityRevocationTest : public AuthorityDoor {
 protected:
  AuthorityRevocationTest() { Create(); }
};

TEST_P(AuthorityRevocationTest, RevokingIsInForceAtOnce) {
  const IssuedCertificate line = Place("MACHINE_SSL_CERT", "web", "web.test");
  const auto before = List(1);
  EXPECT_FALSE(before.Revokes(CertificateIn(line)));
  clock_.Tick();
  Must(authority_.Revoke(line.serial, RevocationReason::kKeyCompromise, kRoot));
  const auto after = List(1);
  EXPECT_TRUE(after.Revokes(CertificateIn(line)));
  EXPECT_GT(after.number(), before.number());
  ASSERT_EQ(after.revoked().size(), 1U);
  EXPECT_EQ(after.revoked().front().reason, RevocationReason::kKeyCompromise);
  EXPECT_EQ(StateOf(Line(line.serial), clock_.now()), IssuedState::kRevoked);
  EXPECT_EQ(*after.next_update() - clock_.now(), 7 * 24h);
  // Nobody writes it anywhere any more.
  const auto entry = FindIn("MACHINE_SSL_CERT", "web");
  const std::string certificate = Text(entry->number, Member::kCertificate);
  const std::string key = Text(entry->number, Member::kKey);
  const Number copy = Make("vpxd", "copy");
  Must(Write(copy, Member::kKey, AsBytes(key)));
  ExpectRefused(
      ErrorCode::kRevoked, [&] { return Write(copy, Member::kCertificate, AsBytes(certificate)); },
      "revoked");
}

TEST_P(AuthorityRevocationTest, OnceAndOnlyOurs) {
  const Issued issued = Must(authority_.Issue(OrderFor("a.test"), kRoot));
  Must(authority_.Revoke(issued.record.serial, RevocationReason::kSuperseded, kRoot));
  ExpectRefused(
      ErrorCode::kAlreadyExists,
      [&] { return authority_.Revoke(issued.record.serial, RevocationReason::kUnspecified, kRoot); },
      "revoked-already");
  SerialNumber other = issued.record.serial;
  other[3] ^= 1;
  ExpectRefused(
      ErrorCode::kNotFound, [&] { return authority_.Revoke(other, RevocationReason::kUnspecified, kRoot); },
      "not-issued-here");
  EXPECT_EQ(StateOf(Line(other), clock_.now()), IssuedState::kUnknown);
}

TEST_P(AuthorityRevocationTest, ListsAreSignedAnewBeforeHalfTheirLifeIsOver) {
  const auto first = List(1).number();
  EXPECT_EQ(Must(authority_.RefreshLists(false)), 0U);
  clock_.Tick(84h - 1s);
  EXPECT_EQ(Must(authority_.RefreshLists(false)), 0U);
  clock_.Tick(1s);
  EXPECT_EQ(Must(authority_.RefreshLists(false)), 1U);
  const auto second = List(1).number();
  EXPECT_GT(second, first);
  EXPECT_EQ(Must(authority_.RefreshLists(true)), 1U);
  EXPECT_GT(List(1).number(), second) << "also within one second";
}

// RFC 5280, 3.3: it stays until it was on a list that was issued after its end.
TEST_P(AuthorityRevocationTest, WhatHasExpiredLeavesTheListAfterOneMore) {
  IssueOrder order = OrderFor("a.test");
  order.lifetime = 48h;
  const Issued short_one = Must(authority_.Issue(order, kRoot));
  const Issued long_one = Must(authority_.Issue(OrderFor("b.test"), kRoot));
  Must(authority_.Revoke(short_one.record.serial, RevocationReason::kUnspecified, kRoot));
  Must(authority_.Revoke(long_one.record.serial, RevocationReason::kUnspecified, kRoot));
  clock_.Tick(72h);
  Must(authority_.RefreshLists(true));
  EXPECT_EQ(List(1).revoked().size(), 2U) << "the first list beyond its end";
  clock_.Tick(1h);
  Must(authority_.RefreshLists(true));
  EXPECT_EQ(List(1).revoked().size(), 1U);
  EXPECT_TRUE(List(1).Revokes(CertificateIn(long_one.record)));
  EXPECT_EQ(StateOf(Line(short_one.record.serial), clock_.now()), IssuedState::kRevoked)
      << "the ledger forgets nothing";
}

TEST_P(AuthorityRevocationTest, WhatSomebodyTookAwayIsMadeAgain) {
  const AuthorityRecord record = Record();
  const Number root = record.Issuing()->root_entry;
  Must(keystore_->RemoveFile(root, Member::kCertificate, kRoot));
  Must(keystore_->RemoveEntry(StoreNumber(kTrustedRoots), Get(root).alias, kRoot));
  EXPECT_EQ(Must(authority_.RefreshLists(false)), 1U);
  EXPECT_EQ(Must(keystore_->GetTrust(*Must(keystore_->Snapshot())))->set.authorities().size(), 1U);
  EXPECT_NE(Record().Issuing()->root_entry, root);
  // Renamed is not gone.
  const Entry list = Get(record.Issuing()->crl_entry);
  Must(keystore_->RenameEntry(list.store, list.alias, AliasOf("renamed"), kRoot));
  EXPECT_EQ(Must(authority_.RefreshLists(false)), 0U);
  EXPECT_EQ(Must(authority_.RefreshLists(true)), 1U);
  EXPECT_EQ(Get(record.Issuing()->crl_entry).alias.text(), "renamed");
  EXPECT_EQ(Must(keystore_->GetTrust(*Must(keystore_->Snapshot())))->list_entries.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Keystores, AuthorityRevocationTest, kBothDoors, NameOfDoor);

// --- Nothing is half done

struct Faulted {
  Faulted() {
    keystore =
        Must(Keystore::Over(std::make_unique<FaultyTable>(MakeMemoryTable(), faults), kRoot, clock.get()));
    authority = std::make_unique<CertificateAuthority>(*keystore);
    Must(authority->Create(NewRoot(), kRoot));
    serial = Must(authority->Issue(OrderFor("a.test"), kRoot)).record.serial;
    const EntryOrder order = EntryFor("vpxd", "b", "b.test");
    entry = Must(authority->WriteEntries({&order, 1}, "first", false, kRoot)).front().entry.number;
  }
  // All that a snapshot shows, with the authority and its ledger.
  std::string State() {
    const Faults armed = std::exchange(faults, Faults{});
    const auto snapshot = Must(keystore->Snapshot());
    std::string state = Describe(*snapshot);
    const AuthorityRecord record = Must(snapshot->GetAuthority());
    state += ToHex(Sha256({EncodeAuthority(record).Reveal()}));
    for (const IssuedCertificate& line : LinesOf(*snapshot))
      state += ToHex(Sha256({EncodeIssued(line).Reveal()}));
    faults = armed;
    return state;
  }
  FixedClock clock;
  Faults faults;
  std::unique_ptr<Keystore> keystore;
  std::unique_ptr<CertificateAuthority> authority;
  SerialNumber serial{};
  Number entry = 0;
};

template <typename T>
Result<void> Drop(Result<T> result) {
  if (!result.has_value()) return std::move(result).error();
  return {};
}

TEST(AuthorityFaults, NothingIsHalfDone) {
  const struct {
    const char* name;
    std::function<Result<void>(Faulted&)> run;
  } operations[] = {
      {"Issue", [](Faulted& at) { return Drop(at.authority->Issue(OrderFor("c.test", "c"), kRoot)); }},
      {"Issue, the same name again",
       [](Faulted& at) { return Drop(at.authority->Issue(OrderFor("c.test", "c"), kRoot)); }},
      {"RemovePickup", [](Faulted& at) { return at.authority->RemovePickup("c"); }},
      {"Revoke",
       [](Faulted& at) { return at.authority->Revoke(at.serial, RevocationReason::kUnspecified, kRoot); }},
      {"RefreshLists", [](Faulted& at) { return Drop(at.authority->RefreshLists(true)); }},
      {"Renew", [](Faulted& at) { return Drop(at.authority->Renew(at.entry, true, kRoot)); }},
      {"WriteEntries",
       [](Faulted& at) {
         const std::vector<EntryOrder> orders = [] {
           std::vector<EntryOrder> made;
           made.push_back(EntryFor("vpxd", "b", "b.test"));
           made.push_back(EntryFor("vpxd", "new", "new.test"));
           return made;
         }();
         return Drop(at.authority->WriteEntries(orders, "two", false, kRoot));
       }},
      {"RevertLast", [](Faulted& at) { return Drop(at.authority->RevertLast(false, kRoot)); }},
      {"BeginReplacement",
       [](Faulted& at) { return at.authority->BeginReplacement(NewRoot("New"), false, false, kRoot); }},
      {"StepReplacement", [](Faulted& at) { return Drop(at.authority->StepReplacement(10, kRoot)); }},
      {"Retire", [](Faulted& at) { return Drop(at.authority->Retire(true, kRoot)); }},
  };
  constexpr std::size_t kCallsMax = 2000;
  for (const ErrorCode code : {ErrorCode::kIo, ErrorCode::kNoSpace}) {
    Faulted at;
    std::string before = at.State();
    for (const auto& [name, run] : operations) {
      SCOPED_TRACE(name);
      at.clock.Tick();
      for (std::size_t call = 1;; ++call) {
        ASSERT_LT(call, kCallsMax);
        at.faults = {call, code};
        const auto outcome = run(at);
        const std::size_t failed = std::exchange(at.faults, Faults{}).failed;
        const std::string after = at.State();
        if (outcome.has_value()) {
          EXPECT_EQ(failed, 0U) << "it went on after call " << call << " failed";
          EXPECT_NE(after, before) << "nothing was done";
          before = after;
          break;
        }
        EXPECT_EQ(ToString(outcome.error().code()), ToString(code)) << outcome.error().message();
        ASSERT_EQ(after, before) << "half done after call " << call << " failed";
      }
    }
  }
}

}  // namespace
}  // namespace certfs
