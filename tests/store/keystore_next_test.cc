// Goal: a new certificate and key wait for each other in the staged entry, and replace the live pair in one
// commit. Method: changes through the door on both tables, in either order, accepted and refused.

#include <ctime>

#include "store/memory_table.h"
#include "tests/store/faulty_table.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {
namespace {

using enum Member;

// A second pair, of another key than leaf.pem's.
constexpr auto kNewKey = "serial.key";
constexpr auto kNewCertificate = "serial-first.pem";

class KeystoreNext : public Door {
 protected:
  // An entry of `store` with a live pair, and its staged entry.
  Number MakePair(std::string_view store = "machine") {
    const Number number = Make(store, "www");
    Put(number, kKey, "leaf.key");
    Put(number, kCertificate, "leaf.pem");
    return number;
  }
  Number Next(Number live, Actor actor = kRoot) {
    return Must(keystore_->CreateNext(live, actor, 0755)).number;
  }
  static std::string TextOf(const std::string& vector) { return std::string(AsText(VectorOf(vector))); }
};

TEST_P(KeystoreNext, APairGoesLiveWhenItIsComplete) {
  for (const bool key_first : {true, false}) {
    const Number live = Make("machine", key_first ? "first" : "second");
    Put(live, kKey, "leaf.key");
    Put(live, kCertificate, "leaf.pem");
    Must(keystore_->SetFileAttributes(live, kKey, {0640, 33, 44, {}, {}}));
    const Entry before = Get(live);
    const Number next = Next(live);
    // The second lies in another store: one issuer and serial number stand in one certificate alone.
    clock_.Tick();
    if (key_first) {
      Put(next, kKey, kNewKey);
    } else {
      Put(next, kCertificate, kNewCertificate);
    }
    EXPECT_EQ(Text(live, kKey), TextOf("leaf.key"));
    EXPECT_EQ(Get(live).revision, before.revision);
    clock_.Tick();
    const WriteOutcome outcome =
        Must(key_first ? WriteVector(next, kCertificate, kNewCertificate) : WriteVector(next, kKey, kNewKey));
    ASSERT_TRUE(outcome.live);
    EXPECT_EQ(outcome.live->number, live);
    EXPECT_TRUE(outcome.entry.empty());
    EXPECT_TRUE(Get(next).empty());
    const Entry after = Get(live);
    EXPECT_EQ(after.revision, before.revision + 1);
    EXPECT_EQ(Text(live, kKey), TextOf(kNewKey));
    EXPECT_EQ(Text(live, kCertificate), TextOf(kNewCertificate));
    // Owner and mode are the live file's, the time is the commit's.
    EXPECT_EQ(after.file(kKey)->attributes.mode, 0640U);
    EXPECT_EQ(after.file(kKey)->attributes.uid, 33U);
    EXPECT_EQ(after.file(kKey)->attributes.mtime, clock_.now());
    EXPECT_EQ(after.file(kCertificate)->attributes.mtime, clock_.now());
  }
}

TEST_P(KeystoreNext, TheStateBeforeIsKeptOnce) {
  const Number live = MakePair();
  const Number next = Next(live);
  Put(next, kKey, kNewKey);
  Must(WriteVector(next, kCertificate, kNewCertificate));
  const auto snapshot = Must(keystore_->Snapshot());
  const auto kept =
      Must(snapshot->FindEntry(StoreNumber("BACKUP_STORE"), Must(Alias::ParseGiven("bkp_www"))));
  ASSERT_TRUE(kept);
  EXPECT_EQ(ReadText(*snapshot, *kept, kKey), TextOf("leaf.key"));
  EXPECT_EQ(ReadText(*snapshot, *kept, kCertificate), TextOf("leaf.pem"));
  EXPECT_FALSE(Must(snapshot->FindEntry(StoreNumber("BACKUP_STORE"), Must(Alias::ParseGiven("bkp_next")))));
}

TEST_P(KeystoreNext, AnEmptyEntryGetsItsFirstPairWithTheStagedAttributes) {
  const Number live = Make("machine", "www");
  const Number next = Next(live, kAlice);
  Must(Write(next, kKey, VectorOf(kNewKey), kAlice, {0666, {}, {}, {}, {}}));
  const Entry staged = Get(next);
  EXPECT_EQ(staged.file(kKey)->attributes.mode, 0660U);  // Never a bit for others.
  Must(Write(next, kCertificate, VectorOf(kNewCertificate), kAlice));
  const Entry after = Get(live);
  EXPECT_EQ(after.file(kKey)->attributes.uid, kAlice.uid);
  EXPECT_EQ(after.file(kKey)->attributes.mode, 0660U);
  EXPECT_EQ(after.file(kCertificate)->attributes.mode, 0644U);
}

TEST_P(KeystoreNext, TimesThatWereSetHoldForTheirMemberAndOthersDoNot) {
  const Number live = MakePair();
  const Number next = Next(live);
  const Time old = clock_.now() - std::chrono::hours(1000);
  Must(Write(next, kKey, VectorOf(kNewKey), kRoot, {{}, {}, {}, old, old}));
  clock_.Tick();
  Must(keystore_->SetFileAttributes(next, kKey, {0400, {}, {}, {}, {}}));
  clock_.Tick();
  Must(WriteVector(next, kCertificate, kNewCertificate));
  EXPECT_EQ(Get(live).file(kKey)->attributes.mtime, old);
  EXPECT_EQ(Get(live).file(kCertificate)->attributes.mtime, clock_.now());

  // A mode that was set is no time that was set.
  Put(next, kKey, "leaf.key");
  Must(keystore_->SetFileAttributes(next, kKey, {0400, {}, {}, {}, {}}));
  clock_.Tick();
  Must(WriteVector(next, kCertificate, "leaf.pem"));
  EXPECT_EQ(Get(live).file(kKey)->attributes.mtime, clock_.now());
}

TEST_P(KeystoreNext, WhatDoesNotFitIsRefusedAndTheOtherGoesOnWaiting) {
  const Number live = MakePair();
  const Number next = Next(live);
  Put(next, kKey, kNewKey);
  ExpectRefused(ErrorCode::kRejected, next, kCertificate, "leaf.pem", "key-mismatch");
  ExpectRefused(ErrorCode::kRejected, next, kCertificate, "expired.pem", "key-mismatch");
  EXPECT_EQ(Text(next, kKey), TextOf(kNewKey));
  Must(keystore_->RemoveFile(next, kKey, kRoot));
  Put(next, kCertificate, kNewCertificate);
  ExpectRefused(ErrorCode::kRejected, next, kKey, "leaf.key", "key-mismatch");

  EXPECT_EQ(Text(live, kKey), TextOf("leaf.key"));
  // A lone one is replaced by another that may wait as well.
  Must(WriteVector(next, kCertificate, "leaf.pem"));
  Must(WriteVector(next, kKey, "leaf.key"));
  EXPECT_TRUE(Get(next).empty());
}

TEST_P(KeystoreNext, ACertificateThatExpiredWhileItWaitedIsRefusedWithItsKey) {
  const Number live = Make("machine", "www");
  const Number next = Next(live);
  Put(next, kCertificate, "leaf.pem");
  clock_.Tick(std::chrono::hours(24) * 365 * 10);
  ExpectRefused(ErrorCode::kExpired, next, kKey, "leaf.key", "expired");
  EXPECT_TRUE(Get(live).empty());
}

TEST_P(KeystoreNext, ThePairThatIsLiveAlreadyMovesNothing) {
  const Number live = MakePair();
  const Entry before = Get(live);
  const Number next = Next(live);
  clock_.Tick();
  Put(next, kKey, "leaf.key");
  const WriteOutcome outcome = Must(WriteVector(next, kCertificate, "leaf.pem"));
  ASSERT_TRUE(outcome.live);
  EXPECT_EQ(Get(live).revision, before.revision);
  EXPECT_EQ(Get(live).file(kKey)->attributes.mtime, before.file(kKey)->attributes.mtime);
  EXPECT_TRUE(Get(next).empty());
}

TEST_P(KeystoreNext, OnlyPairsAreStaged) {
  const Number root = Make("TRUSTED_ROOTS", "root");
  Put(root, kCertificate, "root.pem");
  const Number list = Make("machine", "list");
  Put(list, kRevocationList, "crl-5.pem");
  const Number secret = Make("APPLMGMT_PASSWORD", "admin");
  for (const Number number : {root, list, secret, Make("TRUSTED_ROOTS_CRLS", "empty")}) {
    ExpectRefused(ErrorCode::kNotPermitted, [&] { return keystore_->CreateNext(number, kRoot, 0755); });
  }
  const Number live = MakePair("wcp");
  const Number next = Next(live);
  ExpectRefused(ErrorCode::kAlreadyExists, [&] { return keystore_->CreateNext(live, kRoot, 0755); });
  ExpectRefused(ErrorCode::kNotPermitted, [&] { return keystore_->CreateNext(next, kRoot, 0755); });
  ExpectRefused(ErrorCode::kNotPermitted, next, kRevocationList, "crl-5.pem");
  ExpectRefused(ErrorCode::kNotPermitted, [&] { return Write(next, kSecret, VectorOf("leaf.key")); });
  ExpectRefused(ErrorCode::kNotFound, [&] { return keystore_->CreateNext(999999, kRoot, 0755); });
  // What became live meanwhile may leave no room for a pair.
  const Number empty = Make("machine", "empty");
  const Number late = Next(empty);
  Put(empty, kRevocationList, "crl-5.pem");
  ExpectRefused(ErrorCode::kNotPermitted, late, kKey, "leaf.key");
}

TEST_P(KeystoreNext, AKeptStateHasNoNext) {
  const Number live = MakePair();
  Put(live, kCertificate, "chain.pem");
  const auto kept = Must(Must(keystore_->Snapshot())
                             ->FindEntry(StoreNumber("BACKUP_STORE"), Must(Alias::ParseGiven("bkp_www"))));
  ASSERT_TRUE(kept);
  ExpectRefused(ErrorCode::kReadOnly, [&] { return keystore_->CreateNext(kept->number, kRoot, 0755); });
}

TEST_P(KeystoreNext, ComesAndGoesWithItsEntry) {
  const Number live = Make("machine", "www");
  const Number next = Next(live);
  Put(next, kKey, kNewKey);
  ExpectRefused(ErrorCode::kNotEmpty, [&] { return keystore_->RemoveNext(live); });
  ExpectRefused(ErrorCode::kNotEmpty,
                [&] { return keystore_->RemoveEntry(StoreNumber("machine"), AliasOf("www"), kRoot); });
  Must(keystore_->RenameEntry(StoreNumber("machine"), AliasOf("www"), AliasOf("WEB"), kRoot));
  {
    const auto snapshot = Must(keystore_->Snapshot());
    const auto moved = Must(snapshot->FindEntry(StoreNumber("machine"), AliasOf("WEB").Next()));
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->number, next);
    EXPECT_EQ(ReadText(*snapshot, *moved, kKey), TextOf(kNewKey));
    EXPECT_FALSE(Must(snapshot->FindEntry(StoreNumber("machine"), AliasOf("www").Next())));
  }
  Must(keystore_->RemoveFile(next, kKey, kRoot));
  Must(keystore_->RemoveNext(live));
  ExpectRefused(ErrorCode::kNotFound, [&] { return keystore_->RemoveNext(live); });
  Must(keystore_->RemoveEntry(StoreNumber("machine"), AliasOf("WEB"), kRoot));
  const auto kept =
      Must(Must(keystore_->Snapshot())
               ->FindEntryFolded(StoreNumber("BACKUP_STORE"), Must(Alias::ParseGiven("bkp_web"))));
  EXPECT_FALSE(kept);  // What was never live is kept nowhere.
}

TEST_P(KeystoreNext, SerialNumbersCountWhenTheyGoLive) {
  const Number live = MakePair();
  const Number next = Next(live);
  Put(next, kKey, kNewKey);
  const Number elsewhere = Make("wcp", "taken");
  Put(elsewhere, kCertificate, "serial-second.pem");  // Another certificate of that issuer and number.
  ExpectRefused(ErrorCode::kRejected, next, kCertificate, kNewCertificate, "serial-reused");
  Must(keystore_->RemoveFile(elsewhere, kCertificate, kRoot));
  Must(WriteVector(next, kCertificate, kNewCertificate));
  ExpectRefused(ErrorCode::kRejected, elsewhere, kCertificate, "serial-second.pem", "serial-reused");
}

TEST_P(KeystoreNext, ARequestMakesAKeyThatWaitsForItsCertificate) {
  const Number live = MakePair();
  const Number next = Next(live, kAlice);
  const std::string config = "Name = www.example.com\nHostname = www.example.com\n";
  const WriteOutcome outcome = Must(Write(next, kRequest, AsBytes(config), kAlice));
  EXPECT_TRUE(outcome.changed);
  const Entry made = Get(next);
  ASSERT_TRUE(made.file(kKey) && made.file(kSigningRequest) && made.file(kRequest));
  EXPECT_EQ(made.file(kKey)->attributes.mode, 0600U);
  EXPECT_EQ(made.file(kKey)->attributes.uid, kAlice.uid);
  EXPECT_TRUE(Text(next, kKey).starts_with("-----BEGIN PRIVATE KEY-----"));
  EXPECT_TRUE(Text(next, kSigningRequest).starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
  EXPECT_EQ(Text(next, kRequest), config);

  // Asking again, for something else, keeps the key: its certificate may be on its way.
  const std::string key = Text(next, kKey);
  const std::string request = Text(next, kSigningRequest);
  Must(Write(next, kRequest, AsBytes(std::string_view("Name = other.example.com\n")), kAlice));
  EXPECT_EQ(Text(next, kKey), key);
  EXPECT_NE(Text(next, kSigningRequest), request);
  ExpectRefused(
      ErrorCode::kRejected,
      [&] { return Write(next, kRequest, AsBytes(std::string_view("Name = x\nKeyType = rsa-3072\n"))); },
      "request-key");
  ExpectRefused(
      ErrorCode::kMalformed, [&] { return Write(next, kRequest, AsBytes(std::string_view("Nam = x\n"))); },
      "request-config");
  ExpectRefused(ErrorCode::kReadOnly, [&] { return Write(next, kSigningRequest, AsBytes(request)); });
  ExpectRefused(ErrorCode::kNotPermitted, [&] { return Write(live, kRequest, AsBytes(config)); });
  // The certificate of another key does not complete it.
  ExpectRefused(ErrorCode::kRejected, next, kCertificate, kNewCertificate, "key-mismatch");

  // Whoever throws the key away gets another, also by the same request.
  const std::string last = Text(next, kRequest);
  Must(keystore_->RemoveFile(next, kKey, kAlice));
  EXPECT_TRUE(Must(Write(next, kRequest, AsBytes(last), kAlice)).changed);
  EXPECT_TRUE(Text(next, kKey).starts_with("-----BEGIN PRIVATE KEY-----"));
  EXPECT_NE(Text(next, kKey), key);
}

TEST_P(KeystoreNext, ARequestIsByTheKeyThatWaitsAndNeverBesideACertificate) {
  const Number live = MakePair();
  const Number next = Next(live);
  Put(next, kKey, kNewKey);
  Must(Write(next, kRequest, AsBytes(std::string_view("Name = x\n"))));
  EXPECT_EQ(Text(next, kKey), TextOf(kNewKey));
  // The certificate takes the request with it when it goes live.
  const WriteOutcome outcome = Must(WriteVector(next, kCertificate, kNewCertificate));
  EXPECT_TRUE(outcome.live);
  EXPECT_TRUE(Get(next).empty());
  Put(next, kCertificate, "leaf.pem");
  ExpectRefused(
      ErrorCode::kAlreadyExists,
      [&] { return Write(next, kRequest, AsBytes(std::string_view("Name = x\n"))); }, "request-key");
}

TEST_P(KeystoreNext, TheServerRulesHoldForWhatIsStaged) {
  const Number live = Make("MACHINE_SSL_CERT", "__MACHINE_CERT");
  const Number next = Next(live);
  Put(next, kKey, "leaf.key");
  ExpectRefused(ErrorCode::kRejected, next, kCertificate, "chain.pem", "untrusted-issuer");
  Put(Make("TRUSTED_ROOTS", "root"), kCertificate, "root.pem");
  Must(WriteVector(next, kCertificate, "chain.pem"));
  EXPECT_EQ(Text(live, kCertificate), TextOf("chain.pem"));
}

INSTANTIATE_TEST_SUITE_P(Doors, KeystoreNext, kBothDoors, NameOfDoor);

// When the key of a request is made: over a table that tells of its transactions.
class KeystoreRequestKey : public testing::Test {
 protected:
  KeystoreRequestKey()
      : keystore_(Must(
            Keystore::Over(std::make_unique<FaultyTable>(MakeMemoryTable(), faults_), kRoot, clock_.get()))) {
    const auto store = Must(Must(keystore_->Snapshot())->FindStore(NameOf("machine")));
    const Number live = Must(keystore_->CreateEntry(store->number, AliasOf("www"), kRoot, 0755)).number;
    next_ = Must(keystore_->CreateNext(live, kRoot, 0755)).number;
    faults_.puts = [this](Member member, BytesView bytes) {
      if (member == kKey) keys_put_.emplace_back(AsText(bytes));
    };
  }
  Result<WriteOutcome> Ask(std::string_view config = "Name = x\n") {
    return keystore_->WriteFile(next_, kRequest, AsBytes(config), kRoot, {});
  }
  std::string StagedKey() {
    const auto snapshot = Must(keystore_->Snapshot());
    return ReadText(*snapshot, *Must(snapshot->FindEntryByNumber(next_)), kKey);
  }

  Faults faults_;
  FixedClock clock_;
  std::unique_ptr<Keystore> keystore_;
  Number next_ = 0;
  std::vector<std::string> keys_put_;
};

TEST_F(KeystoreRequestKey, IsMadeOnceHoweverOftenTheMapGrows) {
  faults_.code = ErrorCode::kNoSpace;
  faults_.grows = true;
  std::size_t repeated = 0;
  for (std::size_t call = 1;; ++call) {
    SCOPED_TRACE(call);
    ASSERT_LT(call, 100U);
    keys_put_.clear();
    faults_.failed = 0;
    faults_.fail_at = call;
    const auto outcome = Ask();
    const bool failed = faults_.failed != 0;
    faults_.fail_at = faults_.failed = 0;
    if (!outcome.has_value()) continue;  // The look before the change, which makes no room.
    ASSERT_FALSE(keys_put_.empty());
    repeated += keys_put_.size() - 1;
    for (const std::string& key : keys_put_) EXPECT_EQ(key, StagedKey());
    if (!failed) break;
    for (const Member member : {kKey, kRequest, kSigningRequest})
      Must(keystore_->RemoveFile(next_, member, kRoot));
  }
  EXPECT_GE(repeated, 3U);  // PutFile of the request, PutEntry, Commit.
}

TEST_F(KeystoreRequestKey, IsMadeBeforeTheTransaction) {
  const auto worked = [] {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  };
  std::chrono::nanoseconds begun{};
  faults_.begins = [&] { begun = worked(); };
  const std::chrono::nanoseconds started = worked();
  Must(Ask("Name = x\nKeyType = rsa-4096\n"));
  // It takes a hundred times what is left to do.
  EXPECT_GT(begun - started, worked() - begun);
}

TEST_F(KeystoreRequestKey, TheKeyThatCameMeanwhileIsUsed) {
  const auto text = std::string(AsText(VectorOf(kNewKey)));
  faults_.begins = [&] { Must(keystore_->WriteFile(next_, kKey, AsBytes(text), kRoot, {})); };
  Must(Ask());
  EXPECT_EQ(keys_put_, std::vector{text});
  EXPECT_EQ(StagedKey(), text);
}

TEST_F(KeystoreRequestKey, IsMadeAfterAllWhenTheOneThatWaitedWentMeanwhile) {
  Must(keystore_->WriteFile(next_, kKey, VectorOf(kNewKey), kRoot, {}));
  keys_put_.clear();
  faults_.begins = [&] { Must(keystore_->RemoveFile(next_, kKey, kRoot)); };
  Must(Ask());
  ASSERT_EQ(keys_put_.size(), 1U);
  EXPECT_EQ(StagedKey(), keys_put_.front());
  EXPECT_NE(StagedKey(), std::string(AsText(VectorOf(kNewKey))));
}

TEST(KeystoreNextOnDisk, WhatIsStagedSurvives) {
  const TemporaryDirectory directory;
  FixedClock clock;
  Number next = 0;
  {
    const auto keystore = MakeKeystoreOnDisk(directory.path(), clock.get());
    const auto store = Must(Must(keystore->Snapshot())->FindStore(NameOf("machine")));
    const Number live = Must(keystore->CreateEntry(store->number, AliasOf("www"), kRoot, 0755)).number;
    next = Must(keystore->CreateNext(live, kRoot, 0755)).number;
    Must(keystore->WriteFile(next, kKey, VectorOf(kNewKey), kRoot, {}));
  }
  const auto keystore = Must(Keystore::Open(directory.path(), TestSecret(), clock.get()));
  const WriteOutcome outcome =
      Must(keystore->WriteFile(next, kCertificate, VectorOf(kNewCertificate), kRoot, {}));
  ASSERT_TRUE(outcome.live);
  EXPECT_TRUE(outcome.live->is_pair());
}

}  // namespace
}  // namespace certfs
