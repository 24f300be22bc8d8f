// Goal: whatever of a keystore's pages is gone, everything that still verifies comes back, what does not is
// named, and nothing that was removed returns. Method: whole pages of a keystore with something of everything
// are spoilt; the salvaged one is compared with the good one by names.

#include "store/salvage.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/examination.h"
#include "store/opened_keystore.h"
#include "tests/store/data_file.h"
#include "tests/store/small_keystore.h"

namespace certfs {
namespace {

class Salvage : public testing::Test {
 protected:
  Salvage() : keystore_(directory_.path() / "keystore") {}

  // Without anything of before in it.
  void MakeCompact() {
    Must(RewriteData(keystore_.path(), keystore_.Keys()));
    // Where the rows of it lie: nothing of it is free.
  }
  std::filesystem::path salvaged() const { return directory_.path() / "salvaged"; }

  Result<SalvageReport> Run() {
    std::filesystem::remove_all(salvaged());
    return SalvageKeystore(keystore_.path(), TestSecret(), salvaged(), TestSecret('n'), kRoot,
                           keystore_.clock());
  }
  // What the salvaged one shows.
  Seen SeeSalvaged() {
    Seen seen;
    {
      const auto examination =
          Must(KeystoreExamination::Open(salvaged(), TestSecret('n'), keystore_.clock()));
      const VerificationReport verified = Must(examination->Verify({}));
      for (const Damage& each : verified.damages) ADD_FAILURE() << each.subject << ": " << each.detail;
      EXPECT_EQ(verified.unreferenced, 0U);
      seen = keystore_.See(*Must(examination->keystore().Snapshot()));
    }
    ExpectARestorableBackup();
    return seen;
  }
  // What cannot be backed up and restored is no keystore to go on with.
  void ExpectARestorableBackup() {
    const auto keystore = Must(Keystore::Open(salvaged(), TestSecret('n'), keystore_.clock()));
    if (Must(Must(keystore->Snapshot())->GetSettings()).export_password.empty())
      Must(keystore->SetSettings({SecretOf(kExportPassword), ExportProfile::kModern}));
    const BackupOnDisk backup(Must(MakeBackup(*keystore)).bytes);
    const std::filesystem::path restored = directory_.path() / "restored";
    const auto outcome = RestoreKeystore(Must(backup.Open()), restored, TestSecret('r'), keystore_.clock());
    // The certificates of this authority are none; it stands behind all stores.
    const std::string why = outcome.has_value() ? "" : outcome.error().message();
    EXPECT_TRUE(outcome.has_value() || why.find("/restored: ca/") != std::string::npos) << why;
    std::filesystem::remove_all(restored);
  }
  // Expects all that the good one shows, save what begins with one of `missing`. Numbers of entries are
  // others: what the authority and the ledger say of them is compared apart.
  void ExpectAllBut(const std::set<std::string>& missing) {
    const Seen seen = SeeSalvaged();
    for (const auto& [name, value] : keystore_.good()) {
      if (std::any_of(missing.begin(), missing.end(),
                      [&key = name](const std::string& each) { return key.starts_with(each); }))
        continue;
      const auto found = seen.values.find(name);
      EXPECT_TRUE(found != seen.values.end()) << name;
      const bool numbered = name == "authority" || name.starts_with("line ");
      if (found != seen.values.end() && !numbered) {
        EXPECT_EQ(found->second, value) << name;
      }
    }
    for (const auto& [name, value] : seen.values)
      EXPECT_TRUE(keystore_.good().count(name) != 0 || name.starts_with("SALVAGED"))
          << name << " was never there";
  }

  // Calls `look` with each row of `table` that is of `number`.
  static void EachRow(const DataFile& data, const char* table, Number number,
                      const std::function<void(const lmdb::Node&)>& look) {
    const std::function<void(lmdb::PageNumber)> walk = [&](lmdb::PageNumber page) {
      const lmdb::TreePage tree = data.Tree(page);
      for (std::size_t i = 0; i < tree.count(); ++i) {
        const lmdb::Node node = tree.At(i);
        if (!tree.is_leaf()) {
          walk(node.child);
          continue;
        }
        Reader reader(node.key);
        if ((node.key.size() >= 8 ? reader.U64() : reader.U8()) == number) look(node);
      }
    };
    walk(data.TableFacts(table).root);
  }
  // The value that a row has; of a table with members, the one of that member.
  Bytes RowOf(const char* table, Number number, std::optional<Member> member = std::nullopt) const {
    const DataFile data(keystore_.path());
    Bytes value;
    EachRow(data, table, number, [&](const lmdb::Node& node) {
      if ((node.flags & lmdb::kBigNode) != 0) return;
      if (!member || node.key.back() == static_cast<std::uint8_t>(*member))
        value.assign(node.value.begin(), node.value.end());
    });
    EXPECT_FALSE(value.empty());
    return value;
  }
  // Changes a byte of these wherever they stand; returns how often that was.
  int SpoilBytes(const Bytes& value) const {
    const DataFile data(keystore_.path());
    Bytes bytes = data.good();
    int count = 0;
    for (auto at = bytes.begin();; ++count) {
      at = std::search(at, bytes.end(), value.begin(), value.end());
      if (at == bytes.end()) break;
      at[static_cast<std::ptrdiff_t>(value.size()) - 1] ^= 1;
    }
    data.Write(bytes);
    return count;
  }
  // Changes a byte of the value that a row has, wherever in the file that stands: LMDB leaves copies behind.
  void SpoilRow(const char* table, Number number, bool copies = true) {
    const DataFile data(keystore_.path());
    Bytes bytes = data.good();
    bool found = false;
    EachRow(data, table, number, [&](const lmdb::Node& node) {
      const bool big = (node.flags & lmdb::kBigNode) != 0;
      const std::size_t begin = big ? DataFile::Offset(node.run(), lmdb::kPageHeaderBytes)
                                    : static_cast<std::size_t>(node.value.data() - data.good().data());
      const BytesView value = BytesView(data.good()).subspan(begin, node.size);
      for (std::size_t at = begin; at < bytes.size();) {
        bytes[at + value.size() - 1] ^= 1;
        if (!copies) break;
        const auto next = std::search(bytes.begin(), bytes.end(), value.begin(), value.end());
        at = static_cast<std::size_t>(next - bytes.begin());
      }
      found = true;
    });
    EXPECT_TRUE(found);
    data.Write(bytes);
  }
  // Fills every page that `chosen` says with zeros; returns how many there were.
  int ZeroPages(const std::function<bool(const lmdb::PageHeader&)>& chosen) {
    const DataFile data(keystore_.path());
    Bytes bytes = data.good();
    int count = 0;
    for (lmdb::PageNumber i = 0; i < bytes.size() / DataFile::kPage; ++i) {
      const lmdb::PageHeader header = lmdb::PageHeader::Parse(data.Page(i));
      if (header.number != i || !chosen(header)) continue;
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(DataFile::Offset(i)), DataFile::kPage, 0);
      ++count;
    }
    data.Write(bytes);
    return count;
  }
  void ZeroHashTrees() {
    const DataFile data(keystore_.path());
    std::set<lmdb::PageNumber> pages;
    const std::function<void(lmdb::PageNumber)> walk = [&](lmdb::PageNumber page) {
      pages.insert(page);
      for (std::size_t i = 0; !data.Tree(page).is_leaf() && i < data.Tree(page).count(); ++i)
        walk(data.Tree(page).At(i).child);
    };
    walk(data.TableFacts("nodes").root);
    ZeroPages([&](const lmdb::PageHeader& page) { return pages.count(page.number) != 0; });
  }
  int ZeroMetas() {
    return ZeroPages([](const lmdb::PageHeader& page) { return (page.flags & lmdb::kMetaPage) != 0; });
  }
  // Puts what data.mdb was behind what it is, and takes away what tells the one from the other: as if no page
  // had been used again since.
  void MixWith(const Bytes& before) {
    EXPECT_EQ(ZeroMetas(), 2);
    const DataFile data(keystore_.path());
    Bytes bytes = data.good();
    EXPECT_EQ(bytes.size() % DataFile::kPage, 0U);
    bytes.insert(bytes.end(), before.begin(), before.end());
    data.Write(bytes);
  }
  // Changes the keystore; returns what it shows then.
  Seen ChangeBy(const std::function<void(Keystore&, Populator&)>& change) {
    const auto keystore = Must(Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock()));
    Populator populator(*keystore, clock_);
    change(*keystore, populator);
    return keystore_.See(*Must(keystore->Snapshot()));
  }
  Number NumberOf(const std::string& name) const {
    for (const auto& [number, each] : keystore_.names()) {
      if (each == name) return number;
    }
    ADD_FAILURE() << "there is no " << name;
    return 0;
  }
  // The page that its record stood on until then is free, and was not used again.
  void Change(const std::string& name) {
    const auto keystore = Must(Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock()));
    AttributeChange change;
    change.mode = 0700;
    Must(keystore->SetEntryAttributes(NumberOf(name), change));
  }
  static Fate FateOf(const SalvageReport& report, const std::string& name) {
    for (const SalvagedItem& each : report.items) {
      if (each.name == name) return each.fate;
    }
    return Fate::kLost;
  }

  const QuickPlace place_;
  TemporaryDirectory directory_;
  SmallKeystore keystore_;
  FixedClock clock_;
};

TEST_F(Salvage, AWholeOneComesBackWhole) {
  const SalvageReport report = Must(Run());
  ExpectAllBut({});
  EXPECT_EQ(report.Count(Fate::kRecovered), report.items.size());
  EXPECT_TRUE(report.doubts.empty() && report.losses.empty() && report.left_out.empty());
  EXPECT_TRUE(report.authority);
  EXPECT_EQ(report.issued, SmallKeystore::kLines);
  EXPECT_EQ(report.stores + report.entries, keystore_.names().size());
  const auto before = Must(Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock()));
  const auto after = Must(Keystore::Open(salvaged(), TestSecret('n'), keystore_.clock()));
  EXPECT_EQ(DescribeByName(*after), DescribeByName(*before));
  const auto certificate = [](Keystore& of) {
    return Must(Must(of.Snapshot())->GetAuthority()).certificates.front().key.Clone();
  };
  EXPECT_TRUE(EqualSecrets(certificate(*after).Reveal(), certificate(*before).Reveal()));
  const auto line = Must(Must(after->Snapshot())->FindIssued(SerialOf(3)));
  ASSERT_TRUE(line);
  EXPECT_EQ(line->certificate, SomeIssued(3).certificate);
  EXPECT_TRUE(EqualSecrets(line->key.Reveal(), SomeIssued(3).key.Reveal()));
}

TEST_F(Salvage, WithoutTheMetas) {
  EXPECT_EQ(ZeroMetas(), 2);
  const SalvageReport report = Must(Run());
  EXPECT_FALSE(report.doubts.empty());
  ExpectAllBut({});
}

TEST_F(Salvage, WithoutAnyBranch) {
  EXPECT_GT(ZeroPages([](const lmdb::PageHeader& page) { return page.flags == lmdb::kBranchPage; }), 2);
  const SalvageReport report = Must(Run());
  EXPECT_EQ(report.Count(Fate::kDamaged), 0U);
  ExpectAllBut({});
}

// The records themselves say where they belong.
TEST_F(Salvage, WithoutTheHashTrees) {
  MakeCompact();
  ZeroHashTrees();
  const SalvageReport report = Must(Run());
  EXPECT_FALSE(report.doubts.empty());
  EXPECT_EQ(report.Count(Fate::kDamaged) + report.Count(Fate::kLost), 0U);
  ExpectAllBut({});
}

// What was removed, and still stands on pages that are free, stays away.
TEST_F(Salvage, NothingReturns) {
  {
    const auto keystore = Must(Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock()));
    Populator populator(*keystore, clock_);
    const Number number = populator.Make("machine", "gone");
    populator.Put(number, Member::kKey, "ed25519.key");
    Must(keystore->RemoveFile(number, Member::kKey, kRoot));
    Must(keystore->RemoveEntry(populator.StoreOf("machine"), AliasOf("gone"), kRoot));
  }
  const DataFile data(keystore_.path());
  const lmdb::PageNumber leaf = data.LeafOf(data.TableFacts("nodes").root);
  ZeroPages([&](const lmdb::PageHeader& page) { return page.number == leaf; });
  const SalvageReport report = Must(Run());
  EXPECT_EQ(FateOf(report, "machine/gone"), Fate::kLost);
  const Seen seen = SeeSalvaged();
  EXPECT_EQ(seen.values.count("machine/gone"), 0U);
  EXPECT_EQ(seen.values.count("machine/small19/key.pem"), 1U);
  EXPECT_EQ(seen.values.count("BACKUP_STORE/bkp_gone/key.pem"), 1U);
}

TEST_F(Salvage, AFileThatIsDamaged) {
  SpoilRow("contents", NumberOf("machine/small7"));
  const SalvageReport report = Must(Run());
  EXPECT_EQ(FateOf(report, "machine/small7/key.pem"), Fate::kDamaged);
  EXPECT_EQ(FateOf(report, "machine/small7"), Fate::kRecovered);
  EXPECT_EQ(report.Count(Fate::kDamaged), 1U);
  EXPECT_EQ(report.Count(Fate::kRecovered), report.items.size() - 1);
  ExpectAllBut({"machine/small7/"});
}

// LMDB copies whole pages: the same record may stand on one that is free.
TEST_F(Salvage, AnEntryOfWhichACopyIsLeft) {
  Change("machine/small8");
  SpoilRow("entries", NumberOf("machine/small7"), false);
  const SalvageReport report = Must(Run());
  EXPECT_EQ(report.Count(Fate::kRecovered), report.items.size());
  ExpectAllBut({"machine/small8"});
}

// The record before it has its name.
TEST_F(Salvage, AnEntryOfWhichAnOlderStateIsLeft) {
  Change("machine/small7");
  SpoilRow("entries", NumberOf("machine/small7"));
  const SalvageReport report = Must(Run());
  EXPECT_EQ(FateOf(report, "machine/small7"), Fate::kDoubtful);
  ExpectAllBut({"machine/small7"});
  EXPECT_EQ(SeeSalvaged().values.count("machine/small7/key.pem"), 1U);
}

// And without one its files come back without a name.
TEST_F(Salvage, AnEntryOfWhichOnlyTheFilesAreLeft) {
  MakeCompact();
  const Number number = NumberOf("machine/small7");
  SpoilRow("entries", number);
  const SalvageReport report = Must(Run());
  EXPECT_FALSE(report.losses.empty());
  const std::string name = "SALVAGED/number-" + std::to_string(number);
  EXPECT_EQ(FateOf(report, name), Fate::kDoubtful);
  ExpectAllBut({"machine/small7", "machine"});
  const auto file = SeeSalvaged().values.find(name + "/key.pem");
  const std::string text(AsText(VectorOf("ed25519.key")));
  EXPECT_NE(SeeSalvaged().values[name + "/key.pem"].find(text.substr(0, 60)), std::string::npos);
  static_cast<void>(file);
}

TEST_F(Salvage, AStoreThatLostItsName) {
  MakeCompact();
  const Number number = NumberOf("vpxd");
  SpoilRow("stores", number);
  const SalvageReport report = Must(Run());
  const std::string name = "SALVAGED-" + std::to_string(number);
  EXPECT_EQ(FateOf(report, name), Fate::kDoubtful);
  EXPECT_EQ(SeeSalvaged().values[name + "/web/key.pem"], keystore_.good().at("vpxd/web/key.pem"));
  ExpectAllBut({"vpxd"});
}

// A protected store is never missing and never renamed.
TEST_F(Salvage, AProtectedStoreThatLostItsName) {
  MakeCompact();
  SpoilRow("stores", NumberOf("TRUSTED_ROOTS"));
  const SalvageReport report = Must(Run());
  EXPECT_EQ(FateOf(report, "TRUSTED_ROOTS"), Fate::kDoubtful);
  Seen seen = SeeSalvaged();
  for (const char* const name : {"TRUSTED_ROOTS/root/cert.pem", "TRUSTED_ROOTS/issuing/cert.pem"})
    EXPECT_EQ(seen.values[name], keystore_.good().at(name)) << name;
  ExpectAllBut({"TRUSTED_ROOTS"});
}

// Which of two it was nothing says: none of their certificates becomes an anchor by a guess.
TEST_F(Salvage, AProtectedStoreAndAnotherThatLostTheirNames) {
  MakeCompact();
  const Number number = NumberOf("TRUSTED_ROOTS");
  SpoilRow("stores", number);
  SpoilRow("stores", NumberOf("vpxd"));
  const SalvageReport report = Must(Run());
  const auto made = std::ranges::find(report.items, "TRUSTED_ROOTS", &SalvagedItem::name);
  ASSERT_NE(made, report.items.end());
  EXPECT_EQ(made->fate, Fate::kLost);
  Seen seen = SeeSalvaged();
  EXPECT_EQ(seen.values.count("TRUSTED_ROOTS"), 1U);
  EXPECT_EQ(seen.values.count("TRUSTED_ROOTS/root/cert.pem"), 0U);
  EXPECT_EQ(seen.values["SALVAGED-" + std::to_string(number) + "/root/cert.pem"],
            keystore_.good().at("TRUSTED_ROOTS/root/cert.pem"));
  ExpectAllBut({"TRUSTED_ROOTS", "vpxd"});
}

// Only there has a live entry an origin.
TEST_F(Salvage, TheStoreOfKeptStatesAndAnotherThatLostTheirNames) {
  MakeCompact();
  SpoilRow("stores", NumberOf("BACKUP_STORE"));
  SpoilRow("stores", NumberOf("vpxd"));
  const SalvageReport report = Must(Run());
  EXPECT_EQ(FateOf(report, "BACKUP_STORE"), Fate::kDoubtful);
  const Seen seen = SeeSalvaged();
  int kept = 0;
  for (const auto& [name, value] : keystore_.good()) {
    if (!name.starts_with("BACKUP_STORE/") || !name.ends_with(".pem")) continue;
    ++kept;
    const auto found = seen.values.find(name);
    ASSERT_TRUE(found != seen.values.end()) << name;
    EXPECT_EQ(found->second, value) << name;
  }
  EXPECT_GT(kept, 0);
}

// Its name is left in that of its replacement, and its files come back once.
TEST_F(Salvage, AnEntryOfWhichTheFilesAndTheReplacementAreLeft) {
  MakeCompact();
  SpoilRow("entries", NumberOf("machine/web"));
  const SalvageReport report = Must(Run());
  EXPECT_EQ(FateOf(report, "machine/web"), Fate::kDoubtful);
  const Seen seen = SeeSalvaged();
  for (const char* const name : {"machine/web/key.pem", "machine/web/cert.pem", "machine/web/next/key.pem"})
    EXPECT_EQ(seen.values.count(name), 1U) << name;
  for (const auto& [name, value] : seen.values) EXPECT_FALSE(name.starts_with("SALVAGED")) << name;
}

// Where another entry has that name by now they come back without one.
TEST_F(Salvage, FilesOfWhichTheNameIsAnothersByNow) {
  MakeCompact();
  const Number web = NumberOf("machine/web");
  const Number next = NumberOf("machine/web/next");
  ChangeBy([&](Keystore&, Populator& populator) {
    populator.Put(populator.Make("machine", "second"), Member::kKey, "ed25519.key");
  });
  const Bytes named = RowOf("entries", web);
  ChangeBy([&](Keystore& keystore, Populator& populator) {
    const Number store = populator.StoreOf("machine");
    Must(keystore.RenameEntry(store, AliasOf("web"), AliasOf("www"), kRoot));
    Must(keystore.RenameEntry(store, AliasOf("second"), AliasOf("web"), kRoot));
  });
  SpoilBytes(named);  // If LMDB has not used its page again by now.
  SpoilRow("entries", web);
  SpoilRow("entries", next);  // The record before it has the name of before.
  const SalvageReport report = Must(Run());
  EXPECT_EQ(FateOf(report, "machine/web"), Fate::kRecovered);
  const Seen seen = SeeSalvaged();
  const std::string apart = "SALVAGED/number-" + std::to_string(web);
  for (const std::string& name : {apart + "/key.pem", apart + "/cert.pem"})
    EXPECT_EQ(seen.values.count(name), 1U) << name;
}

// What is left of an entry may be of two times.
TEST_F(Salvage, AKeyThatIsNotItsCertificates) {
  Number number = 0;
  ChangeBy([&](Keystore&, Populator& populator) {
    number = populator.Make("machine", "pair");
    populator.Put(number, Member::kKey, "leaf.key");
    populator.Put(number, Member::kCertificate, "leaf.pem");
  });
  const Bytes before = DataFile(keystore_.path()).good();
  const Bytes key = RowOf("contents", number, Member::kKey);
  ChangeBy([&](Keystore& keystore, Populator& populator) {
    Must(keystore.RemoveFile(number, Member::kCertificate, kRoot));
    populator.Put(number, Member::kKey, "other.key");
  });
  const Bytes entry = RowOf("entries", number);
  MixWith(before);
  EXPECT_GT(SpoilBytes(key), 0);
  EXPECT_GT(SpoilBytes(entry), 0);
  const SalvageReport report = Must(Run());
  const std::string apart = "SALVAGED/number-" + std::to_string(number) + "-key-pem";
  EXPECT_EQ(FateOf(report, "machine/pair/key.pem"), Fate::kDoubtful);
  EXPECT_EQ(FateOf(report, apart), Fate::kDoubtful);
  const auto item = std::ranges::find(report.items, "machine/pair/key.pem", &SalvagedItem::name);
  EXPECT_NE(item->detail.find(apart), std::string::npos) << item->detail;
  Seen seen = SeeSalvaged();
  EXPECT_EQ(seen.values.count("machine/pair/cert.pem"), 1U);
  EXPECT_EQ(seen.values.count("machine/pair/key.pem"), 0U);
  const std::string other(AsText(VectorOf("other.key")));
  EXPECT_NE(seen.values[apart + "/key.pem"].find(other.substr(0, 60)), std::string::npos);
}

// A request stands in a replacement only, and of this nothing is left.
TEST_F(Salvage, ARequestOfWhichOnlyTheFilesAreLeft) {
  MakeCompact();
  const Number number = NumberOf("machine/empty/next");
  SpoilRow("entries", number);
  const SalvageReport report = Must(Run());
  Seen seen = SeeSalvaged();
  const std::string apart = "SALVAGED/number-" + std::to_string(number) + "-request-";
  const auto content = [](const std::string& text, const char* begin) {
    return text.substr(text.find(begin));
  };
  for (const auto& [name, begin] : {std::pair("cfg", "Name = "), std::pair("csr", "-----BEGIN")}) {
    const std::string entry = apart + name + "/next";
    EXPECT_EQ(FateOf(report, entry), Fate::kDoubtful);
    const std::string file = std::string("/request.") + name;
    EXPECT_EQ(content(seen.values[entry + file], begin),
              content(keystore_.good().at("machine/empty/next" + file), begin));
  }
  ExpectAllBut({"machine"});
}

// Whoever saves a keystore owns what has lost its owner.
TEST_F(Salvage, TheOwnerOfWhatLostItsOwn) {
  MakeCompact();
  const Number number = NumberOf("machine/small7");
  SpoilRow("entries", number);
  Must(SalvageKeystore(keystore_.path(), TestSecret(), salvaged(), TestSecret('n'), Actor{1234, 5678},
                       keystore_.clock()));
  const auto keystore = Must(Keystore::Open(salvaged(), TestSecret('n'), keystore_.clock()));
  const auto snapshot = Must(keystore->Snapshot());
  const auto store = Must(snapshot->FindStore(NameOf("SALVAGED")));
  ASSERT_TRUE(store);
  const auto entry = Must(snapshot->FindEntry(store->number, AliasOf("number-" + std::to_string(number))));
  ASSERT_TRUE(entry && entry->file(Member::kKey));
  for (const Attributes& each :
       {store->attributes, entry->attributes, entry->file(Member::kKey)->attributes}) {
    EXPECT_EQ(each.uid, 1234U);
    EXPECT_EQ(each.gid, 5678U);
    EXPECT_EQ(each.mode & 0077U, 0U);
  }
}

// Its tree leads to what was removed since, and to entries as they were.
TEST_F(Salvage, AStoreOfWhichAnOlderStateIsLeft) {
  Number gone = 0;
  ChangeBy([&](Keystore&, Populator& populator) {
    gone = populator.Make("machine", "gone");
    populator.Put(gone, Member::kKey, "ed25519.key");
  });
  const Seen good = ChangeBy([&](Keystore& keystore, Populator& populator) {
    populator.Put(NumberOf("machine/small7"), Member::kKey, "other.key");
    Must(keystore.RemoveFile(gone, Member::kKey, kRoot));
    Must(keystore.RemoveEntry(populator.StoreOf("machine"), AliasOf("gone"), kRoot));
  });
  SpoilRow("stores", NumberOf("machine"));
  const SalvageReport report = Must(Run());
  EXPECT_NE(FateOf(report, "machine"), Fate::kRecovered);
  Seen seen = SeeSalvaged();
  EXPECT_EQ(seen.values.count("machine/gone"), 0U);
  for (const auto& [name, value] : good.values) {
    if (name.starts_with("machine/small")) {
      EXPECT_EQ(seen.values[name], value) << name;
    }
  }
}

// Where nothing says any more what was removed, what was made anew is there twice.
TEST_F(Salvage, TwoStoresOfOneName) {
  Number first = 0;
  Number entry = 0;
  ChangeBy([&](Keystore& keystore, Populator& populator) {
    first = Must(keystore.CreateStore(NameOf("App"), kRoot, 0755)).number;
    entry = populator.Make("App", "one");
    populator.Put(entry, Member::kKey, "other.key");
  });
  const Bytes before = DataFile(keystore_.path()).good();
  ChangeBy([&](Keystore& keystore, Populator& populator) {
    Must(keystore.RemoveFile(entry, Member::kKey, kRoot));
    Must(keystore.RemoveEntry(first, AliasOf("one"), kRoot));
    Must(keystore.RemoveStore(NameOf("App")));
    Must(keystore.CreateStore(NameOf("app"), kRoot, 0755));
    populator.Put(populator.Make("app", "two"), Member::kKey, "leaf.key");
  });
  MixWith(before);
  const SalvageReport report = Must(Run());
  const std::string other = "SALVAGED-" + std::to_string(first);
  EXPECT_EQ(FateOf(report, "app"), Fate::kRecovered);
  EXPECT_EQ(FateOf(report, other), Fate::kDoubtful);
  EXPECT_EQ(FateOf(report, "App"), Fate::kLost);
  const Seen seen = SeeSalvaged();
  EXPECT_EQ(seen.refused, std::set<std::string>());
  EXPECT_EQ(seen.values.count("app"), 1U);
  EXPECT_EQ(seen.values.count("app/two/key.pem"), 1U);
  EXPECT_EQ(seen.values.count("app/one"), 0U);
  EXPECT_EQ(seen.values.count(other + "/one/key.pem"), 1U);
}

TEST_F(Salvage, TwoEntriesOfOneName) {
  Number entry = 0;
  ChangeBy([&](Keystore&, Populator& populator) {
    entry = populator.Make("machine", "Anew");
    populator.Put(entry, Member::kKey, "other.key");
  });
  const Bytes before = DataFile(keystore_.path()).good();
  const Seen good = ChangeBy([&](Keystore& keystore, Populator& populator) {
    Must(keystore.RemoveFile(entry, Member::kKey, kRoot));
    Must(keystore.RemoveEntry(populator.StoreOf("machine"), AliasOf("Anew"), kRoot));
    populator.Put(populator.Make("machine", "anew"), Member::kKey, "leaf.key");
  });
  ZeroHashTrees();  // So that none leads to the newer.
  MixWith(before);
  EXPECT_NE(FateOf(Must(Run()), "machine/anew"), Fate::kLost);
  Seen seen = SeeSalvaged();
  EXPECT_EQ(seen.values["machine/anew/key.pem"], good.values.at("machine/anew/key.pem"));
  EXPECT_EQ(seen.values.count("machine/Anew"), 0U);
}

TEST_F(Salvage, TwoReplacementsOfOneEntry) {
  const Number live = NumberOf("machine/small7");
  Number next = 0;
  ChangeBy([&](Keystore& keystore, Populator& populator) {
    next = Must(keystore.CreateNext(live, kRoot, 0700)).number;
    populator.Put(next, Member::kKey, "other.key");
  });
  const Bytes before = DataFile(keystore_.path()).good();
  const Seen good = ChangeBy([&](Keystore& keystore, Populator& populator) {
    Must(keystore.RemoveFile(next, Member::kKey, kRoot));
    Must(keystore.RemoveNext(live));
    next = Must(keystore.CreateNext(live, kRoot, 0700)).number;
    populator.Put(next, Member::kKey, "leaf.key");
  });
  MixWith(before);
  Must(Run());
  Seen seen = SeeSalvaged();
  const std::string key = "machine/small7/next/key.pem";
  EXPECT_EQ(seen.values[key], good.values.at(key));
}

TEST_F(Salvage, TheSettingsTheAuthorityAndTheLedger) {
  MakeCompact();
  SpoilRow("manifest", 1);
  SpoilRow("manifest", 3);
  const SalvageReport report = Must(Run());
  EXPECT_EQ(FateOf(report, "the settings"), Fate::kDamaged);
  EXPECT_EQ(FateOf(report, "the certificate authority"), Fate::kDamaged);
  EXPECT_EQ(report.Count(Fate::kDamaged), 2U);
  EXPECT_EQ(report.issued, SmallKeystore::kLines);
  ExpectAllBut({"settings", "authority"});
}

// It would be taken back to what BACKUP_STORE keeps.
TEST_F(Salvage, WhatTheAuthorityDidLastIsTakenBackToWhatWasKept) {
  AuthorityRecord done = SomeAuthority();
  const auto last_operation = [&] {
    const SalvageReport report = Must(Run());
    const bool told = std::ranges::any_of(report.doubts, [](const std::string& each) {
      return each.find("(reset-all) cannot be taken back") != std::string::npos;
    });
    const auto examination = Must(KeystoreExamination::Open(salvaged(), TestSecret('n'), keystore_.clock()));
    auto operation = Must(Must(examination->keystore().Snapshot())->GetAuthority()).last_operation;
    EXPECT_NE(operation.has_value(), told);
    return operation;
  };
  const auto put = [&] {
    const auto table = Must(OpenSealedTable(keystore_.path(), keystore_.Keys()));
    const auto transaction = Must(table->BeginTransaction());
    Must(transaction->PutAuthority(done));
    Must(transaction->Commit());
  };
  done.last_operation->reverted = false;
  done.last_operation->entries = {{NumberOf("machine/web"), 3}};
  const Number kept = NumberOf("BACKUP_STORE/bkp_web");
  put();
  MakeCompact();
  const Bytes sound = DataFile(keystore_.path()).good();
  const auto operation = last_operation();
  ASSERT_TRUE(operation);
  ASSERT_EQ(operation->entries.size(), 1U);
  EXPECT_EQ(operation->entries[0].revision, 3U);
  SpoilRow("entries", NumberOf("machine/small7"));
  EXPECT_TRUE(last_operation()) << "of something else";
  DataFile(keystore_.path()).Write(sound);
  SpoilRow("contents", kept);
  EXPECT_FALSE(last_operation()) << "a file of it is lost";
  DataFile(keystore_.path()).Write(sound);
  ChangeBy([&](Keystore&, Populator& populator) {
    populator.Put(NumberOf("machine/web"), Member::kCertificate, "leaf.pem");
  });
  SpoilRow("entries", kept);
  const SalvageReport report = Must(Run());
  EXPECT_EQ(FateOf(report, "BACKUP_STORE/bkp_web"), Fate::kDoubtful);
  EXPECT_FALSE(last_operation()) << "it is an earlier one";
  // Of a replacement of the root the ledger tells.
  DataFile(keystore_.path()).Write(sound);
  done.last_operation->name = kReplaceRootOperation;
  put();
  SpoilRow("contents", kept);
  EXPECT_TRUE(last_operation());
}

TEST_F(Salvage, WithoutAManifestThereIsNothing) {
  MakeCompact();
  SpoilRow("manifest", 0);
  const auto none = Run();
  EXPECT_EQ(CodeOf(none), ErrorCode::kCorrupt);
  EXPECT_NE(none.error().message().find("no manifest"), std::string::npos) << none.error().message();
  EXPECT_FALSE(std::filesystem::exists(salvaged()));
}

TEST_F(Salvage, TheDamagedOneStaysAsItWas) {
  SpoilRow("contents", NumberOf("machine/small7"));
  std::map<std::string, std::string> before;
  for (const auto& each : std::filesystem::directory_iterator(keystore_.path()))
    before[each.path().filename()] = BytesOfFile(each.path());
  Must(Run());
  std::map<std::string, std::string> after;
  for (const auto& each : std::filesystem::directory_iterator(keystore_.path()))
    after[each.path().filename()] = BytesOfFile(each.path());
  EXPECT_EQ(after, before);
}

// A byte is kept of each page, by the process that has the keys.
TEST_F(Salvage, AFileOfHolesIsRefused) {
  const std::filesystem::path data = keystore_.path() / "data.mdb";
  if (truncate(data.c_str(), off_t{1} << 43) != 0)
    GTEST_SKIP() << "the file system has no file of 8 TiB: " << strerror(errno);
  const auto salvaged_from_it = Run();
  ASSERT_EQ(CodeOf(salvaged_from_it), ErrorCode::kCorrupt);
  EXPECT_NE(salvaged_from_it.error().message().find("long enough for 2147483648 pages"), std::string::npos)
      << salvaged_from_it.error().message();
  EXPECT_FALSE(std::filesystem::exists(salvaged()));
}

TEST_F(Salvage, WhatIsRefused) {
  const auto with = [&](const UnlockSecret& secret) {
    return CodeOf(
        SalvageKeystore(keystore_.path(), secret, salvaged(), TestSecret('n'), kRoot, keystore_.clock()));
  };
  EXPECT_EQ(with(TestSecret('x')), ErrorCode::kAccessDenied);
  {
    const auto keystore = Must(Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock()));
    EXPECT_EQ(with(TestSecret()), ErrorCode::kBusy);
  }
  Must(Run());
  EXPECT_EQ(with(TestSecret()), ErrorCode::kAlreadyExists);
  std::filesystem::remove_all(salvaged());
  // Nobody writes to the FIFO: whoever waits for that waits for ever.
  const std::filesystem::path data = keystore_.path() / "data.mdb";
  std::filesystem::rename(data, directory_.path() / "aside");
  ASSERT_EQ(mkfifo(data.c_str(), 0600), 0);
  EXPECT_EQ(with(TestSecret()), ErrorCode::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(salvaged()));
  std::filesystem::remove(data);
  std::filesystem::rename(directory_.path() / "aside", data);
  keystore_.Flip("keystore.hdr", 8 * 30);
  EXPECT_EQ(with(TestSecret()), ErrorCode::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(salvaged()));
}

}  // namespace
}  // namespace certfs
