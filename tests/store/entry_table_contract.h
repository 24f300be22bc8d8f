// What every EntryTable does, whichever it is. Include it in one test and instantiate EntryTableContract
// there.

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "store/entry_table.h"
#include "tests/store/table_fixture.h"

namespace certfs {

struct TableKind {
  const char* name;
  std::unique_ptr<EntryTable> (*make)(const std::filesystem::path& directory, std::uint64_t limit);
};

class EntryTableContract : public testing::TestWithParam<TableKind> {
 protected:
  EntryTableContract() : table_(GetParam().make(directory_.path(), std::uint64_t{16} << 30)) {}

  std::unique_ptr<TableSnapshot> Snapshot() { return Must(table_->Snapshot()); }
  std::unique_ptr<TableTransaction> Begin() { return Must(table_->BeginTransaction()); }

  Number MakeStore(std::string_view name) {
    const auto transaction = Begin();
    const Number number = Must(transaction->PutStore(NewStore(name)));
    Must(transaction->Commit());
    return number;
  }

  // Makes the entries e0 to e<count - 1>.
  std::vector<Number> MakeEntries(Number store, int count) {
    const auto transaction = Begin();
    std::vector<Number> numbers;
    for (int i = 0; i < count; ++i) {
      numbers.push_back(Must(transaction->PutEntry(NewEntry(store, "e" + std::to_string(i)))));
    }
    Must(transaction->Commit());
    return numbers;
  }

  static std::vector<std::string> List(TableSnapshot& snapshot, Number store) {
    std::vector<std::string> names;
    for (Cursor after = 0;;) {
      const auto next = Must(snapshot.NextEntry(store, after, nullptr));
      if (!next) return names;
      EXPECT_GT(next->at, after);
      EXPECT_LE(next->at, kCursorMax);
      after = next->at;
      names.push_back(next->item.alias.text());
    }
  }

  TemporaryDirectory directory_;
  std::unique_ptr<EntryTable> table_;
};

TEST_P(EntryTableContract, ListsAllAtOnceAsOneByOne) {
  const Number store = MakeStore("S");
  for (const int count : {0, 1, 16, 17, 200}) {
    for (int i = 0; i < count; ++i) {
      const auto transaction = Begin();
      const std::string alias = "n" + std::to_string(count) + "-" + std::to_string(i);
      if (count < 200 || i % 50 == 0) Must(transaction->PutEntry(NewEntry(store, alias)));
      Must(transaction->Commit());
    }
    if (count == 200) MakeEntries(store, 200);
    const auto snapshot = Snapshot();
    const std::vector<std::string> expected = List(*snapshot, store);
    for (int again = 0; again < 2; ++again) {
      std::vector<std::string> names;
      std::vector<Cursor> places;
      Must(snapshot->ListEntries(store, 0, [&](Cursor at, const EntryHead& head) {
        const auto entry = Must(snapshot->FindEntryByNumber(head.number));
        EXPECT_TRUE(entry && entry->alias == head.alias && entry->attributes == head.attributes);
        EXPECT_FALSE(head.is_staged());
        places.push_back(at);
        names.push_back(head.alias.text());
        return true;
      }));
      EXPECT_EQ(names, expected);
      // From each place on, and no further than it is wanted.
      for (std::size_t i = 0; i < places.size(); i += 1 + places.size() / 8) {
        std::vector<std::string> rest;
        Must(snapshot->ListEntries(store, places[i], [&](Cursor, const EntryHead& head) {
          rest.push_back(head.alias.text());
          return rest.size() < 3;
        }));
        const std::size_t end = std::min(i + 4, expected.size());
        EXPECT_EQ(rest, std::vector<std::string>(expected.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                                 expected.begin() + static_cast<std::ptrdiff_t>(end)));
      }
    }
  }
  Must(Snapshot()->ListEntries(store + 1000, 0, [](Cursor, const EntryHead&) {
    ADD_FAILURE() << "there is no such store";
    return true;
  }));
}

TEST_P(EntryTableContract, ListsWhatChangedSinceTheLastListing) {
  const Number store = MakeStore("S");
  const std::vector<Number> numbers = MakeEntries(store, 100);
  const auto names = [&] {
    std::set<std::string> found;
    Must(Snapshot()->ListEntries(store, 0, [&](Cursor, const EntryHead& head) {
      EXPECT_TRUE(found.insert(head.alias.text() + ":" + std::to_string(head.attributes.mode)).second);
      return true;
    }));
    return found;
  };
  std::set<std::string> expected = names();
  ASSERT_EQ(expected.size(), 100U);
  for (int i = 0; i < 20; ++i) {
    const auto transaction = Begin();
    const std::string mode = ":" + std::to_string(AttributesOf(9).mode);
    Entry entry = *Must(transaction->FindEntryByNumber(numbers[static_cast<std::size_t>(i)]));
    expected.erase(entry.alias.text() + mode);
    if (i % 3 == 0) {
      Must(transaction->RemoveEntry(entry));
    } else if (i % 3 == 1) {
      entry.alias = AliasOf("renamed" + std::to_string(i));
      expected.insert(entry.alias.text() + mode);
      Must(transaction->PutEntry(std::move(entry)));
    } else {
      entry.attributes.mode = 0700;
      expected.insert(entry.alias.text() + ":" + std::to_string(0700));
      Must(transaction->PutEntry(std::move(entry)));
    }
    Must(transaction->Commit());
    ASSERT_EQ(names(), expected);
  }
}

TEST_P(EntryTableContract, BeginsEmpty) {
  const auto snapshot = Snapshot();
  EXPECT_FALSE(Must(snapshot->FindStore(NameOf("A"))));
  EXPECT_FALSE(Must(snapshot->FindStoreByNumber(kFirstNumber)));
  EXPECT_FALSE(Must(snapshot->FindEntryByNumber(kFirstNumber)));
  EXPECT_FALSE(Must(snapshot->FindEntry(kFirstNumber, AliasOf("a"))));
  EXPECT_FALSE(Must(snapshot->NextStore(0, nullptr)));
  EXPECT_FALSE(Must(snapshot->NextEntry(kFirstNumber, 0, nullptr)));
}

TEST_P(EntryTableContract, KeepsAStoreWhole) {
  const Number number = MakeStore("Servers");
  EXPECT_GE(number, kFirstNumber);
  const auto snapshot = Snapshot();
  const auto store = Must(snapshot->FindStoreByNumber(number));
  ASSERT_TRUE(store);
  EXPECT_EQ(store->number, number);
  EXPECT_EQ(store->name.text(), "Servers");
  EXPECT_EQ(store->attributes, AttributesOf(7));
  EXPECT_EQ(store->entry_count, 0U);
}

TEST_P(EntryTableContract, FindsNamesExactlyAndFolded) {
  const Number store = MakeStore("Servers");
  MakeEntries(store, 1);
  const auto snapshot = Snapshot();
  EXPECT_TRUE(Must(snapshot->FindStore(NameOf("Servers"))));
  EXPECT_FALSE(Must(snapshot->FindStore(NameOf("SERVERS"))));
  EXPECT_EQ(Must(snapshot->FindStoreFolded(NameOf("sERVERS")))->number, store);
  EXPECT_TRUE(Must(snapshot->FindEntry(store, AliasOf("e0"))));
  EXPECT_FALSE(Must(snapshot->FindEntry(store, AliasOf("E0"))));
  EXPECT_EQ(Must(snapshot->FindEntryFolded(store, AliasOf("E0")))->alias.text(), "e0");
  EXPECT_FALSE(Must(snapshot->FindEntryFolded(store, AliasOf("e1"))));
  EXPECT_FALSE(Must(snapshot->FindEntryFolded(store + 100, AliasOf("e0"))));
}

TEST_P(EntryTableContract, KeepsAnEntryAndItsFiles) {
  const Number store = MakeStore("S");
  Number number = 0;
  {
    const auto transaction = Begin();
    number = PutEntryWithFile(*transaction, store, "www", "the bytes of a key");
    Must(transaction->Commit());
  }
  const auto snapshot = Snapshot();
  const auto entry = Must(snapshot->FindEntryByNumber(number));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->store, store);
  EXPECT_EQ(entry->revision, 1U);
  EXPECT_EQ(entry->attributes, AttributesOf(9));
  ASSERT_TRUE(entry->file(Member::kKey));
  EXPECT_EQ(entry->file(Member::kKey)->size, 18U);
  EXPECT_EQ(entry->file(Member::kKey)->attributes, AttributesOf(3));
  EXPECT_FALSE(entry->file(Member::kCertificate));
  EXPECT_EQ(ReadText(*snapshot, *entry), "the bytes of a key");
  EXPECT_EQ(Must(snapshot->FindStoreByNumber(store))->entry_count, 1U);
}

TEST_P(EntryTableContract, ReplacesAndRemovesFiles) {
  const Number store = MakeStore("S");
  const auto transaction = Begin();
  const Number number = PutEntryWithFile(*transaction, store, "www", "first");
  Entry entry = *Must(transaction->FindEntryByNumber(number));
  Must(transaction->PutFile(entry, Member::kKey, AsBytes("second")));
  Must(transaction->PutFile(entry, Member::kCertificate, AsBytes("third")));
  Must(transaction->PutEntry(entry));
  EXPECT_EQ(ReadText(*transaction, entry), "second");
  EXPECT_EQ(ReadText(*transaction, entry, Member::kCertificate), "third");
  Must(transaction->RemoveFile(entry, Member::kKey));
  Must(transaction->PutEntry(entry));
  Must(transaction->Commit());
  const auto snapshot = Snapshot();
  const Entry after = *Must(snapshot->FindEntryByNumber(number));
  EXPECT_FALSE(after.file(Member::kKey));
  EXPECT_EQ(CodeOf(snapshot->ReadFile(after, Member::kKey)), ErrorCode::kNotFound);
  EXPECT_EQ(ReadText(*snapshot, after, Member::kCertificate), "third");
}

TEST_P(EntryTableContract, RenamesAnEntry) {
  const Number store = MakeStore("S");
  const Number number = MakeEntries(store, 3)[1];
  for (const char* const name : {"other", "OTHER"}) {
    const auto transaction = Begin();
    Entry entry = *Must(transaction->FindEntryByNumber(number));
    entry.alias = AliasOf(name);
    EXPECT_EQ(Must(transaction->PutEntry(entry)), number);
    Must(transaction->Commit());
    const auto snapshot = Snapshot();
    EXPECT_FALSE(Must(snapshot->FindEntryFolded(store, AliasOf("e1"))));
    EXPECT_EQ(Must(snapshot->FindEntry(store, AliasOf(name)))->number, number);
    EXPECT_EQ(Must(snapshot->FindEntryByNumber(number))->alias.text(), name);
    EXPECT_EQ(Must(snapshot->FindStoreByNumber(store))->entry_count, 3U);
    EXPECT_EQ(List(*snapshot, store).size(), 3U);
  }
}

TEST_P(EntryTableContract, RenamesAStoreWithItsEntries) {
  const Number number = MakeStore("Old");
  MakeEntries(number, 20);
  {
    const auto transaction = Begin();
    Store store = *Must(transaction->FindStoreByNumber(number));
    store.name = NameOf("New");
    store.entry_count = 99;  // Not the caller's to say.
    store.entries = {};
    EXPECT_EQ(Must(transaction->PutStore(store)), number);
    Must(transaction->Commit());
  }
  const auto snapshot = Snapshot();
  EXPECT_FALSE(Must(snapshot->FindStoreFolded(NameOf("Old"))));
  EXPECT_EQ(Must(snapshot->FindStore(NameOf("New")))->entry_count, 20U);
  EXPECT_EQ(List(*snapshot, number).size(), 20U);
}

TEST_P(EntryTableContract, RefusesANameThatIsTaken) {
  const Number store = MakeStore("S");
  MakeEntries(store, 1);
  const auto transaction = Begin();
  EXPECT_EQ(CodeOf(transaction->PutStore(NewStore("s"))), ErrorCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(transaction->PutEntry(NewEntry(store, "E0"))), ErrorCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(transaction->PutEntry(NewEntry(store + 50, "x"))), ErrorCode::kNotFound);
}

TEST_P(EntryTableContract, NeverGivesANumberTwice) {
  std::set<Number> numbers;
  for (int round = 0; round < 5; ++round) {
    const Number store = MakeStore("S" + std::to_string(round));
    EXPECT_TRUE(numbers.insert(store).second);
    for (const Number number : MakeEntries(store, 3)) EXPECT_TRUE(numbers.insert(number).second);
    const auto transaction = Begin();
    for (int i = 0; i < 3; ++i) {
      Must(transaction->RemoveEntry(*Must(transaction->FindEntry(store, AliasOf("e" + std::to_string(i))))));
    }
    Must(transaction->RemoveStore(*Must(transaction->FindStoreByNumber(store))));
    Must(transaction->Commit());
  }
  EXPECT_FALSE(Must(Snapshot()->NextStore(0, nullptr)));
  EXPECT_FALSE(Must(Snapshot()->FindEntryByNumber(*numbers.rbegin())));
}

TEST_P(EntryTableContract, ShowsATransactionItsOwnWrites) {
  const auto transaction = Begin();
  const Number store = Must(transaction->PutStore(NewStore("S")));
  EXPECT_EQ(Must(transaction->FindStore(NameOf("S")))->number, store);
  EXPECT_TRUE(Must(transaction->FindStoreByNumber(store)));
  EXPECT_EQ(Must(transaction->NextStore(0, nullptr))->item.number, store);
  const Number entry = PutEntryWithFile(*transaction, store, "a", "text");
  EXPECT_EQ(Must(transaction->FindEntry(store, AliasOf("a")))->number, entry);
  EXPECT_EQ(ReadText(*transaction, *Must(transaction->FindEntryByNumber(entry))), "text");
  EXPECT_EQ(Must(transaction->FindStoreByNumber(store))->entry_count, 1U);
  EXPECT_EQ(List(*transaction, store), std::vector<std::string>{"a"});
  EXPECT_EQ(CodeOf(transaction->RemoveStore(*Must(transaction->FindStoreByNumber(store)))),
            ErrorCode::kNotEmpty);
  Must(transaction->RemoveEntry(*Must(transaction->FindEntryByNumber(entry))));
  EXPECT_FALSE(Must(transaction->FindEntryByNumber(entry)));
  EXPECT_FALSE(Must(transaction->FindEntry(store, AliasOf("a"))));
  Must(transaction->RemoveStore(*Must(transaction->FindStoreByNumber(store))));
  EXPECT_FALSE(Must(transaction->FindStoreByNumber(store)));
  EXPECT_FALSE(Must(transaction->FindStore(NameOf("S"))));
}

TEST_P(EntryTableContract, ForgetsAnAbandonedTransaction) {
  const Number store = MakeStore("S");
  const Number kept = MakeEntries(store, 1)[0];
  {
    const auto transaction = Begin();
    Must(transaction->PutStore(NewStore("T")));
    Must(transaction->PutEntry(NewEntry(store, "unborn")));
    EXPECT_TRUE(Must(transaction->FindEntry(store, AliasOf("unborn"))));
    Must(transaction->RemoveEntry(*Must(transaction->FindEntryByNumber(kept))));
  }
  const auto snapshot = Snapshot();
  EXPECT_FALSE(Must(snapshot->FindStore(NameOf("T"))));
  EXPECT_FALSE(Must(snapshot->FindEntry(store, AliasOf("unborn"))));
  EXPECT_TRUE(Must(snapshot->FindEntryByNumber(kept)));
  EXPECT_EQ(Must(snapshot->FindStoreByNumber(store))->entry_count, 1U);
}

TEST_P(EntryTableContract, KeepsASnapshotAsItWas) {
  const Number store = MakeStore("S");
  const auto transaction = Begin();
  const Number number = PutEntryWithFile(*transaction, store, "a", "before");
  Must(transaction->Commit());
  const auto before = Snapshot();
  {
    const auto change = Begin();
    Entry entry = *Must(change->FindEntryByNumber(number));
    Must(change->PutFile(entry, Member::kKey, AsBytes("after")));
    entry.alias = AliasOf("b");
    Must(change->PutEntry(entry));
    Must(change->PutStore(NewStore("T")));
    Must(change->Commit());
  }
  const auto after = Snapshot();
  EXPECT_EQ(ReadText(*after, *Must(after->FindEntry(store, AliasOf("b")))), "after");
  EXPECT_EQ(ReadText(*before, *Must(before->FindEntry(store, AliasOf("a")))), "before");
  EXPECT_FALSE(Must(before->FindEntry(store, AliasOf("b"))));
  EXPECT_FALSE(Must(before->FindStore(NameOf("T"))));
  EXPECT_NE(Must(before->FindStoreByNumber(store))->entries, Must(after->FindStoreByNumber(store))->entries);
}

TEST_P(EntryTableContract, ChangesAStoresDigestWithItsEntriesAlone) {
  const Number store = MakeStore("S");
  const Number other = MakeStore("T");
  const auto digest = [&](Number number) { return Must(Snapshot()->FindStoreByNumber(number))->entries; };
  const Digest first = digest(store);
  const Digest untouched = digest(other);
  MakeEntries(store, 1);
  const Digest second = digest(store);
  EXPECT_NE(first, second);
  {
    const auto transaction = Begin();
    Store same = *Must(transaction->FindStoreByNumber(store));
    same.attributes.mode = 0700;
    Must(transaction->PutStore(same));
    Must(transaction->Commit());
  }
  EXPECT_EQ(digest(store), second);
  EXPECT_EQ(digest(other), untouched);
}

// Whoever remembers something by a store's digest must not take an abandoned state for one that came after
// it.
TEST_P(EntryTableContract, NeverRepeatsADigestOfAnAbandonedState) {
  const Number store = MakeStore("S");
  std::set<Digest> digests;
  for (const char* const alias : {"a", "b", "c"}) {
    const auto transaction = Begin();
    Must(transaction->PutEntry(NewEntry(store, alias)));
    EXPECT_TRUE(digests.insert(Must(transaction->FindStoreByNumber(store))->entries).second) << alias;
  }
}

TEST_P(EntryTableContract, ListsByCursorWhileOthersComeAndGo) {
  const Number store = MakeStore("S");
  MakeEntries(store, 60);
  std::multiset<std::string> seen;
  int round = 0;
  for (Cursor after = 0;; ++round) {
    const auto next = Must(Snapshot()->NextEntry(store, after, nullptr));
    if (!next) break;
    after = next->at;
    seen.insert(next->item.alias.text());
    const auto transaction = Begin();
    Must(transaction->PutEntry(NewEntry(store, "new" + std::to_string(round))));
    if (round < 30) {
      const auto gone = Must(transaction->FindEntry(store, AliasOf("e" + std::to_string(round))));
      Must(transaction->RemoveEntry(*gone));
    }
    Must(transaction->Commit());
    ASSERT_LT(round, 1000);
  }
  for (int i = 30; i < 60; ++i) EXPECT_EQ(seen.count("e" + std::to_string(i)), 1U);
  for (const std::string& name : seen) EXPECT_EQ(seen.count(name), 1U);
}

TEST_P(EntryTableContract, GrowsAndShrinksAcrossEverySize) {
  const Number store = MakeStore("S");
  constexpr int kCount = 300;
  const std::vector<Number> numbers = MakeEntries(store, kCount);
  for (int left = kCount; left > 0; left -= 25) {
    const auto transaction = Begin();
    EXPECT_EQ(Must(transaction->FindStoreByNumber(store))->entry_count, static_cast<std::uint64_t>(left));
    const std::vector<std::string> names = List(*transaction, store);
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), static_cast<std::size_t>(left));
    for (int i = 0; i < kCount; ++i) {
      const auto entry = Must(transaction->FindEntry(store, AliasOf("e" + std::to_string(i))));
      ASSERT_EQ(entry.has_value(), i < left);
      EXPECT_EQ(Must(transaction->FindEntryByNumber(numbers[i])).has_value(), i < left);
    }
    for (int i = left - 25; i < left; ++i) {
      Must(transaction->RemoveEntry(*Must(transaction->FindEntryByNumber(numbers[i]))));
    }
    Must(transaction->Commit());
  }
  EXPECT_TRUE(List(*Snapshot(), store).empty());
}

TEST_P(EntryTableContract, ListsManyStores) {
  {
    const auto transaction = Begin();
    for (int i = 0; i < 40; ++i) Must(transaction->PutStore(NewStore("store" + std::to_string(i))));
    Must(transaction->Commit());
  }
  std::set<std::string> names;
  const auto snapshot = Snapshot();
  for (Cursor after = 0;;) {
    const auto next = Must(snapshot->NextStore(after, nullptr));
    if (!next) break;
    after = next->at;
    names.insert(next->item.name.text());
  }
  EXPECT_EQ(names.size(), 40U);
}

TEST_P(EntryTableContract, LetsOneWriterInAfterAnother) {
  const Number store = MakeStore("S");
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < 10; ++i) {
        const auto transaction = Begin();
        Must(transaction->PutEntry(NewEntry(store, std::to_string(writer) + "-" + std::to_string(i))));
        Must(transaction->Commit());
        EXPECT_TRUE(
            Must(Snapshot()->FindEntry(store, AliasOf(std::to_string(writer) + "-" + std::to_string(i)))));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(Must(Snapshot()->FindStoreByNumber(store))->entry_count, 40U);
}

TEST_P(EntryTableContract, RefusesAFileWithoutBytesOrNumber) {
  const Number store = MakeStore("S");
  const auto transaction = Begin();
  Entry entry = NewEntry(store, "a");
  EXPECT_EQ(CodeOf(transaction->PutFile(entry, Member::kKey, AsBytes("x"))), ErrorCode::kInvalidArgument);
  entry.number = Must(transaction->PutEntry(entry));
  EXPECT_EQ(CodeOf(transaction->PutFile(entry, Member::kKey, {})), ErrorCode::kInvalidArgument);
}

TEST_P(EntryTableContract, KnowsWhoHasASerial) {
  // The border between the two halves counts.
  const IssuedSerial first{{1, 2}, {3}};
  const IssuedSerial second{{1}, {2, 3}};
  const SerialHolder holder{Digest{7}, 2};
  {
    const auto transaction = Begin();
    EXPECT_FALSE(Must(transaction->FindSerial(first)));
    Must(transaction->PutSerial(first, holder));
    EXPECT_EQ(Must(transaction->FindSerial(first)), holder);
  }
  EXPECT_FALSE(Must(Snapshot()->FindSerial(first)));  // Abandoned.
  const auto put = [&](const IssuedSerial& serial, const SerialHolder& is) {
    const auto transaction = Begin();
    Must(transaction->PutSerial(serial, is));
    Must(transaction->Commit());
  };
  put(first, holder);
  const auto before = Snapshot();
  EXPECT_EQ(Must(before->FindSerial(first)), holder);
  EXPECT_FALSE(Must(before->FindSerial(second)));
  put(first, {Digest{8}, 1});
  put(second, {Digest{9}, 5'000'000'000});
  EXPECT_EQ(Must(Snapshot()->FindSerial(first)), (SerialHolder{Digest{8}, 1}));
  EXPECT_EQ(Must(Snapshot()->FindSerial(second))->files, 5'000'000'000U);
  EXPECT_EQ(Must(before->FindSerial(first)), holder);
  put(first, {});
  put(first, {});
  EXPECT_FALSE(Must(Snapshot()->FindSerial(first)));
  EXPECT_TRUE(Must(Snapshot()->FindSerial(second)));
}

TEST_P(EntryTableContract, KnowsManySerialsAndForgetsThem) {
  const auto serial = [](std::uint8_t i) { return IssuedSerial{{0x30}, {2, 1, i}}; };
  const auto put = [&](std::uint64_t files) {
    const auto transaction = Begin();
    for (std::uint8_t i = 0; i < 100; ++i) Must(transaction->PutSerial(serial(i), {Digest{i}, files * i}));
    Must(transaction->Commit());
  };
  put(1);
  for (std::uint8_t i = 1; i < 100; ++i) {
    EXPECT_EQ(Must(Snapshot()->FindSerial(serial(i))), (SerialHolder{Digest{i}, i}));
  }
  put(0);
  for (std::uint8_t i = 0; i < 100; ++i) EXPECT_FALSE(Must(Snapshot()->FindSerial(serial(i))));
}

// Goal: own commits look like nobody else's. Method: commits, abandoned and read transactions between two
// looks.
TEST_P(EntryTableContract, CountsNoCommitOfItsOwnAsForeign) {
  const std::uint64_t before = Must(table_->ForeignCommits());
  const Number store = MakeStore("machine");
  MakeEntries(store, 3);
  Begin().reset();
  EXPECT_EQ(List(*Snapshot(), store).size(), 3U);
  EXPECT_EQ(Must(table_->ForeignCommits()), before);
}

// Goal: an entry's mark moves whenever it is written, and by nothing else. Method: content, attributes,
// another entry, an abandoned change and the entry's end between two looks.
TEST_P(EntryTableContract, MarksWhatWasWritten) {
  const Number store = MakeStore("machine");
  const auto mark = [&](Number number) { return Must(Snapshot()->FindEntryMark(number)); };
  const auto write = [&](const char* alias) {
    auto transaction = Begin();
    Entry entry = NewEntry(store, alias);
    const auto old = Must(transaction->FindEntryFolded(store, entry.alias));
    if (old) entry = *old;
    const Number number = Must(transaction->PutEntry(entry));
    Must(transaction->Commit());
    return number;
  };
  const Number first = write("a");
  const Number second = write("b");
  const auto before = mark(first);
  ASSERT_TRUE(before && mark(second));
  write("b");
  EXPECT_EQ(mark(first), before);
  {
    const auto abandoned = Begin();
    Must(abandoned->PutEntry(*Must(abandoned->FindEntryByNumber(first))));
  }
  EXPECT_EQ(mark(first), before);
  const auto old = Snapshot();
  write("a");
  EXPECT_NE(mark(first), before);
  EXPECT_EQ(Must(old->FindEntryMark(first)), before);
  auto transaction = Begin();
  Must(transaction->RemoveEntry(*Must(transaction->FindEntryByNumber(first))));
  Must(transaction->Commit());
  EXPECT_FALSE(mark(first));
  EXPECT_FALSE(mark(store));
}

// Goal: settings hold from their commit on, and only then. Method: both sides of a commit, an abandoned one,
// a snapshot of before, and every length of password that is refused or just not.
TEST_P(EntryTableContract, KeepsSettings) {
  const auto password = [](TableSnapshot& snapshot) {
    return std::string(AsText(Must(snapshot.GetSettings()).export_password.Reveal()));
  };
  const auto put = [&](std::string_view text, ExportProfile profile, bool commit) {
    const auto transaction = Begin();
    Must(transaction->PutSettings({SecretOf(text), profile}));
    EXPECT_EQ(password(*transaction), text);
    if (commit) Must(transaction->Commit());
  };
  const auto before = Snapshot();
  EXPECT_EQ(password(*before), "");
  EXPECT_EQ(Must(before->GetSettings()).profile, ExportProfile::kModern);
  put("abandoned", ExportProfile::kCompatible, false);
  EXPECT_EQ(password(*Snapshot()), "");
  put("one password", ExportProfile::kCompatible, true);
  MakeStore("S");
  EXPECT_EQ(password(*Snapshot()), "one password");
  EXPECT_EQ(Must(Snapshot()->GetSettings()).profile, ExportProfile::kCompatible);
  EXPECT_EQ(password(*before), "");
  put(std::string(kExportPasswordBytesMax, 'x'), ExportProfile::kModern, true);
  EXPECT_EQ(password(*Snapshot()), std::string(kExportPasswordBytesMax, 'x'));
  EXPECT_EQ(CodeOf(Begin()->PutSettings(
                {SecretOf(std::string(kExportPasswordBytesMax + 1, 'x')), ExportProfile::kModern})),
            ErrorCode::kInvalidArgument);
  put("", ExportProfile::kModern, true);
  EXPECT_EQ(password(*Snapshot()), "");
}

TEST_P(EntryTableContract, NumbersItsCommits) {
  const auto before = Snapshot();
  std::uint64_t last = before->commit();
  for (const char* const name : {"A", "B", "C"}) {
    const std::uint64_t expected = Begin()->commit();  // Abandoned: it counts for nothing.
    EXPECT_GT(expected, last);
    const auto transaction = Begin();
    EXPECT_EQ(transaction->commit(), expected);
    Must(transaction->PutStore(NewStore(name)));
    Must(transaction->Commit());
    last = Snapshot()->commit();
    EXPECT_EQ(last, expected);
  }
  EXPECT_LT(before->commit(), last);
}

// Goal: the name of the keystore and its view key never change. Method: asked before and after commits, and
// of another table.
TEST_P(EntryTableContract, HasOneNameAndOneViewKey) {
  const StoreId id = Snapshot()->store_id();
  const SecretBytes key = Must(Snapshot()->DeriveViewKey());
  EXPECT_EQ(key.size(), 32U);
  EXPECT_NE(ToHex(key.Reveal()), std::string(64, '0'));
  MakeStore("S");
  EXPECT_EQ(Snapshot()->store_id(), id);
  EXPECT_EQ(Begin()->store_id(), id);
  EXPECT_TRUE(EqualSecrets(Must(Snapshot()->DeriveViewKey()).Reveal(), key.Reveal()));
  EXPECT_TRUE(EqualSecrets(Must(Begin()->DeriveViewKey()).Reveal(), key.Reveal()));
  const TemporaryDirectory elsewhere;
  const auto other = GetParam().make(elsewhere.path(), std::uint64_t{1} << 30);
  EXPECT_FALSE(EqualSecrets(Must(Must(other->Snapshot())->DeriveViewKey()).Reveal(), key.Reveal()));
}

TEST_P(EntryTableContract, SaysHowFullItIs) {
  const Usage usage = table_->GetUsage();
  EXPECT_GT(usage.limit, usage.used);
  const Number store = MakeStore("S");
  const auto transaction = Begin();
  PutEntryWithFile(*transaction, store, "a", std::string(100'000, 'x'));
  Must(transaction->Commit());
  EXPECT_GE(table_->GetUsage().used, usage.used + 100'000);
}

// Goal: changes end at the limit, whatever was beyond it once, and removals do not. Method: a table that is
// filled, then driven beyond the limit, then brought back below.
TEST_P(EntryTableContract, OnlyTheReserveLiesBeyondTheLimit) {
  constexpr std::uint64_t kLimit = std::uint64_t{2} << 20;
  const TemporaryDirectory elsewhere;
  table_ = GetParam().make(elsewhere.path(), kLimit);
  EXPECT_EQ(table_->GetUsage().limit, kLimit);
  const Number store = MakeStore("S");
  const auto run = [&](Room room,
                       const std::function<Result<void>(TableTransaction&)>& change) -> Result<void> {
    for (;;) {
      auto transaction = TRY(table_->BeginTransaction(room));
      auto outcome = change(*transaction);
      if (outcome.has_value()) outcome = transaction->Commit();
      if (outcome.has_value() || !transaction->WantsRoom()) return outcome;
      transaction.reset();
      if (!TRY(table_->Grow(room))) return outcome;
    }
  };
  const auto put = [&](const std::string& alias, std::size_t size, Room room = Room::kUpToLimit) {
    return run(room, [&](TableTransaction& transaction) -> Result<void> {
      Entry entry = NewEntry(store, alias);
      entry.number = TRY(transaction.PutEntry(entry));
      TRY(transaction.PutFile(entry, Member::kKey, Bytes(size, 'x')));
      TRY(transaction.PutEntry(entry));
      return {};
    });
  };
  const auto remove = [&](const std::string& alias) {
    return run(Room::kReserve, [&](TableTransaction& transaction) -> Result<void> {
      return transaction.RemoveEntry(*TRY(transaction.FindEntry(store, AliasOf(alias))));
    });
  };
  int count = 0;
  Result<void> last;
  while ((last = put("e" + std::to_string(count), 100'000)).has_value()) ASSERT_LT(++count, 100);
  EXPECT_EQ(CodeOf(last), ErrorCode::kNoSpace);
  EXPECT_GT(count, 10);
  EXPECT_LE(table_->GetUsage().used, kLimit);
  EXPECT_FALSE(Must(Snapshot()->FindEntry(store, AliasOf("e" + std::to_string(count)))));
  for (int i = 0; i < 3; ++i) Must(put("beyond" + std::to_string(i), 100'000, Room::kReserve));
  EXPECT_GT(table_->GetUsage().used, kLimit);
  EXPECT_EQ(CodeOf(put("small", 1)), ErrorCode::kNoSpace);
  for (int i = 0; i < 4; ++i) Must(remove("e" + std::to_string(i)));
  EXPECT_LE(table_->GetUsage().used, kLimit);
  Must(put("small", 1));
}

}  // namespace certfs
