// Goal: of a ledger that somebody without the key has changed, the truth is served or kCorrupt, and what
// lies beside it still is; a rotation seals it again, and a keystore of before gets one. Method: raw LMDB.

#include <algorithm>
#include <map>
#include <set>

#include "store/keystore_keys.h"
#include "store/opened_keystore.h"
#include "store/rotation.h"
#include "store/sealed_table.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/ledger_fixture.h"
#include "tests/store/raw_lmdb.h"

namespace certfs {
namespace {

constexpr std::uint32_t kLines = 40;  // More than a leaf holds.

Bytes KeyOf(Number number) {
  Bytes key;
  Writer(key).U64(number);
  return key;
}

class LedgerDamage : public testing::Test {
 protected:
  LedgerDamage() {
    Must(CreateSealedTable(directory_.path(), TestKeys()));
    const auto table = Open();
    const auto transaction = Must(table->BeginTransaction());
    Must(transaction->PutAuthority(SomeAuthority()));
    for (std::uint32_t i = 0; i < kLines; ++i)
      numbers_.push_back(Must(transaction->PutIssued(SomeIssued(i))));
    Must(transaction->Commit());
  }

  std::unique_ptr<EntryTable> Open() { return Must(OpenSealedTable(directory_.path(), TestKeys())); }

  // Expects that exactly the lines of `damaged` are refused, whichever way they are asked for.
  void ExpectRefused(const std::set<std::uint32_t>& damaged) {
    const auto table = Open();
    const auto snapshot = Must(table->Snapshot());
    for (std::uint32_t i = 0; i < kLines; ++i) {
      const auto found = snapshot->FindIssued(SerialOf(i));
      if (damaged.contains(i)) {
        EXPECT_EQ(CodeOf(found), ErrorCode::kCorrupt) << i;
        continue;
      }
      ASSERT_TRUE(found.has_value() && found.value()) << i;
      EXPECT_EQ(found.value()->common_name, SomeIssued(i).common_name);
      EXPECT_TRUE(Must(snapshot->FindIssuedByNumber(numbers_[i])));
    }
    std::size_t all = 0;
    const auto listed = snapshot->ListIssued(0, [&](Cursor, const IssuedCertificate&) { return ++all != 0; });
    EXPECT_EQ(all, kLines - damaged.size());
    EXPECT_EQ(listed.has_value(), damaged.empty());
    std::size_t grouped = 0;
    const auto group = snapshot->ListIssued(IssuedGroupKey::Name("alias.example.com"),
                                            [&](Cursor, const IssuedCertificate&) { return ++grouped != 0; });
    EXPECT_EQ(grouped, kLines - damaged.size());
    EXPECT_EQ(group.has_value(), damaged.empty());
    Must(snapshot->GetAuthority());
  }

  TemporaryDirectory directory_;
  std::vector<Number> numbers_;
};

TEST_F(LedgerDamage, AFlippedByteIsRefusedAlone) {
  const auto flip = [&](std::uint32_t line, std::size_t at) {
    RawLmdb raw(directory_.path());
    Bytes bytes = raw.Get("issued", KeyOf(numbers_[line]));
    bytes[at % bytes.size()] ^= 0x04;
    raw.Put("issued", KeyOf(numbers_[line]), bytes);
  };
  for (const std::size_t at : {0U, 2U, 6U, 12U, 20U, 60U, 100U, 300U}) {
    flip(5, at);
    ExpectRefused({5});
    flip(5, at);
  }
  ExpectRefused({});
}

TEST_F(LedgerDamage, AnotherLineDoesNotPassForIt) {
  {
    RawLmdb raw(directory_.path());
    const Bytes first = raw.Get("issued", KeyOf(numbers_[1]));
    raw.Put("issued", KeyOf(numbers_[1]), raw.Get("issued", KeyOf(numbers_[2])));
    raw.Put("issued", KeyOf(numbers_[2]), first);
  }
  ExpectRefused({1, 2});
}

TEST_F(LedgerDamage, ALineThatIsMissingIsNoAbsence) {
  {
    RawLmdb raw(directory_.path());
    raw.Remove("issued", KeyOf(numbers_[7]));
  }
  ExpectRefused({7});
}

TEST_F(LedgerDamage, ALineOfBeforeIsRefused) {
  Bytes old;
  {
    RawLmdb raw(directory_.path());
    old = raw.Get("issued", KeyOf(numbers_[3]));
  }
  {
    const auto table = Open();
    const auto transaction = Must(table->BeginTransaction());
    IssuedCertificate line = *Must(transaction->FindIssued(SerialOf(3)));
    line.revocation = Revocation{line.issued, RevocationReason::kKeyCompromise};
    Must(transaction->PutIssued(std::move(line)));
    Must(transaction->Commit());
  }
  ExpectRefused({});
  {
    RawLmdb raw(directory_.path());
    raw.Put("issued", KeyOf(numbers_[3]), old);
  }
  ExpectRefused({3});
}

TEST_F(LedgerDamage, ADamagedAuthorityIsRefusedAlone) {
  Bytes good;
  {
    RawLmdb raw(directory_.path());
    good = raw.Get("manifest", Bytes{3});
    Bytes bad = good;
    bad[90] ^= 1;
    raw.Put("manifest", Bytes{3}, bad);
  }
  {
    const auto table = Open();
    const auto snapshot = Must(table->Snapshot());
    EXPECT_EQ(CodeOf(snapshot->GetAuthority()), ErrorCode::kCorrupt);
    EXPECT_TRUE(snapshot->has_authority());
    EXPECT_TRUE(Must(snapshot->FindIssued(SerialOf(1))));
  }
  {
    RawLmdb raw(directory_.path());
    raw.Remove("manifest", Bytes{3});
  }
  EXPECT_EQ(CodeOf(Must(Open()->Snapshot())->GetAuthority()), ErrorCode::kCorrupt);
  {
    RawLmdb raw(directory_.path());
    raw.Put("manifest", Bytes{3}, good);
  }
  ExpectRefused({});
}

// Goal: damage of the groups never hides a line silently. Method: each node of that tree flipped and removed,
// and all groups listed.
TEST_F(LedgerDamage, ADamagedGroupIsNotShortened) {
  std::map<Bytes, Bytes> nodes;
  {
    RawLmdb raw(directory_.path());
    nodes = raw.ReadAll("nodes");
  }
  std::vector<std::pair<IssuedGroupKey, std::size_t>> groups;
  for (std::uint32_t i = 0; i < kLines; ++i) {
    for (const IssuedGroupKey& group : GroupsOf(SomeIssued(i))) {
      const auto same = [&](const auto& each) { return each.first == group; };
      const auto found = std::find_if(groups.begin(), groups.end(), same);
      ++(found == groups.end() ? groups.emplace_back(group, 0) : *found).second;
    }
  }
  std::size_t tried = 0;
  std::size_t hidden = 0;
  for (const auto& [key, node] : nodes) {
    if (Reader(key).U64() != 3) continue;
    for (const bool remove : {false, true}) {
      {
        RawLmdb raw(directory_.path());
        Bytes bad = node;
        bad.back() ^= 1;
        remove ? raw.Remove("nodes", key) : raw.Put("nodes", key, bad);
      }
      {
        const auto table = Open();
        const auto snapshot = Must(table->Snapshot());
        for (const auto& [group, size] : groups) {
          std::size_t shown = 0;
          const auto listed =
              snapshot->ListIssued(group, [&](Cursor, const IssuedCertificate&) { return ++shown != 0; });
          EXPECT_LE(shown, size);
          if (shown < size) {
            EXPECT_EQ(CodeOf(listed), ErrorCode::kCorrupt);
            ++hidden;
          }
        }
      }
      RawLmdb raw(directory_.path());
      raw.Put("nodes", key, node);
    }
    ++tried;
  }
  EXPECT_GT(tried, 10U);
  EXPECT_GT(hidden, groups.size());
}

// --- Through the door

class LedgerKeys : public testing::Test {
 protected:
  LedgerKeys() {
    Must(Keystore::Create(path(), TestSecret(), kRoot, clock_.get()));
    const OpenedKeystore opened = Must(OpenShared(path(), TestSecret()));
    const auto transaction = Must(opened.table->BeginTransaction(Room::kUpToLimit));
    Must(transaction->PutAuthority(SomeAuthority()));
    for (std::uint32_t i = 0; i < 300; ++i) numbers_.push_back(Must(transaction->PutIssued(SomeIssued(i))));
    Must(transaction->Commit());
  }
  const std::filesystem::path& path() const { return directory_.path(); }
  std::string State() {
    const OpenedKeystore opened = Must(OpenShared(path(), TestSecret()));
    const auto snapshot = Must(opened.table->Snapshot());
    std::string all = Encoded(Must(snapshot->GetAuthority()));
    for (std::uint32_t i = 0; i < 300; ++i) {
      const auto found = snapshot->FindIssued(SerialOf(i));
      all += found.has_value() ? Encoded(*found.value()) : "damaged";
    }
    std::size_t grouped = 0;
    static_cast<void>(snapshot
                          ->ListIssued(IssuedGroupKey::Name("alias.example.com"),
                                       [&](Cursor, const IssuedCertificate&) { return ++grouped != 0; })
                          .has_value());
    return all + std::to_string(grouped);
  }
  // How many records of the ledger, and the authority's, name an epoch of before `epoch`.
  std::size_t CountOlder(std::uint32_t epoch) {
    RawLmdb raw(path());
    std::size_t older = 0;
    const auto count = [&](const Bytes& sealed) {
      Reader reader(sealed);
      reader.U32();
      older += reader.U32() < epoch ? 1 : 0;
    };
    for (const auto& [key, sealed] : raw.ReadAll("issued")) count(sealed);
    count(raw.Get("manifest", Bytes{3}));
    return older;
  }

  TemporaryDirectory directory_;
  FixedClock clock_;
  std::vector<Number> numbers_;
};

TEST_F(LedgerKeys, ARotationSealsAllOfItAgain) {
  const std::string before = State();
  const RotationOutcome outcome = Must(RotateDataKey(path(), TestSecret(), [](std::size_t, std::size_t) {}));
  EXPECT_TRUE(outcome.damaged.empty());
  EXPECT_GE(outcome.records, 301U);
  EXPECT_TRUE(outcome.rewritten);  // And what was written anew has it all.
  const KeyState state = Must(ReadKeyState(path(), TestSecret()));
  EXPECT_EQ(CountOlder(state.epoch), 0U);
  EXPECT_EQ(State(), before);
}

TEST_F(LedgerKeys, ARotationNamesADamagedLine) {
  {
    RawLmdb raw(path());
    Bytes bytes = raw.Get("issued", KeyOf(numbers_[9]));
    bytes.back() ^= 1;
    raw.Put("issued", KeyOf(numbers_[9]), bytes);
  }
  const std::string before = State();
  const RotationOutcome outcome = Must(RotateDataKey(path(), TestSecret(), [](std::size_t, std::size_t) {}));
  EXPECT_EQ(outcome.damaged, std::vector<std::string>{"issued certificate " + std::to_string(numbers_[9])});
  EXPECT_EQ(State(), before);
}

// --- Keystores of before

class LedgerOfBefore : public testing::Test {
 protected:
  LedgerOfBefore() {
    for (const char* const name : {"keystore.hdr", "data.mdb"}) {
      std::filesystem::copy(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/format-1/" + name,
                            directory_.path() / name);
    }
  }
  RootKeys Keys() { return Must(Must(Header::Load(directory_.path())).Unlock(TestSecret())); }
  TemporaryDirectory directory_;
};

TEST_F(LedgerOfBefore, GetsATableWhenItIsOpened) {
  {
    const auto table = Must(OpenSealedTable(directory_.path(), Keys()));
    EXPECT_EQ(Must(table->Snapshot())->issued_count(), 0U);
    EXPECT_FALSE(Must(Must(table->Snapshot())->FindIssuedByNumber(16)));
  }
  RawLmdb raw(directory_.path());
  EXPECT_TRUE(raw.ReadAll("issued").empty());
}

// Goal: where there is no room for the table the keystore opens all the same, and gets it when it grows.
// Method: a map that is as large as what it holds, and pages that nobody freed.
TEST_F(LedgerOfBefore, OpensWithoutRoomForATable) {
  const auto table = Must(OpenSealedTable(directory_.path(), Keys(), {4096, std::uint64_t{1} << 30}));
  const auto before = Must(table->Snapshot());
  EXPECT_FALSE(Must(before->FindIssued(SerialOf(1))));
  EXPECT_FALSE(Must(before->FindIssuedByNumber(16)));
  Must(before->ListIssued(0, [](Cursor, const IssuedCertificate&) { return true; }));
}

TEST_F(LedgerOfBefore, RotatesWithoutRoomForATable) {
  const auto table = Must(SealedTable::Open(directory_.path(), Keys(), {4096, std::uint64_t{1} << 30}));
  const RotationOutcome outcome = Must(Rotate(*table, [](std::size_t, std::size_t) {}));
  EXPECT_TRUE(outcome.damaged.empty());
  EXPECT_EQ(Must(table->CountOldRecords()), 0U);
}

TEST_F(LedgerOfBefore, GrowsIntoHavingATable) {
  const auto table = Must(OpenSealedTable(directory_.path(), Keys(), {4096, std::uint64_t{1} << 30}));
  for (int attempt = 0;; ++attempt) {
    ASSERT_LT(attempt, 20);
    auto transaction = Must(table->BeginTransaction());
    auto put = transaction->PutIssued(SomeIssued(1));
    const auto outcome = put.has_value() ? transaction->Commit() : Result<void>(put.error());
    if (outcome.has_value()) break;
    ASSERT_EQ(outcome.error().code(), ErrorCode::kNoSpace);
    ASSERT_TRUE(transaction->WantsRoom());
    transaction.reset();
    ASSERT_TRUE(Must(table->Grow()));
  }
  EXPECT_TRUE(Must(Must(table->Snapshot())->FindIssued(SerialOf(1))));
}

}  // namespace
}  // namespace certfs
