// Goal: BACKUP_STORE holds the state of each entry before its last change of content, whole, and nothing else
// moves it. Method: changes through the door on both tables, and what is kept after each.

#include "store/kept_state.h"

#include "tests/store/keystore_fixture.h"

namespace certfs {
namespace {

class KeptState : public Door {
 protected:
  // The kept state of that alias; nothing when none is kept.
  std::optional<Entry> Kept(std::string_view alias) {
    const auto snapshot = Must(keystore_->Snapshot());
    return Must(snapshot->FindEntry(StoreNumber("BACKUP_STORE"), Must(Alias::ParseGiven(alias))));
  }
  std::string KeptText(std::string_view alias, Member member) {
    const auto entry = Kept(alias);
    if (!entry || !entry->file(member)) return "";
    return ReadText(*Must(keystore_->Snapshot()), *entry, member);
  }
  // What FindKeptState says.
  std::optional<Entry> KeptOf(std::string_view store, std::string_view alias) {
    const auto snapshot = Must(keystore_->Snapshot());
    const auto found = Must(snapshot->FindStore(NameOf(store)));
    if (!found) return std::nullopt;
    return Must(FindKeptState(*snapshot, *found, AliasOf(alias)));
  }
  // Gives it these certificates, one after the other.
  Number Fill(std::string_view store, std::string_view alias, const std::vector<std::string>& vectors) {
    const Number number = Make(store, alias);
    for (const std::string& each : vectors) Put(number, Member::kCertificate, each);
    return number;
  }
  // As rm -r does it with a store of one entry, which holds a certificate.
  void RemoveAll(std::string_view store, std::string_view alias) {
    const Number number = StoreNumber(store);
    const auto entry = Must(Must(keystore_->Snapshot())->FindEntry(number, AliasOf(alias)));
    ASSERT_TRUE(entry);
    Must(keystore_->RemoveFile(entry->number, Member::kCertificate, kRoot));
    Must(keystore_->RemoveEntry(number, AliasOf(alias), kRoot));
    Must(keystore_->RemoveStore(NameOf(store)));
  }
  void MakeStore(std::string_view store) { Must(keystore_->CreateStore(NameOf(store), kRoot, 0755)); }
  static std::string Text(const std::string& vector) { return std::string(AsText(VectorOf(vector))); }
};

TEST_P(KeptState, IsTheOneBeforeTheLastChange) {
  const Number number = Make("machine", "www");
  Put(number, Member::kKey, "leaf.key");
  EXPECT_FALSE(Kept("bkp_www"));  // There was nothing before.
  Put(number, Member::kCertificate, "leaf.pem");
  EXPECT_EQ(KeptText("bkp_www", Member::kKey), Text("leaf.key"));
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), "");
  Put(number, Member::kCertificate, "chain.pem");
  EXPECT_EQ(KeptText("bkp_www", Member::kKey), Text("leaf.key"));
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("leaf.pem"));
  Put(number, Member::kCertificate, "leaf.pem");
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("chain.pem"));
}

TEST_P(KeptState, SaysWhichRevisionItWas) {
  const Number number = Make("machine", "www");
  const auto revision = [&] {
    return Must(Must(keystore_->Snapshot())->FindEntryByNumber(number))->revision;
  };
  Put(number, Member::kKey, "leaf.key");
  for (const char* const next : {"leaf.pem", "chain.pem", "leaf.pem"}) {
    const Revision before = revision();
    Put(number, Member::kCertificate, next);
    EXPECT_GT(revision(), before);
    EXPECT_EQ(Kept("bkp_www")->keeps, before);
  }
}

TEST_P(KeptState, AnEntryThatIsRemovedFileByFileStaysKeptWhole) {
  const Number number = Make("machine", "www");
  Put(number, Member::kKey, "leaf.key");
  Put(number, Member::kCertificate, "leaf.pem");
  Must(keystore_->RemoveFile(number, Member::kCertificate, kRoot));
  Must(keystore_->RemoveFile(number, Member::kKey, kRoot));
  Must(keystore_->RemoveEntry(StoreNumber("machine"), AliasOf("www"), kRoot));
  EXPECT_EQ(KeptText("bkp_www", Member::kKey), Text("leaf.key"));
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("leaf.pem"));
  // It still is the same entry's when that is made again.
  const Number again = Make("machine", "www");
  Put(again, Member::kKey, "leaf.key");
  Put(again, Member::kCertificate, "chain.pem");
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("leaf.pem"));
}

TEST_P(KeptState, IsMovedByContentAlone) {
  const Number number = Make("machine", "www");
  Put(number, Member::kCertificate, "leaf.pem");
  Put(number, Member::kCertificate, "chain.pem");
  const std::string before = State();
  EXPECT_FALSE(Must(WriteVector(number, Member::kCertificate, "chain.pem")).changed);
  EXPECT_EQ(State(), before);
  Must(keystore_->SetFileAttributes(number, Member::kCertificate, {0600, {}, {}, {}, {}}));
  Must(keystore_->SetEntryAttributes(number, {0700, {}, {}, {}, {}}));
  EXPECT_FALSE(
      keystore_->WriteFile(number, Member::kCertificate, VectorOf("expired.pem"), kRoot, {}).has_value());
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("leaf.pem"));
}

TEST_P(KeptState, KeepsOwnerModeAndTimes) {
  const Number number = Make("machine", "www");
  Put(number, Member::kKey, "leaf.key");
  Must(keystore_->SetFileAttributes(number, Member::kKey, {0640, 7, 8, {}, {}}));
  const Attributes live = Get(number).file(Member::kKey)->attributes;
  Put(number, Member::kCertificate, "leaf.pem");
  EXPECT_EQ(Kept("bkp_www")->file(Member::kKey)->attributes, live);
}

TEST_P(KeptState, TwoStoresThatHoldOneAliasAreToldApart) {
  const Number first = Make("machine", "www");
  const Number second = Make("vpxd", "www");
  for (const Number number : {first, second}) {
    Put(number, Member::kCertificate, number == first ? "leaf.pem" : "self-signed.pem");
    Put(number, Member::kCertificate, "chain.pem");
  }
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("leaf.pem"));
  EXPECT_EQ(KeptText("bkp_www@vpxd", Member::kCertificate), Text("self-signed.pem"));
}

TEST_P(KeptState, AStoreThatIsMadeAnewGoesOnWhereItWas) {
  Fill("machine", "www", {"leaf.pem", "chain.pem"});
  for (int round = 0; round < 3; ++round) {
    RemoveAll("machine", "www");
    EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text(round == 0 ? "chain.pem" : "leaf.pem"));
    MakeStore("machine");
    EXPECT_FALSE(KeptOf("machine", "www"));
    Fill("machine", "www", {"self-signed.pem", "leaf.pem"});
    EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("self-signed.pem"));
    EXPECT_FALSE(Kept("bkp_www@machine"));
    const auto kept = KeptOf("machine", "www");
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->alias.text(), "bkp_www");
    EXPECT_EQ(kept->origin, StoreNumber("machine"));
  }
}

TEST_P(KeptState, SoDoesTheSecondOfTwo) {
  Fill("machine", "www", {"leaf.pem", "chain.pem"});
  Fill("vpxd", "www", {"self-signed.pem", "chain.pem"});
  for (int round = 0; round < 3; ++round) {
    RemoveAll("vpxd", "www");
    MakeStore("vpxd");
    EXPECT_FALSE(KeptOf("vpxd", "www"));
    Fill("vpxd", "www", {"self-signed.pem", "leaf.pem"});
    EXPECT_EQ(KeptText("bkp_www@vpxd", Member::kCertificate), Text("self-signed.pem"));
    const auto kept = KeptOf("vpxd", "www");
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->origin, StoreNumber("vpxd"));
    EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("leaf.pem"));
  }
}

// Whichever goes first; and what is copied back afterwards displaces nothing else.
TEST_P(KeptState, RemovingAllStoresLosesNone) {
  Fill("machine", "www", {"leaf.pem", "chain.pem"});
  MakeStore("app");
  Fill("app", "www", {"self-signed.pem"});
  RemoveAll("machine", "www");
  RemoveAll("app", "www");
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("chain.pem"));
  EXPECT_EQ(KeptText("bkp_www@app", Member::kCertificate), Text("self-signed.pem"));
  MakeStore("app");
  Fill("app", "www", {"self-signed.pem", "leaf.pem"});
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("chain.pem"));
  EXPECT_EQ(KeptText("bkp_www@app", Member::kCertificate), Text("self-signed.pem"));
  EXPECT_EQ(Kept("bkp_www@app")->origin, StoreNumber("app"));
  MakeStore("machine");
  Fill("machine", "www", {"chain.pem", "leaf.pem"});
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("chain.pem"));
  EXPECT_EQ(Kept("bkp_www")->origin, StoreNumber("machine"));
  EXPECT_EQ(Kept("bkp_www")->keeps, Revision{0});  // It was another entry's.
}

TEST_P(KeptState, AStoreThatStayedTakesNothingOfOneThatWent) {
  Fill("machine", "www", {"leaf.pem", "chain.pem"});
  RemoveAll("machine", "www");
  Fill("vpxd", "www", {"self-signed.pem", "leaf.pem"});
  EXPECT_EQ(KeptText("bkp_www", Member::kCertificate), Text("chain.pem"));
  EXPECT_EQ(KeptText("bkp_www@vpxd", Member::kCertificate), Text("self-signed.pem"));
}

TEST_P(KeptState, AStoreOfAFormerNameTakesNothingOfTheOneThatHadIt) {
  Fill("machine", "www", {"leaf.pem", "chain.pem"});
  const Number renamed = Fill("vpxd", "www", {"self-signed.pem", "chain.pem"});
  Must(keystore_->RenameStore(NameOf("vpxd"), NameOf("before")));
  MakeStore("vpxd");
  EXPECT_FALSE(KeptOf("vpxd", "www"));
  const Number number = Fill("vpxd", "www", {"leaf.pem", "chain.pem"});
  EXPECT_EQ(KeptText("bkp_www@vpxd", Member::kCertificate), Text("self-signed.pem"));
  EXPECT_EQ(KeptText("bkp_www@@2", Member::kCertificate), Text("leaf.pem"));
  EXPECT_EQ(KeptOf("vpxd", "www")->alias.text(), "bkp_www@@2");
  Put(number, Member::kCertificate, "self-signed.pem");
  EXPECT_EQ(KeptText("bkp_www@@2", Member::kCertificate), Text("chain.pem"));
  Put(renamed, Member::kCertificate, "leaf.pem");
  EXPECT_EQ(KeptText("bkp_www@before", Member::kCertificate), Text("chain.pem"));
  EXPECT_EQ(KeptOf("before", "www")->alias.text(), "bkp_www@before");
}

// As a replacement in two halves whose second one is refused undoes its first.
TEST_P(KeptState, WhatARemovalTookFromAStoreThatIsGoneReturns) {
  Fill("machine", "www", {"leaf.pem", "chain.pem"});
  Fill("vpxd", "www", {"self-signed.pem", "leaf.pem"});
  const Number gone = StoreNumber("vpxd");
  RemoveAll("vpxd", "www");
  MakeStore("vpxd");
  const Number number = Fill("vpxd", "www", {"chain.pem"});
  RemovedFile removed;
  Must(keystore_->RemoveFile(number, Member::kCertificate, kRoot, &removed));
  EXPECT_EQ(KeptText("bkp_www@vpxd", Member::kCertificate), Text("chain.pem"));
  EXPECT_EQ(Kept("bkp_www@vpxd")->origin, StoreNumber("vpxd"));
  Must(keystore_->RestoreFile(removed));
  EXPECT_EQ(KeptText("bkp_www@vpxd", Member::kCertificate), Text("leaf.pem"));
  EXPECT_EQ(Kept("bkp_www@vpxd")->origin, gone);
}

TEST_P(KeptState, TheLongestNamesHaveAKeptOne) {
  const std::string alias(kAliasBytesMax, 'a');
  const std::string store(kStoreNameBytesMax, 's');
  Must(keystore_->CreateStore(NameOf(store), kRoot, 0755));
  for (const std::string& each : {std::string("machine"), store}) {
    const Number number = Make(each, alias);
    Put(number, Member::kCertificate, "leaf.pem");
    Put(number, Member::kCertificate, "chain.pem");
  }
  EXPECT_EQ(KeptText("bkp_" + alias + "@" + store, Member::kCertificate), Text("leaf.pem"));
  Must(keystore_->RenameStore(NameOf(store), NameOf("before")));
  MakeStore(store);
  Fill(store, alias, {"self-signed.pem", "chain.pem"});
  EXPECT_EQ(KeptText("bkp_" + alias + "@@2", Member::kCertificate), Text("self-signed.pem"));
}

TEST_P(KeptState, OfEveryKindOfEntry) {
  const Number secret = Make("APPLMGMT_PASSWORD", "password");
  Must(keystore_->WriteFile(secret, Member::kSecret, AsBytes("old"), kRoot, {}));
  Must(keystore_->WriteFile(secret, Member::kSecret, AsBytes("new"), kRoot, {}));
  EXPECT_EQ(KeptText("bkp_password", Member::kSecret), "old");
  const Number root = Make("TRUSTED_ROOTS", "root");
  Put(root, Member::kCertificate, "root.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "list");
  Put(list, Member::kRevocationList, "crl-5.pem");
  Put(list, Member::kRevocationList, "crl-6.pem");
  EXPECT_EQ(KeptText("bkp_list", Member::kRevocationList), Text("crl-5.pem"));
  Must(keystore_->RemoveFile(root, Member::kCertificate, kRoot));
  EXPECT_EQ(KeptText("bkp_root", Member::kCertificate), Text("root.pem"));
}

// The store of kept states is no place of trust, and reuses no serial number.
TEST_P(KeptState, SpeaksForNothing) {
  const Number root = Make("TRUSTED_ROOTS", "root");
  Put(root, Member::kCertificate, "root.pem");
  Must(keystore_->RemoveFile(root, Member::kCertificate, kRoot));
  const Number machine = Make("MACHINE_SSL_CERT", "__MACHINE_CERT");
  EXPECT_EQ(CodeOf(keystore_->WriteFile(machine, Member::kCertificate, VectorOf("chain.pem"), kRoot, {})),
            ErrorCode::kRejected);
}

INSTANTIATE_TEST_SUITE_P(Keystores, KeptState, kBothDoors, NameOfDoor);

}  // namespace
}  // namespace certfs
