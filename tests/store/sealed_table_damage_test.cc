// What SealedTable serves after somebody without the key has changed its files: the truth, or kCorrupt.

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "store/sealed_table.h"
#include "tests/store/raw_lmdb.h"
#include "tests/store/table_fixture.h"

namespace certfs {

namespace {

constexpr int kEntries = 40;  // More than a leaf holds.
using Names = std::set<std::string>;

std::string AliasAt(int i) { return "alias" + std::to_string(i); }
std::string TextAt(int i) { return "the key of entry " + std::to_string(i); }

Bytes KeyOf(Number number) {
  Bytes key;
  Writer(key).U64(number);
  return key;
}

Bytes ContentKeyOf(Number number) {
  Bytes key = KeyOf(number);
  key.push_back(static_cast<std::uint8_t>(Member::kKey));
  return key;
}

Bytes Flipped(Bytes bytes, std::size_t at) {
  bytes[at] ^= 0x04;
  return bytes;
}

class SealedTableDamage : public testing::Test {
 protected:
  // A store "Full" with kEntries entries, and two others with one entry each.
  SealedTableDamage() {
    Must(CreateSealedTable(directory_.path(), TestKeys()));
    const auto table = Open();
    const auto transaction = Must(table->BeginTransaction());
    full_ = Must(transaction->PutStore(NewStore("Full")));
    one_ = Must(transaction->PutStore(NewStore("One")));
    two_ = Must(transaction->PutStore(NewStore("Two")));
    for (int i = 0; i < kEntries; ++i) {
      numbers_.push_back(PutEntryWithFile(*transaction, full_, AliasAt(i), TextAt(i)));
    }
    PutEntryWithFile(*transaction, one_, "single", "one");
    PutEntryWithFile(*transaction, two_, "single", "two");
    Must(transaction->Commit());
  }

  std::unique_ptr<EntryTable> Open() { return Must(OpenSealedTable(directory_.path(), TestKeys())); }

  void Damage(const std::function<void(RawLmdb&)>& damage) {
    RawLmdb raw(directory_.path());
    damage(raw);
  }

  // Returns what of "Full" is refused: aliases, and aliases with "/key" for a file. Anything served must be
  // true.
  Names RefusedOfFull() {
    Names refused;
    Names served;
    CheckNames(refused, served);
    CheckNumbers(served);
    return refused;
  }

  void CheckNames(Names& refused, Names& served) {
    const auto table = Open();
    const auto snapshot = Must(table->Snapshot());
    for (int i = 0; i < kEntries; ++i) {
      const auto entry = snapshot->FindEntry(full_, AliasOf(AliasAt(i)));
      if (!entry.has_value()) {
        EXPECT_EQ(entry.error().code(), ErrorCode::kCorrupt) << entry.error().message();
        refused.insert(AliasAt(i));
        continue;
      }
      EXPECT_TRUE(entry.value()) << "a proof of absence for " << AliasAt(i);
      if (!entry.value()) continue;
      EXPECT_EQ(entry.value()->number, numbers_[i]);
      served.insert(AliasAt(i));
      const auto text = snapshot->ReadFile(*entry.value(), Member::kKey);
      if (text.has_value()) {
        EXPECT_EQ(AsText(text.value().Reveal()), TextAt(i));
      } else {
        EXPECT_EQ(text.error().code(), ErrorCode::kCorrupt);
        refused.insert(AliasAt(i) + "/key");
      }
    }
    EXPECT_EQ(Listed(*snapshot), served);
    // All at once; again, because nothing may be kept of a listing that is not whole.
    for (int again = 0; again < 2; ++again) {
      Names names;
      const auto listed = snapshot->ListEntries(full_, 0, [&](Cursor, const EntryHead& head) {
        names.insert(head.alias.text());
        return true;
      });
      EXPECT_EQ(names, served);
      EXPECT_EQ(listed.has_value(), served.size() == kEntries);
      if (!listed.has_value()) {
        EXPECT_EQ(listed.error().code(), ErrorCode::kCorrupt);
      }
    }
  }

  Names Listed(TableSnapshot& snapshot) {
    Names names;
    for (Cursor after = 0;;) {
      Cursor skipped = after;
      const auto next = snapshot.NextEntry(full_, after, &skipped);
      if (!next.has_value()) {
        EXPECT_EQ(next.error().code(), ErrorCode::kCorrupt);
        EXPECT_GT(skipped, after);
        if (skipped <= after) return names;
        after = skipped;
      } else if (next.value()) {
        names.insert(next.value()->item.alias.text());
        after = next.value()->at;
      } else {
        return names;
      }
    }
  }

  // A new table, because what was found by name is in the cache of the old one.
  void CheckNumbers(const Names& served) {
    const auto table = Open();
    const auto snapshot = Must(table->Snapshot());
    for (int i = 0; i < kEntries; ++i) {
      const auto entry = snapshot->FindEntryByNumber(numbers_[i]);
      if (served.count(AliasAt(i)) != 0) {
        ASSERT_TRUE(entry.has_value() && entry.value());
        EXPECT_EQ(entry.value()->alias.text(), AliasAt(i));
      } else if (entry.has_value()) {
        EXPECT_FALSE(entry.value()) << "served by number, refused by name: " << AliasAt(i);
      } else {
        EXPECT_EQ(entry.error().code(), ErrorCode::kCorrupt);
      }
    }
  }

  bool RefusesStore(std::string_view name) {
    const auto table = Open();
    const auto snapshot = Must(table->Snapshot());
    const auto store = snapshot->FindStore(NameOf(name));
    return !store.has_value() && store.error().code() == ErrorCode::kCorrupt;
  }

  // The two other stores are served, whatever befell "Full".
  void ExpectOthersServed() {
    const auto table = Open();
    const auto snapshot = Must(table->Snapshot());
    for (const auto& [name, text] : {std::pair("One", "one"), std::pair("Two", "two")}) {
      const auto store = Must(snapshot->FindStore(NameOf(name)));
      ASSERT_TRUE(store);
      const auto entry = Must(snapshot->FindEntry(store->number, AliasOf("single")));
      ASSERT_TRUE(entry);
      EXPECT_EQ(ReadText(*snapshot, *entry), text);
    }
  }

  TemporaryDirectory directory_;
  Number full_ = 0;
  Number one_ = 0;
  Number two_ = 0;
  std::vector<Number> numbers_;
};

TEST_F(SealedTableDamage, WithoutDamageNothingIsRefused) {
  EXPECT_EQ(RefusedOfFull(), Names{});
  ExpectOthersServed();
}

TEST_F(SealedTableDamage, AFlippedBitRefusesItsEntryAlone) {
  Bytes good;
  Damage([&](RawLmdb& raw) { good = raw.Get("entries", KeyOf(numbers_[7])); });
  for (const std::size_t at : {std::size_t{0}, std::size_t{5}, std::size_t{9}, std::size_t{20},
                               std::size_t{50}, std::size_t{90}, good.size() - 1}) {
    Damage([&](RawLmdb& raw) { raw.Put("entries", KeyOf(numbers_[7]), Flipped(good, at)); });
    EXPECT_EQ(RefusedOfFull(), Names{AliasAt(7)}) << at;
  }
  Damage([&](RawLmdb& raw) { raw.Put("entries", KeyOf(numbers_[7]), {good.begin(), good.begin() + 40}); });
  EXPECT_EQ(RefusedOfFull(), Names{AliasAt(7)});
  Damage([&](RawLmdb& raw) { raw.Put("entries", KeyOf(numbers_[7]), {}); });
  EXPECT_EQ(RefusedOfFull(), Names{AliasAt(7)});
  ExpectOthersServed();
}

TEST_F(SealedTableDamage, ARemovedEntryIsRefused) {
  Damage([&](RawLmdb& raw) { raw.Remove("entries", KeyOf(numbers_[3])); });
  EXPECT_EQ(RefusedOfFull(), Names{AliasAt(3)});
}

TEST_F(SealedTableDamage, SwappedEntriesAreBothRefused) {
  Damage([&](RawLmdb& raw) {
    const Bytes first = raw.Get("entries", KeyOf(numbers_[1]));
    raw.Put("entries", KeyOf(numbers_[1]), raw.Get("entries", KeyOf(numbers_[2])));
    raw.Put("entries", KeyOf(numbers_[2]), first);
  });
  EXPECT_EQ(RefusedOfFull(), (Names{AliasAt(1), AliasAt(2)}));
}

TEST_F(SealedTableDamage, ContentsAreRefusedAlone) {
  Damage([&](RawLmdb& raw) {
    raw.Put("contents", ContentKeyOf(numbers_[1]),
            Flipped(raw.Get("contents", ContentKeyOf(numbers_[1])), 85));
    raw.Remove("contents", ContentKeyOf(numbers_[2]));
    const Bytes third = raw.Get("contents", ContentKeyOf(numbers_[3]));
    raw.Put("contents", ContentKeyOf(numbers_[3]), raw.Get("contents", ContentKeyOf(numbers_[4])));
    raw.Put("contents", ContentKeyOf(numbers_[4]), third);
  });
  EXPECT_EQ(RefusedOfFull(),
            (Names{AliasAt(1) + "/key", AliasAt(2) + "/key", AliasAt(3) + "/key", AliasAt(4) + "/key"}));
}

TEST_F(SealedTableDamage, AnOlderCopyIsRefused) {
  Bytes entry;
  Bytes content;
  Damage([&](RawLmdb& raw) {
    entry = raw.Get("entries", KeyOf(numbers_[5]));
    content = raw.Get("contents", ContentKeyOf(numbers_[6]));
  });
  {
    const auto table = Open();
    const auto transaction = Must(table->BeginTransaction());
    for (const int i : {5, 6}) {
      Entry changed = *Must(transaction->FindEntryByNumber(numbers_[i]));
      Must(transaction->PutFile(changed, Member::kKey, AsBytes(TextAt(i))));
      Must(transaction->PutEntry(changed));
    }
    Must(transaction->Commit());
  }
  EXPECT_EQ(RefusedOfFull(), Names{});
  Damage([&](RawLmdb& raw) {
    raw.Put("entries", KeyOf(numbers_[5]), entry);
    raw.Put("contents", ContentKeyOf(numbers_[6]), content);
  });
  EXPECT_EQ(RefusedOfFull(), (Names{AliasAt(5), AliasAt(6) + "/key"}));
}

// What was deleted does not come back by putting its record back.
TEST_F(SealedTableDamage, ADeletedEntryStaysDeleted) {
  Bytes entry;
  Damage([&](RawLmdb& raw) { entry = raw.Get("entries", KeyOf(numbers_[9])); });
  {
    const auto table = Open();
    const auto transaction = Must(table->BeginTransaction());
    Must(transaction->RemoveEntry(*Must(transaction->FindEntryByNumber(numbers_[9]))));
    Must(transaction->Commit());
  }
  Damage([&](RawLmdb& raw) { raw.Put("entries", KeyOf(numbers_[9]), entry); });
  const auto table = Open();
  const auto snapshot = Must(table->Snapshot());
  EXPECT_FALSE(Must(snapshot->FindEntry(full_, AliasOf(AliasAt(9)))));
  EXPECT_EQ(CodeOf(snapshot->FindEntryByNumber(numbers_[9])), ErrorCode::kCorrupt);
}

TEST_F(SealedTableDamage, ADamagedStoreIsRefusedAlone) {
  Bytes good;
  Damage([&](RawLmdb& raw) {
    good = raw.Get("stores", KeyOf(full_));
    raw.Put("stores", KeyOf(full_), Flipped(good, 100));
  });
  EXPECT_EQ(RefusedOfFull().size(), static_cast<std::size_t>(kEntries));
  ExpectOthersServed();
  const auto expect_listing = [&](TableSnapshot& snapshot) {
    Names names;
    int refused = 0;
    for (Cursor after = 0;;) {
      Cursor skipped = after;
      const auto next = snapshot.NextStore(after, &skipped);
      if (next.has_value() && !next.value()) break;
      if (next.has_value()) names.insert(next.value()->item.name.text());
      refused += next.has_value() ? 0 : 1;
      after = next.has_value() ? next.value()->at : skipped;
    }
    EXPECT_EQ(names, (Names{"One", "Two"}));
    EXPECT_EQ(refused, 1);
  };
  {
    const auto table = Open();
    const auto snapshot = Must(table->Snapshot());
    EXPECT_EQ(CodeOf(snapshot->FindStore(NameOf("Full"))), ErrorCode::kCorrupt);
    EXPECT_EQ(CodeOf(snapshot->FindStoreByNumber(full_)), ErrorCode::kCorrupt);
    expect_listing(*snapshot);
  }
  Damage([&](RawLmdb& raw) { raw.Remove("stores", KeyOf(full_)); });
  {
    const auto table = Open();
    const auto snapshot = Must(table->Snapshot());
    EXPECT_EQ(CodeOf(snapshot->FindStore(NameOf("Full"))), ErrorCode::kCorrupt);
    expect_listing(*snapshot);
  }
  Damage([&](RawLmdb& raw) { raw.Put("stores", KeyOf(full_), good); });
  EXPECT_EQ(RefusedOfFull(), Names{});
}

// An older store would bring back an older set of its entries.
TEST_F(SealedTableDamage, AnOlderStoreIsRefused) {
  Bytes older;
  std::map<Bytes, Bytes> older_nodes;
  Damage([&](RawLmdb& raw) {
    older = raw.Get("stores", KeyOf(full_));
    older_nodes = raw.ReadAll("nodes");
  });
  {
    const auto table = Open();
    const auto transaction = Must(table->BeginTransaction());
    Must(transaction->RemoveEntry(*Must(transaction->FindEntryByNumber(numbers_[0]))));
    Must(transaction->Commit());
  }
  Damage([&](RawLmdb& raw) { raw.Put("stores", KeyOf(full_), older); });
  EXPECT_TRUE(RefusesStore("Full"));
  ExpectOthersServed();
  Damage([&](RawLmdb& raw) {
    for (const auto& [key, node] : older_nodes) raw.Put("nodes", key, node);
  });
  EXPECT_TRUE(RefusesStore("Full"));
}

TEST_F(SealedTableDamage, SwappedStoresAreBothRefused) {
  Damage([&](RawLmdb& raw) {
    const Bytes first = raw.Get("stores", KeyOf(one_));
    raw.Put("stores", KeyOf(one_), raw.Get("stores", KeyOf(two_)));
    raw.Put("stores", KeyOf(two_), first);
  });
  EXPECT_EQ(RefusedOfFull(), Names{});
  const auto table = Open();
  const auto snapshot = Must(table->Snapshot());
  for (const Number number : {one_, two_}) {
    EXPECT_EQ(CodeOf(snapshot->FindStoreByNumber(number)), ErrorCode::kCorrupt);
    EXPECT_EQ(CodeOf(snapshot->NextEntry(number, 0, nullptr)), ErrorCode::kCorrupt);
  }
  EXPECT_EQ(CodeOf(snapshot->FindStore(NameOf("One"))), ErrorCode::kCorrupt);
}

TEST_F(SealedTableDamage, EveryChangedOrMissingNodeShows) {
  std::map<Bytes, Bytes> nodes;
  Damage([&](RawLmdb& raw) { nodes = raw.ReadAll("nodes"); });
  int of_full = 0;
  for (const auto& [key, node] : nodes) {
    if (Reader(key).U64() != full_) continue;
    ++of_full;
    const bool root = key.size() == 9 && key[8] == 0;
    for (const bool remove : {false, true}) {
      Damage([&, &at = key, &good = node](RawLmdb& raw) {
        if (remove) {
          raw.Remove("nodes", at);
        } else {
          raw.Put("nodes", at, Flipped(good, good.size() / 2));
        }
      });
      const Names refused = RefusedOfFull();
      EXPECT_FALSE(refused.empty());
      EXPECT_EQ(refused.size() == kEntries, root);
      ExpectOthersServed();
      Damage([&, &at = key, &good = node](RawLmdb& raw) { raw.Put("nodes", at, good); });
    }
  }
  EXPECT_GT(of_full, 2);
  EXPECT_EQ(RefusedOfFull(), Names{});
}

// A serial number that is forgotten, or that another certificate is said to have, would let a forgery in.
TEST_F(SealedTableDamage, EveryChangedMissingOrOlderNodeOfTheSerialsShows) {
  const auto serial = [](std::uint8_t i) { return IssuedSerial{{0x30}, {2, 1, i}}; };
  const auto put = [&](std::uint8_t mark) {
    const auto table = Open();
    const auto transaction = Must(table->BeginTransaction());
    for (std::uint8_t i = 0; i < kEntries; ++i) Must(transaction->PutSerial(serial(i), {Digest{i, mark}, 1}));
    Must(transaction->Commit());
  };
  // Returns how many are refused; what is served must be true.
  const auto refused = [&](std::uint8_t mark) {
    const auto table = Open();
    const auto snapshot = Must(table->Snapshot());
    int count = 0;
    for (std::uint8_t i = 0; i < kEntries; ++i) {
      const auto holder = snapshot->FindSerial(serial(i));
      if (holder.has_value()) {
        EXPECT_EQ(holder.value(), (SerialHolder{Digest{i, mark}, 1}));
      } else {
        EXPECT_EQ(holder.error().code(), ErrorCode::kCorrupt);
        ++count;
      }
    }
    return count;
  };
  put(1);
  std::map<Bytes, Bytes> older;
  Damage([&](RawLmdb& raw) { older = raw.ReadAll("nodes"); });
  put(2);
  std::map<Bytes, Bytes> nodes;
  Damage([&](RawLmdb& raw) { nodes = raw.ReadAll("nodes"); });
  EXPECT_EQ(refused(2), 0);
  int of_serials = 0;
  for (const auto& [key, node] : nodes) {
    if (Reader(key).U64() != 1) continue;
    ++of_serials;
    Damage(
        [&, &at = key, &good = node](RawLmdb& raw) { raw.Put("nodes", at, Flipped(good, good.size() / 2)); });
    EXPECT_GT(refused(2), 0);
    Damage([&, &at = key](RawLmdb& raw) { raw.Remove("nodes", at); });
    EXPECT_GT(refused(2), 0);
    Damage([&, &at = key](RawLmdb& raw) { raw.Put("nodes", at, older.at(at)); });
    EXPECT_GT(refused(2), 0);
    Damage([&, &at = key, &good = node](RawLmdb& raw) { raw.Put("nodes", at, good); });
    EXPECT_EQ(refused(2), 0);
  }
  EXPECT_GT(of_serials, 2);
  for (const auto& [key, node] : older) {
    if (Reader(key).U64() == 1)
      Damage([&, &at = key, &old = node](RawLmdb& raw) { raw.Put("nodes", at, old); });
  }
  EXPECT_EQ(refused(2), kEntries);
  ExpectOthersServed();
}

TEST_F(SealedTableDamage, ADamagedManifestOpensNothing) {
  Bytes good;
  Damage([&](RawLmdb& raw) { good = raw.Get("manifest", {0}); });
  for (std::size_t at = 0; at < good.size(); at += 7) {
    Damage([&](RawLmdb& raw) { raw.Put("manifest", {0}, Flipped(good, at)); });
    EXPECT_EQ(CodeOf(OpenSealedTable(directory_.path(), TestKeys())), ErrorCode::kCorrupt) << at;
  }
  Damage([&](RawLmdb& raw) { raw.Remove("manifest", {0}); });
  EXPECT_EQ(CodeOf(OpenSealedTable(directory_.path(), TestKeys())), ErrorCode::kCorrupt);
  Damage([&](RawLmdb& raw) { raw.Put("manifest", {0}, good); });
  EXPECT_EQ(RefusedOfFull(), Names{});
}

TEST_F(SealedTableDamage, AnOlderManifestAloneServesNothingOld) {
  Bytes older;
  Damage([&](RawLmdb& raw) { older = raw.Get("manifest", {0}); });
  {
    const auto table = Open();
    const auto transaction = Must(table->BeginTransaction());
    Must(transaction->RemoveEntry(*Must(transaction->FindEntryByNumber(numbers_[0]))));
    Must(transaction->Commit());
  }
  Damage([&](RawLmdb& raw) { raw.Put("manifest", {0}, older); });
  const auto table = Open();
  const auto snapshot = Must(table->Snapshot());
  EXPECT_EQ(CodeOf(snapshot->FindStore(NameOf("Full"))), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(snapshot->FindStore(NameOf("One"))), ErrorCode::kCorrupt);
}

}  // namespace

}  // namespace certfs
