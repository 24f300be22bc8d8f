// Goal: whatever call of the table fails during a change, the change is done whole or not at all.
// Method: every operation of the door over a table that fails its first call, its second, and so on until the
// operation succeeds; before and after are compared in full.

#include <functional>

#include "store/memory_table.h"
#include "store/sealed_table.h"
#include "tests/store/faulty_table.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {

namespace {

constexpr std::size_t kCallsMax = 1000;

std::unique_ptr<EntryTable> MakeSealed(const std::filesystem::path& directory) {
  Must(CreateSealedTable(directory, TestKeys()));
  return Must(OpenSealedTable(directory, TestKeys()));
}

// A keystore with something in every corner.
struct Furnished {
  explicit Furnished(const DoorKind& kind) {
    auto table = std::string_view(kind.name) == "Memory" ? MakeMemoryTable() : MakeSealed(directory.path());
    keystore =
        Must(Keystore::Over(std::make_unique<FaultyTable>(std::move(table), faults), kRoot, clock.get()));
    Put(Make("TRUSTED_ROOTS", "root"), Member::kCertificate, "root.pem");
    Put(Make("TRUSTED_ROOTS", "issuing"), Member::kCertificate, "issuing.pem");
    list = Make("TRUSTED_ROOTS_CRLS", "root");
    Put(list, Member::kRevocationList, "crl-5.pem");
    pair = Make("MACHINE_SSL_CERT", "pair");
    Put(pair, Member::kKey, "leaf.key");
    Put(pair, Member::kCertificate, "leaf.pem");
    key = Make("machine", "key");
    Put(key, Member::kKey, "leaf.key");
    Make("machine", "empty");
    for (int i = 0; i < 20; ++i) Make("vpxd", "e" + std::to_string(i));  // One more node than a leaf.
    Must(keystore->CreateStore(NameOf("bare"), kRoot, 0755));
  }

  // Looks on without being counted.
  template <typename Look>
  auto Aside(Look&& look) {
    const Faults armed = std::exchange(faults, Faults{});
    auto seen = look(*Must(keystore->Snapshot()));
    faults = armed;
    return seen;
  }
  Number StoreNumber(std::string_view name) {
    return Aside([&](TableSnapshot& snapshot) { return Must(snapshot.FindStore(NameOf(name)))->number; });
  }
  Number EntryNumber(std::string_view store, std::string_view alias) {
    const Number parent = StoreNumber(store);
    return Aside(
        [&](TableSnapshot& snapshot) { return Must(snapshot.FindEntry(parent, AliasOf(alias)))->number; });
  }
  std::string State() {
    return Aside([](TableSnapshot& snapshot) { return Describe(snapshot); });
  }
  Number Make(std::string_view store, std::string_view alias) {
    return Must(keystore->CreateEntry(StoreNumber(store), AliasOf(alias), kRoot, 0755)).number;
  }
  void Put(Number number, Member member, const std::string& vector) {
    Must(keystore->WriteFile(number, member, VectorOf(vector), kRoot, {}));
  }

  TemporaryDirectory directory;
  FixedClock clock;
  Faults faults;
  std::unique_ptr<Keystore> keystore;
  Number list = 0;
  Number pair = 0;
  Number key = 0;
};

template <typename T>
Result<void> Drop(Result<T> result) {
  if (!result.has_value()) return std::move(result).error();
  return {};
}

struct Operation {
  const char* name;
  std::function<Result<void>(Furnished&)> run;
};

std::vector<Operation> Operations() {
  const AttributeChange change{0600, 9, 9, {}, {}};
  return {
      {"CreateStore",
       [](Furnished& at) { return Drop(at.keystore->CreateStore(NameOf("new"), kRoot, 0755)); }},
      {"RemoveStore", [](Furnished& at) { return at.keystore->RemoveStore(NameOf("bare")); }},
      {"RenameStore", [](Furnished& at) { return at.keystore->RenameStore(NameOf("SMS"), NameOf("sms")); }},
      {"CreateEntry",
       [](Furnished& at) {
         return Drop(at.keystore->CreateEntry(at.StoreNumber("vpxd"), AliasOf("new"), kRoot, 0755));
       }},
      {"RemoveEntry",
       [](Furnished& at) {
         return at.keystore->RemoveEntry(at.StoreNumber("machine"), AliasOf("empty"), kRoot);
       }},
      {"RenameEntry",
       [](Furnished& at) {
         return at.keystore->RenameEntry(at.StoreNumber("machine"), AliasOf("key"), AliasOf("k"), kRoot);
       }},
      {"WriteFile, new",
       [](Furnished& at) {
         return Drop(
             at.keystore->WriteFile(at.key, Member::kCertificate, VectorOf("zero-serial.pem"), kRoot, {}));
       }},
      {"WriteFile, renewal",
       [](Furnished& at) {
         return Drop(at.keystore->WriteFile(at.pair, Member::kCertificate, VectorOf("chain.pem"), kRoot, {}));
       }},
      {"WriteFile, the same with times",
       [](Furnished& at) {
         return Drop(at.keystore->WriteFile(at.pair, Member::kCertificate, VectorOf("leaf.pem"), kRoot,
                                            {{}, {}, {}, {}, Time(std::chrono::seconds(3))}));
       }},
      {"WriteFile, anchor",
       [](Furnished& at) {
         return Drop(at.keystore->WriteFile(at.EntryNumber("TRUSTED_ROOTS", "issuing"), Member::kCertificate,
                                            VectorOf("other-root.pem"), kRoot, {}));
       }},
      {"WriteFile, CRL",
       [](Furnished& at) {
         return Drop(
             at.keystore->WriteFile(at.list, Member::kRevocationList, VectorOf("crl-6.pem"), kRoot, {}));
       }},
      {"RemoveFile",
       [](Furnished& at) { return Drop(at.keystore->RemoveFile(at.pair, Member::kCertificate, kRoot)); }},
      {"SetSettings",
       [](Furnished& at) {
         return at.keystore->SetSettings({SecretOf("password"), ExportProfile::kModern});
       }},
      {"SetStoreAttributes",
       [change](Furnished& at) {
         return Drop(at.keystore->SetStoreAttributes(at.StoreNumber("machine"), change));
       }},
      {"SetEntryAttributes",
       [change](Furnished& at) { return Drop(at.keystore->SetEntryAttributes(at.pair, change)); }},
      {"SetFileAttributes",
       [change](Furnished& at) {
         return Drop(at.keystore->SetFileAttributes(at.pair, Member::kKey, change));
       }},
  };
}

class KeystoreFaults : public testing::TestWithParam<DoorKind> {};

TEST_P(KeystoreFaults, NothingIsHalfDone) {
  for (const ErrorCode code : {ErrorCode::kIo, ErrorCode::kNoSpace, ErrorCode::kCorrupt}) {
    Furnished at(GetParam());
    std::string before = at.State();
    for (const Operation& operation : Operations()) {
      SCOPED_TRACE(std::string(operation.name) + ", " + std::string(ToString(code)));
      // This one is done without what there is no room for: the test below.
      if (code == ErrorCode::kNoSpace && operation.name == std::string_view("RemoveFile")) continue;
      at.clock.Tick();
      std::size_t call = 1;
      for (;; ++call) {
        ASSERT_LT(call, kCallsMax);
        at.faults = {call, code};
        const auto outcome = operation.run(at);
        const std::size_t failed = std::exchange(at.faults, Faults{}).failed;
        const std::string after = at.State();
        if (outcome.has_value()) {
          EXPECT_NE(after, before) << "nothing was done";
          // Damage to what is replaced, or to a root, is passed over; no other failure is.
          if (code != ErrorCode::kCorrupt) {
            EXPECT_EQ(failed, 0U) << "it went on after call " << call << " failed";
          }
          before = after;
          break;
        }
        EXPECT_EQ(ToString(outcome.error().code()), ToString(code)) << outcome.error().message();
        EXPECT_EQ(failed, 1U) << "it failed for another reason: " << outcome.error().message();
        ASSERT_EQ(after, before) << "half done after call " << call << " failed";
      }
      EXPECT_GT(call, 3U) << "there were no calls to fail";
    }
  }
}

// What was removed returns whole or not at all.
TEST_P(KeystoreFaults, RestoringIsNotHalfDone) {
  for (const ErrorCode code : {ErrorCode::kIo, ErrorCode::kNoSpace, ErrorCode::kCorrupt}) {
    Furnished at(GetParam());
    RemovedFile removed;
    Must(at.keystore->RemoveFile(at.pair, Member::kCertificate, kRoot, &removed));
    const std::string before = at.State();
    std::size_t call = 1;
    for (;; ++call) {
      ASSERT_LT(call, kCallsMax);
      at.faults = {call, code};
      const auto outcome = at.keystore->RestoreFile(removed);
      const std::size_t failed = std::exchange(at.faults, Faults{}).failed;
      if (outcome.has_value()) {
        EXPECT_EQ(failed, 0U);
        break;
      }
      EXPECT_EQ(ToString(outcome.error().code()), ToString(code)) << outcome.error().message();
      ASSERT_EQ(at.State(), before) << "half done after call " << call << " failed";
    }
    EXPECT_GT(call, 3U);
    EXPECT_NE(at.State(), before);
  }
}

// A keystore that is full can be emptied: the file goes, and only the state before it may not have been kept.
TEST_P(KeystoreFaults, RemovingNeedsNoRoom) {
  std::size_t failed = 1;
  for (std::size_t call = 2; failed != 0; ++call) {  // The first begins the transaction.
    ASSERT_LT(call, kCallsMax);
    Furnished at(GetParam());
    at.faults = {call, ErrorCode::kNoSpace};
    Must(at.keystore->RemoveFile(at.pair, Member::kCertificate, kRoot));
    failed = std::exchange(at.faults, Faults{}).failed;
    const auto snapshot = Must(at.keystore->Snapshot());
    const auto entry = Must(snapshot->FindEntryByNumber(at.pair));
    ASSERT_TRUE(entry);
    EXPECT_FALSE(entry->file(Member::kCertificate));
    EXPECT_TRUE(entry->file(Member::kKey));
    Must(snapshot->ReadFile(*entry, Member::kKey));
  }
}

// Where room can be made, the operation begins again and comes to what it would have come to at once.
TEST(KeystoreRoom, WhatRanOutOfRoomIsDoneOverAndOnce) {
  const DoorKind memory{"Memory", nullptr};
  for (const Operation& operation : Operations()) {
    SCOPED_TRACE(operation.name);
    Furnished reference(memory);
    Must(operation.run(reference));
    for (std::size_t call = 2, failed = 1; failed != 0; ++call) {  // The first begins the transaction.
      ASSERT_LT(call, kCallsMax);
      Furnished at(memory);
      at.faults = {call, ErrorCode::kNoSpace, true};
      Must(operation.run(at));
      failed = std::exchange(at.faults, Faults{}).failed;
      EXPECT_EQ(at.State(), reference.State()) << "after call " << call;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Keystores, KeystoreFaults,
                         testing::Values(DoorKind{"Memory", nullptr}, DoorKind{"Disk", nullptr}), NameOfDoor);

}  // namespace

}  // namespace certfs
