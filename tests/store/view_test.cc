// Goal: every view shows what its row says, is as large as it was measured, keeps its bytes while what it
// shows stays, and is as private as that. Method: entries of every kind in both tables, asked for before and
// after changes.

#include "store/view.h"

#include <algorithm>
#include <set>

#include "crypto/certificate.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {
namespace {

using enum Member;

class ViewsOf : public Door {
 protected:
  ViewsOf() : views_(*keystore_, {7, 8}) {}

  void SetPassword(std::string_view password, ExportProfile profile = ExportProfile::kModern) {
    Settings settings;
    settings.export_password = SecretOf(std::string(password));
    settings.profile = profile;
    Must(keystore_->SetSettings(settings));
  }
  Number Pair(std::string_view store, std::string_view alias) {
    const Number number = Make(store, alias);
    Put(number, kKey, "leaf.key");
    Put(number, kCertificate, "leaf.pem");
    return number;
  }
  Number Root(std::string_view alias, const std::string& vector = "root.pem") {
    const Number number = Make("TRUSTED_ROOTS", alias);
    Put(number, kCertificate, vector);
    return number;
  }
  std::vector<ShownView> OfEntry(Number number) {
    const auto snapshot = Must(keystore_->Snapshot());
    return Must(views_.OfEntry(*snapshot, *Must(snapshot->FindEntryByNumber(number))));
  }
  std::vector<ShownView> OfStore(std::string_view name) {
    const auto snapshot = Must(keystore_->Snapshot());
    return Must(views_.OfStore(*snapshot, *Must(snapshot->FindStore(NameOf(name)))));
  }
  std::optional<ShownView> Find(ViewKind kind, Number number) {
    const auto snapshot = Must(keystore_->Snapshot());
    return Must(views_.Find(*snapshot, kind, number));
  }
  Result<std::string> Read(const ShownView& shown) {
    const auto snapshot = Must(keystore_->Snapshot());
    const ViewBytes bytes = TRY(views_.Read(*snapshot, shown));
    const BytesView secret = bytes.secret.Reveal();
    EXPECT_TRUE(bytes.plain.empty() || secret.empty());
    EXPECT_EQ(shown.view->secret, !secret.empty());
    return std::string(AsText(bytes.plain.empty() ? secret : BytesView(bytes.plain)));
  }
  std::string Text(ViewKind kind, Number number) {
    const auto shown = Find(kind, number);
    EXPECT_TRUE(shown);
    return shown ? Must(Read(*shown)) : std::string();
  }
  static std::vector<std::string> NamesOf(const std::vector<ShownView>& shown) {
    std::vector<std::string> names;
    for (const ShownView& each : shown) names.push_back(each.name);
    return names;
  }
  // Reads all of `shown`, and expects what was measured.
  void ExpectMeasured(const std::vector<ShownView>& shown) {
    for (const ShownView& each : shown) {
      const std::string text = Must(Read(each));
      EXPECT_EQ(text.size(), each.size) << each.name;
      EXPECT_FALSE(text.empty()) << each.name;
    }
  }

  Views views_;
};

TEST_P(ViewsOf, TheTableNamesEachKindOnce) {
  std::set<ViewKind> kinds;
  for (const View& view : ViewTable()) {
    EXPECT_TRUE(kinds.insert(view.kind).second);
    EXPECT_EQ(&ViewOf(view.kind), &view);
  }
}

TEST_P(ViewsOf, AnEntryShowsWhatItsFilesCanShow) {
  const std::vector<std::string> pair{"fullchain.pem", "combined.pem", "cert.der", "public.pem",
                                      "keystore.p12",  "info.txt",     "info.json"};
  EXPECT_EQ(NamesOf(OfEntry(Pair("machine", "pair"))), pair);
  const Number empty = Make("machine", "empty");
  EXPECT_TRUE(OfEntry(empty).empty());
  const Number secret = Make("APPLMGMT_PASSWORD", "secret");
  Must(Write(secret, kSecret, AsBytes("swordfish")));
  EXPECT_EQ(NamesOf(OfEntry(secret)), (std::vector<std::string>{"info.txt", "info.json"}));
  EXPECT_EQ(Text(ViewKind::kInfoText, secret).find("swordfish"), std::string::npos);
  const Number key = Make("vpxd", "key");
  Put(key, kKey, "rsa2048-pkcs1.key");
  EXPECT_EQ(NamesOf(OfEntry(key)),
            (std::vector<std::string>{"public.pem", "keystore.p12", "info.txt", "info.json"}));
  const Number chain = Make("vpxd", "chain");
  Put(chain, kCertificate, "chain-with-root.pem");
  EXPECT_EQ(NamesOf(OfEntry(chain)), (std::vector<std::string>{"fullchain.pem", "chain.pem", "cert.der",
                                                               "public.pem", "info.txt", "info.json"}));
}

TEST_P(ViewsOf, ChainsLeaveTheRootOut) {
  const Number number = Make("vpxd", "chain");
  Put(number, kCertificate, "chain-with-root.pem");
  const std::string full = Text(ViewKind::kFullChain, number);
  const auto count = [](const std::string& text) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find("-----BEGIN", at)) != std::string::npos; ++at) ++found;
    return found;
  };
  const std::string stored = Door::Text(number, kCertificate);
  ASSERT_EQ(count(stored), 3U);
  EXPECT_EQ(count(full), 2U);
  EXPECT_EQ(count(Text(ViewKind::kChain, number)), 1U);
  EXPECT_TRUE(full.ends_with(Text(ViewKind::kChain, number)));
  // Of a root itself, it is all that there is.
  EXPECT_EQ(count(Text(ViewKind::kFullChain, Root("root"))), 1U);
}

TEST_P(ViewsOf, EverySizeIsThatOfTheBytes) {
  Root("root");
  Root("other", "other-root.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "list");
  Put(list, kRevocationList, "crl-5.pem");
  const Number pair = Pair("machine", "pair \xc3\xbc");
  const Number key = Make("machine", "key");
  Put(key, kKey, "rsa2048-pkcs1.key");
  const Number next = Must(keystore_->CreateNext(pair, kRoot, 0755)).number;
  Must(Write(next, kRequest, AsBytes("Name = www.example.com\nHostname = www.example.com\n")));
  for (const ExportProfile profile : {ExportProfile::kModern, ExportProfile::kCompatible}) {
    SetPassword("correct horse battery", profile);
    for (const Number each : {list, pair, key}) ExpectMeasured(OfEntry(each));
    for (const char* store : {"machine", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS", "wcp"})
      ExpectMeasured(OfStore(store));
    const auto snapshot = Must(keystore_->Snapshot());
    ExpectMeasured(Must(views_.OfExport(*snapshot)));
    ExpectMeasured(Must(views_.Hashed(*snapshot)));
  }
}

TEST_P(ViewsOf, BytesAndIdentityStayWhileWhatTheyShowStays) {
  SetPassword("correct horse battery");
  const Number number = Pair("machine", "pair");
  std::map<ViewKind, std::pair<Digest, std::string>> before;
  for (const ShownView& each : OfEntry(number)) before[each.view->kind] = {each.identity, Must(Read(each))};
  // Another entry, permissions, times, another Views: nothing of it shows.
  Pair("vpxd", "another");
  clock_.Tick(std::chrono::hours(5));
  Must(keystore_->SetFileAttributes(number, kCertificate, {0600, 33, 44, {}, {}}));
  Views again(*keystore_, {7, 8});
  const auto snapshot = Must(keystore_->Snapshot());
  for (const ShownView& each : Must(again.OfEntry(*snapshot, *Must(snapshot->FindEntryByNumber(number))))) {
    EXPECT_EQ(each.identity, before[each.view->kind].first) << each.name;
    EXPECT_EQ(Must(Read(each)), before[each.view->kind].second) << each.name;
  }
}

TEST_P(ViewsOf, IdentityMovesWithWhatIsShown) {
  SetPassword("correct horse battery");
  const Number number = Pair("machine", "pair");
  const auto identities = [&] {
    std::map<std::string, Digest> all;
    for (const ShownView& each : OfEntry(number)) all[each.name] = each.identity;
    return all;
  };
  const auto expect_moved = [&](const std::map<std::string, Digest>& before, const std::string& name,
                                const char* by) {
    EXPECT_NE(identities()[name], before.at(name)) << name << " by " << by;
  };
  auto before = identities();
  Must(keystore_->RenameEntry(StoreNumber("machine"), AliasOf("pair"), AliasOf("renamed"), kRoot));
  for (const char* name : {"keystore.p12", "info.txt", "info.json"}) expect_moved(before, name, "its name");
  before = identities();
  SetPassword("another horse");
  expect_moved(before, "keystore.p12", "the password");
  EXPECT_EQ(identities()["fullchain.pem"], before["fullchain.pem"]);
  before = identities();
  Root("root");
  for (const char* name : {"info.txt", "info.json"}) expect_moved(before, name, "a trust anchor");
  before = identities();
  const Number next = Must(keystore_->CreateNext(number, kRoot, 0755)).number;
  Must(Write(next, kRequest, AsBytes("Name = www.example.com\n")));
  for (const char* name : {"info.txt", "info.json"}) expect_moved(before, name, "a pending request");
  EXPECT_TRUE(identities().contains("request.csr"));
  before = identities();
  Must(keystore_->RemoveFile(number, kKey, kRoot));
  expect_moved(before, "info.txt", "a removal");
  EXPECT_FALSE(identities().contains("combined.pem"));
}

TEST_P(ViewsOf, WithoutAPasswordWhatBearsKeysIsMeasuredAndDoesNotOpen) {
  const Number number = Pair("machine", "pair");
  const auto shown = Find(ViewKind::kKeystore, number);
  ASSERT_TRUE(shown);
  EXPECT_EQ(ToString(CodeOf(Read(*shown))), ToString(ErrorCode::kPasswordRequired));
  for (const auto& [kind, of] : {std::pair{ViewKind::kStoreKeystore, StoreNumber("machine")},
                                 std::pair{ViewKind::kServerKeystore, Number{0}}}) {
    const auto several = Find(kind, of);
    ASSERT_TRUE(several);
    EXPECT_GT(several->size, 0U);
    EXPECT_EQ(ToString(CodeOf(Read(*several))), ToString(ErrorCode::kPasswordRequired));
  }
  EXPECT_TRUE(Read(*Find(ViewKind::kCombined, number)).has_value());
  SetPassword("correct horse battery");
  EXPECT_EQ(Find(ViewKind::kKeystore, number)->size, shown->size);
  EXPECT_TRUE(Read(*Find(ViewKind::kKeystore, number)).has_value());
}

TEST_P(ViewsOf, PermissionsAreThoseOfWhatIsShown) {
  const Number number = Pair("machine", "pair");
  Must(keystore_->SetFileAttributes(number, kCertificate, {0644, 33, 44, {}, {}}));
  Must(keystore_->SetFileAttributes(number, kKey, {0640, 55, 66, {}, {}}));
  for (const ShownView& each : OfEntry(number)) {
    const bool of_key = each.view->kind == ViewKind::kCombined || each.view->kind == ViewKind::kKeystore;
    EXPECT_EQ(each.attributes.mode, of_key ? 0640U : 0644U) << each.name;
    EXPECT_EQ(each.attributes.uid, of_key ? 55U : 33U) << each.name;
    EXPECT_EQ(each.attributes.gid, of_key ? 66U : 44U) << each.name;
  }
  for (const ShownView& each : OfStore("machine")) {
    EXPECT_EQ(each.attributes.mode, each.view->encrypted ? 0600U : 0644U) << each.name;
    EXPECT_EQ(each.attributes.uid, each.view->encrypted ? 7U : 0U) << each.name;
  }
}

TEST_P(ViewsOf, WhatNotEverybodyMayReadIsInNoViewForAll) {
  const Number hidden = Root("hidden", "other-root.pem");
  Root("root");
  const auto bundle = [&] { return Text(ViewKind::kBundle, StoreNumber("TRUSTED_ROOTS")); };
  const auto hashed = [&] { return Must(views_.Hashed(*Must(keystore_->Snapshot()))).size(); };
  const auto index = [&] { return Text(ViewKind::kIndex, StoreNumber("TRUSTED_ROOTS")); };
  const std::string all = bundle();
  EXPECT_EQ(hashed(), 2U);
  EXPECT_NE(index().find("Other"), std::string::npos);
  Must(keystore_->SetEntryAttributes(hidden, {0700, {}, {}, {}, {}}));
  EXPECT_LT(bundle().size(), all.size());
  EXPECT_EQ(hashed(), 1U);
  EXPECT_EQ(index().find("Other"), std::string::npos);
  EXPECT_NE(index().find("\"hidden\""), std::string::npos);
}

TEST_P(ViewsOf, OneHashWithTwoCertificatesCountsThemByFingerprint) {
  Root("b");
  Root("a", "rekeyed-ca.pem");
  const auto names = [&] { return NamesOf(Must(views_.Hashed(*Must(keystore_->Snapshot())))); };
  const std::vector<std::string> before = names();
  ASSERT_EQ(before.size(), 2U);
  Must(keystore_->RenameEntry(StoreNumber("TRUSTED_ROOTS"), AliasOf("b"), AliasOf("0"), kRoot));
  EXPECT_EQ(names(), before);
}

TEST_P(ViewsOf, WhatIsGoneIsNotFound) {
  const Number number = Pair("machine", "pair");
  const auto shown = Find(ViewKind::kFullChain, number);
  ASSERT_TRUE(shown);
  Must(keystore_->RemoveFile(number, kCertificate, kRoot));
  EXPECT_FALSE(Find(ViewKind::kFullChain, number));
  Must(keystore_->RemoveFile(number, kKey, kRoot));
  Must(keystore_->RemoveEntry(StoreNumber("machine"), AliasOf("pair"), kRoot));
  EXPECT_FALSE(Find(ViewKind::kFullChain, number));
  EXPECT_EQ(ToString(CodeOf(Read(*shown))), ToString(ErrorCode::kStale));
}

INSTANTIATE_TEST_SUITE_P(BothTables, ViewsOf, kBothDoors, NameOfDoor);

}  // namespace
}  // namespace certfs
