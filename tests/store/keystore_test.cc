// Goal: stores, entries and attributes through the one door keep the policy of each store, on both tables.
// Method: one suite over a keystore in memory and one on disk; whatever is refused leaves the state as it
// was.

#include "store/keystore.h"

#include "store/memory_table.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {

namespace {

class KeystoreDoor : public Door {};
INSTANTIATE_TEST_SUITE_P(Keystores, KeystoreDoor, kBothDoors, NameOfDoor);

constexpr std::string_view kProtected[] = {"MACHINE_SSL_CERT", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS",
                                           "BACKUP_STORE"};

TEST_P(KeystoreDoor, BeginsWithTheDefaultStores) {
  const auto snapshot = Must(keystore_->Snapshot());
  std::size_t count = 0;
  for (const StorePolicy& policy : DefaultStores()) {
    const auto store = Must(snapshot->FindStore(NameOf(policy.name)));
    ASSERT_TRUE(store) << policy.name;
    EXPECT_EQ(store->attributes.mode, policy.name == "BACKUP_STORE" ? 0700U : 0755U) << policy.name;
    EXPECT_EQ(store->attributes.uid, 0U);
    EXPECT_EQ(store->attributes.mtime, clock_.now());
    EXPECT_EQ(store->entry_count, 0U);
    ++count;
  }
  EXPECT_EQ(count, 14U);
  for (Cursor after = 0;;) {
    const auto next = Must(snapshot->NextStore(after, nullptr));
    if (!next) break;
    after = next->at;
    --count;
  }
  EXPECT_EQ(count, 0U);
}

TEST_P(KeystoreDoor, ProtectedStoresStay) {
  for (const std::string_view name : kProtected) {
    SCOPED_TRACE(name);
    ExpectRefused(
        ErrorCode::kNotPermitted, [&] { return keystore_->RemoveStore(NameOf(name)); }, "protected-store");
    ExpectRefused(
        ErrorCode::kNotPermitted, [&] { return keystore_->RenameStore(NameOf(name), NameOf("elsewhere")); },
        "protected-store");
  }
}

TEST_P(KeystoreDoor, StoresComeAndGo) {
  const Store made = Must(keystore_->CreateStore(NameOf("Mine"), kAlice, 02750));
  EXPECT_EQ(made.attributes.uid, kAlice.uid);
  EXPECT_EQ(made.attributes.gid, kAlice.gid);
  EXPECT_EQ(made.attributes.mode, 02750U);
  EXPECT_EQ(made.attributes.ctime, clock_.now());
  clock_.Tick();
  Must(keystore_->RenameStore(NameOf("Mine"), NameOf("mine")));  // A change of case is free.
  Must(keystore_->RenameStore(NameOf("mine"), NameOf("Yours")));
  const Store renamed = *Must(Must(keystore_->Snapshot())->FindStore(NameOf("Yours")));
  EXPECT_EQ(renamed.number, made.number);
  EXPECT_EQ(renamed.attributes.mtime, made.attributes.mtime);
  EXPECT_EQ(renamed.attributes.ctime, clock_.now());
  Must(keystore_->RemoveStore(NameOf("Yours")));
  EXPECT_FALSE(Must(Must(keystore_->Snapshot())->FindStoreByNumber(made.number)));
  Must(keystore_->RemoveStore(NameOf("vpxd")));
}

TEST_P(KeystoreDoor, RefusesStores) {
  Make("vpxd", "full");
  using enum ErrorCode;
  ExpectRefused(kAlreadyExists, [&] { return keystore_->CreateStore(NameOf("Machine"), kRoot, 0755); });
  ExpectRefused(kAlreadyExists,
                [&] { return keystore_->CreateStore(NameOf("machine_ssl_cert"), kRoot, 0755); });
  // The link's name is no store's: making one finds it taken, renaming onto it is not allowed.
  ExpectRefused(kAlreadyExists,
                [&] { return keystore_->CreateStore(NameOf("trusted_ROOT_crls"), kRoot, 0755); });
  ExpectRefused(kNotPermitted,
                [&] { return keystore_->RenameStore(NameOf("wcp"), NameOf("TRUSTED_ROOT_CRLS")); });
  ExpectRefused(kAlreadyExists, [&] { return keystore_->RenameStore(NameOf("wcp"), NameOf("HVC")); });
  ExpectRefused(kNotFound, [&] { return keystore_->RenameStore(NameOf("WCP"), NameOf("new")); });
  ExpectRefused(kNotFound, [&] { return keystore_->RemoveStore(NameOf("nothing")); });
  ExpectRefused(kNotFound, [&] { return keystore_->RemoveStore(NameOf("WCP")); });
  ExpectRefused(kNotEmpty, [&] { return keystore_->RemoveStore(NameOf("vpxd")); });
}

TEST_P(KeystoreDoor, EntriesComeAndGo) {
  const Number store = StoreNumber("machine");
  clock_.Tick();
  const Entry made = Must(keystore_->CreateEntry(store, AliasOf("www"), kAlice, 0750));
  EXPECT_EQ(made.store, store);
  EXPECT_EQ(made.revision, 0U);
  EXPECT_TRUE(made.empty());
  EXPECT_EQ(made.attributes.uid, kAlice.uid);
  EXPECT_EQ(made.attributes.mode, 0750U);
  const auto touched = [&] {
    return Must(Must(keystore_->Snapshot())->FindStoreByNumber(store))->attributes.mtime;
  };
  EXPECT_EQ(touched(), clock_.now());
  clock_.Tick();
  Must(keystore_->RenameEntry(store, AliasOf("www"), AliasOf("WWW"), kAlice));
  Must(keystore_->RenameEntry(store, AliasOf("WWW"), AliasOf("web"), kAlice));
  EXPECT_EQ(Get(made.number).alias.text(), "web");
  EXPECT_EQ(Get(made.number).attributes.mtime, made.attributes.mtime);
  EXPECT_EQ(Get(made.number).attributes.ctime, clock_.now());
  EXPECT_EQ(touched(), clock_.now());
  clock_.Tick();
  Must(keystore_->RemoveEntry(store, AliasOf("web"), kAlice));
  EXPECT_EQ(touched(), clock_.now());
  EXPECT_FALSE(Must(Must(keystore_->Snapshot())->FindEntryByNumber(made.number)));
}

TEST_P(KeystoreDoor, RefusesEntries) {
  const Number store = StoreNumber("machine");
  const Number www = Make("machine", "www");
  Make("machine", "web");
  Put(www, Member::kSecret, "other.key");
  using enum ErrorCode;
  ExpectRefused(kAlreadyExists, [&] { return keystore_->CreateEntry(store, AliasOf("WWW"), kRoot, 0755); });
  ExpectRefused(kNotFound, [&] { return keystore_->CreateEntry(4'000'000, AliasOf("x"), kRoot, 0755); });
  ExpectRefused(kReadOnly, [&] {
    return keystore_->CreateEntry(StoreNumber("BACKUP_STORE"), AliasOf("bkp_x"), kRoot, 0755);
  });
  ExpectRefused(kNotFound, [&] { return keystore_->RemoveEntry(store, AliasOf("nothing"), kRoot); });
  ExpectRefused(kNotFound, [&] { return keystore_->RemoveEntry(store, AliasOf("WWW"), kRoot); });
  ExpectRefused(kNotFound, [&] { return keystore_->RemoveEntry(4'000'000, AliasOf("www"), kRoot); });
  ExpectRefused(kNotEmpty, [&] { return keystore_->RemoveEntry(store, AliasOf("www"), kRoot); });
  ExpectRefused(kNotFound,
                [&] { return keystore_->RenameEntry(store, AliasOf("nothing"), AliasOf("x"), kRoot); });
  ExpectRefused(kAlreadyExists,
                [&] { return keystore_->RenameEntry(store, AliasOf("www"), AliasOf("WEB"), kRoot); });
}

TEST_P(KeystoreDoor, EntriesOfTrustedRootsAreRootsToRemove) {
  const Number store = StoreNumber("TRUSTED_ROOTS");
  const Number number = Make("TRUSTED_ROOTS", "vector");
  Put(number, Member::kCertificate, "root.pem");
  Make("TRUSTED_ROOTS", "empty");
  using enum ErrorCode;
  const auto refused = [&](auto change) { ExpectRefused(kNotPermitted, change, "protected-entry"); };
  refused([&] { return keystore_->RemoveFile(number, Member::kCertificate, kAlice); });
  refused([&] { return keystore_->RemoveEntry(store, AliasOf("vector"), kAlice); });
  refused([&] { return keystore_->RemoveEntry(store, AliasOf("empty"), kAlice); });
  refused([&] { return keystore_->RenameEntry(store, AliasOf("vector"), AliasOf("x"), kAlice); });
  Must(keystore_->RenameEntry(store, AliasOf("vector"), AliasOf("x"), kRoot));
  Must(keystore_->RemoveFile(number, Member::kCertificate, kRoot));
  Must(keystore_->RemoveEntry(store, AliasOf("x"), kRoot));
  Must(keystore_->RemoveEntry(store, AliasOf("empty"), kRoot));
}

TEST_P(KeystoreDoor, EntriesOfTrustedListsStayUnlessStillEmpty) {
  Put(Make("TRUSTED_ROOTS", "vector"), Member::kCertificate, "root.pem");
  const Number store = StoreNumber("TRUSTED_ROOTS_CRLS");
  const Number number = Make("TRUSTED_ROOTS_CRLS", "vector");
  Put(number, Member::kRevocationList, "crl-5.pem");
  using enum ErrorCode;
  const auto refused = [&](auto change) { ExpectRefused(kNotPermitted, change, "protected-entry"); };
  for (const Actor actor : {kRoot, kAlice}) {
    refused([&] { return keystore_->RemoveFile(number, Member::kRevocationList, actor); });
    refused([&] { return keystore_->RemoveEntry(store, AliasOf("vector"), actor); });
    Make("TRUSTED_ROOTS_CRLS", "empty");
    Must(keystore_->RemoveEntry(store, AliasOf("empty"), actor));
  }
  refused([&] { return keystore_->RenameEntry(store, AliasOf("vector"), AliasOf("x"), kAlice); });
  Must(keystore_->RenameEntry(store, AliasOf("vector"), AliasOf("x"), kRoot));
}

TEST_P(KeystoreDoor, SetsAttributes) {
  const Number store = StoreNumber("machine");
  const Number number = Make("machine", "www");
  Put(number, Member::kKey, "leaf.key");
  Put(number, Member::kCertificate, "chain.pem");
  const Revision revision = Get(number).revision;
  clock_.Tick();
  const Time past = Time(std::chrono::nanoseconds(-7));
  const AttributeChange change{04640, 7, 8, past, past};
  for (const Attributes& set :
       {Must(keystore_->SetStoreAttributes(store, change)).attributes,
        Must(keystore_->SetEntryAttributes(number, change)).attributes,
        Must(keystore_->SetFileAttributes(number, Member::kKey, change)).file(Member::kKey)->attributes}) {
    EXPECT_EQ(set.mode, 04640U);
    EXPECT_EQ(set.uid, 7U);
    EXPECT_EQ(set.gid, 8U);
    EXPECT_EQ(set.atime, past);
    EXPECT_EQ(set.mtime, past);
    EXPECT_EQ(set.ctime, clock_.now());
  }
  // What is empty stays as it was, and only the permission bits are kept.
  const Entry entry =
      Must(keystore_->SetFileAttributes(number, Member::kCertificate, {0100604, {}, {}, {}, {}}));
  EXPECT_EQ(entry.file(Member::kCertificate)->attributes.mode, 0604U);
  EXPECT_EQ(entry.file(Member::kCertificate)->attributes.uid, 0U);
  EXPECT_EQ(entry.file(Member::kKey)->attributes.mtime, past);
  EXPECT_EQ(Get(number).revision, revision);
  EXPECT_EQ(Get(number).attributes.uid, 7U);
}

TEST_P(KeystoreDoor, RefusesAttributes) {
  const Number number = Make("machine", "www");
  const Number secret = Make("APPLMGMT_PASSWORD", "password");
  Put(number, Member::kKey, "leaf.key");
  Put(secret, Member::kSecret, "leaf.der");
  using enum ErrorCode;
  for (const std::uint32_t mode : {0604U, 0602U, 0601U, 0777U}) {
    const AttributeChange change{mode, {}, {}, {}, {}};
    ExpectRefused(
        kNotPermitted, [&] { return keystore_->SetFileAttributes(number, Member::kKey, change); },
        "key-for-others");
    ExpectRefused(
        kNotPermitted, [&] { return keystore_->SetFileAttributes(secret, Member::kSecret, change); },
        "key-for-others");
  }
  const AttributeChange change{0600, {}, {}, {}, {}};
  ExpectRefused(kNotFound,
                [&] { return keystore_->SetFileAttributes(number, Member::kCertificate, change); });
  ExpectRefused(kNotFound, [&] { return keystore_->SetFileAttributes(4'000'000, Member::kKey, change); });
  ExpectRefused(kNotFound, [&] { return keystore_->SetEntryAttributes(4'000'000, change); });
  ExpectRefused(kNotFound, [&] { return keystore_->SetStoreAttributes(4'000'000, change); });
  ExpectRefused(kNotPermitted, [&] {
    return keystore_->SetStoreAttributes(StoreNumber("BACKUP_STORE"), {0755, {}, {}, {}, {}});
  });
}

// BACKUP_STORE is certfs's own to write: what is there is looked at, and removed by root alone, a state at a
// time.
TEST(KeystoreBackups, AreReadOnly) {
  auto table = MakeMemoryTable();
  Number store = 0;
  Number number = 0;
  {
    const auto transaction = Must(table->BeginTransaction());
    store = Must(transaction->PutStore(NewStore("BACKUP_STORE")));
    number = PutEntryWithFile(*transaction, store, "bkp_www", "a key");
    Must(transaction->Commit());
  }
  const auto keystore = Must(Keystore::Over(std::move(table), kRoot, FixedClock().get()));
  const std::string before = Describe(*Must(keystore->Snapshot()));
  const AttributeChange change{0600, {}, {}, {}, {}};
  using enum ErrorCode;
  EXPECT_EQ(CodeOf(keystore->WriteFile(number, Member::kKey, VectorOf("leaf.key"), kRoot, {})), kReadOnly);
  EXPECT_EQ(CodeOf(keystore->RemoveFile(number, Member::kKey, kRoot)), kNotPermitted);
  EXPECT_EQ(CodeOf(keystore->RemoveEntry(store, AliasOf("bkp_www"), Actor{1000, 1000})), kNotPermitted);
  EXPECT_EQ(CodeOf(keystore->RenameEntry(store, AliasOf("bkp_www"), AliasOf("x"), kRoot)), kNotPermitted);
  EXPECT_EQ(CodeOf(keystore->SetEntryAttributes(number, change)), kNotPermitted);
  EXPECT_EQ(CodeOf(keystore->SetFileAttributes(number, Member::kKey, change)), kNotPermitted);
  EXPECT_EQ(Describe(*Must(keystore->Snapshot())), before);
  Must(keystore->RemoveEntry(store, AliasOf("bkp_www"), kRoot));
  EXPECT_FALSE(Must(Must(keystore->Snapshot())->FindEntryByNumber(number)));
}

}  // namespace

}  // namespace certfs
