// Goal: the keystore grows by itself while others read, and at its limit or on a full disk a change changes
// nothing and the keystore goes on. Method: tiny maps and a tiny tmpfs, filled through the door.

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "store/sealed_table.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/memory_directory.h"
#include "tests/store/tiny_disk.h"
#include "tests/support/rounds.h"

namespace certfs {

namespace {

constexpr std::uint64_t kKiB = std::uint64_t{1} << 10;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// A keystore whose map begins tiny and ends at `limit`.
class Growing {
 public:
  explicit Growing(std::uint64_t limit, const std::filesystem::path& directory = {}) {
    const auto& where = directory.empty() ? directory_.path() : directory;
    Must(CreateSealedTable(where, TestKeys()));
    keystore_ = Must(Keystore::Over(Must(OpenSealedTable(where, TestKeys(), {256 * kKiB, limit})), kRoot,
                                    FixedClock().get()));
    store_ = Must(Must(keystore_->Snapshot())->FindStore(NameOf("machine")))->number;
  }

  Keystore& operator*() { return *keystore_; }
  Keystore* operator->() { return keystore_.get(); }
  Number store() const { return store_; }
  std::string State() { return Describe(*Must(keystore_->Snapshot())); }

  Result<Number> Make(const std::string& alias) {
    return TRY(keystore_->CreateEntry(store_, AliasOf(alias), kRoot, 0755)).number;
  }
  Result<void> Put(Number number, std::size_t size) {
    TRY(keystore_->WriteFile(number, Member::kSecret, Bytes(size, 's'), kRoot, {}));
    return {};
  }
  // Fills the keystore to the brim, with large files and then with ever smaller ones, and says what is in it.
  std::vector<Number> Fill(std::size_t largest = 256 * kKiB) {
    std::vector<Number> numbers;
    for (std::size_t size = largest; size > 0; size /= 4) {
      for (;;) {
        const auto number = Make("e" + std::to_string(numbers.size()));
        const auto put = number.has_value() ? Put(number.value(), size) : Result<void>(number.error());
        if (number.has_value()) numbers.push_back(number.value());
        if (put.has_value()) continue;
        EXPECT_EQ(ToString(put.error().code()), "no-space") << put.error().message();
        if (number.has_value()) {
          const std::string before = State();
          EXPECT_EQ(CodeOf(Put(number.value(), size)), ErrorCode::kNoSpace);
          EXPECT_EQ(State(), before);
        }
        break;
      }
    }
    return numbers;
  }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Keystore> keystore_;
  Number store_ = 0;
};

TEST(KeystoreGrowth, OneChangeMayNeedSeveralDoublings) {
  Growing keystore(32 * kMiB);
  Must(keystore.Put(Must(keystore.Make("large")), 1 * kMiB));
  EXPECT_EQ(keystore->GetUsage().limit, 32 * kMiB);
  EXPECT_GT(keystore->GetUsage().used, 1 * kMiB);
}

TEST(KeystoreGrowth, GrowsWhileOthersRead) {
  Growing keystore(64 * kMiB);
  const Number first = Must(keystore.Make("first"));
  Must(keystore.Put(first, 1000));
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        const auto outer = Must(keystore->Snapshot());
        const auto inner = Must(keystore->Snapshot());
        EXPECT_EQ(ReadText(*inner, *Must(outer->FindEntryByNumber(first)), Member::kSecret).size(), 1000U);
      }
    });
  }
  for (int i = 0; i < 30; ++i) {
    Must(keystore.Put(Must(keystore.Make("e" + std::to_string(i))), 500 * kKiB));
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(Must(Must(keystore->Snapshot())->FindStoreByNumber(keystore.store()))->entry_count, 31U);
}

// A snapshot that stays, in this thread or another, keeps the map as it is: the change is refused, not half
// done.
TEST(KeystoreGrowth, ASnapshotThatStaysMakesItBusy) {
  Growing keystore(32 * kMiB);
  const Number number = Must(keystore.Make("large"));
  const std::string before = keystore.State();
  {
    const auto mine = Must(keystore->Snapshot());
    EXPECT_EQ(CodeOf(keystore.Put(number, 1 * kMiB)), ErrorCode::kBusy);
    EXPECT_EQ(Describe(*mine), before);
  }
  EXPECT_EQ(keystore.State(), before);
  std::mutex mutex;
  std::condition_variable changed;
  bool held = false;
  bool done = false;
  std::thread other([&] {
    const auto theirs = Must(keystore->Snapshot());
    std::unique_lock lock(mutex);
    held = true;
    changed.notify_all();
    changed.wait(lock, [&] { return done; });
    EXPECT_EQ(Describe(*theirs), before);
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return held; });
  }
  EXPECT_EQ(CodeOf(keystore.Put(number, 1 * kMiB)), ErrorCode::kBusy);
  // What needs no room is done meanwhile.
  Must(keystore.Put(number, 1000));
  {
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_all();
  }
  other.join();
  Must(keystore.Put(number, 1 * kMiB));
}

TEST(KeystoreGrowth, AtTheLimitNothingChangesAndRemovingMakesRoom) {
  Growing keystore(4 * kMiB);
  const std::vector<Number> numbers = keystore.Fill();
  ASSERT_GT(numbers.size(), 10U);
  EXPECT_LE(keystore->GetUsage().used, keystore->GetUsage().limit);
  for (int i = 0; i < 3; ++i) {
    Must(keystore->RemoveFile(numbers[i], Member::kSecret, kRoot));
    Must(keystore->RemoveEntry(keystore.store(), AliasOf("e" + std::to_string(i)), kRoot));
  }
  Must(keystore.Put(Must(keystore.Make("again")), 256 * kKiB));
}

// Goal: a keystore that is full to the brim can be emptied, file by file, and filled again, as often as one
// likes. Method: many keystores, as their keys decide which pages a removal copies, filled with files of all
// sizes or with tiny ones alone. Whatever is removed is removed in a full keystore.
struct Filling {
  std::uint64_t limit;
  std::size_t largest_file;
};

class FullKeystore : public testing::TestWithParam<Filling> {
 protected:
  static void Empty(Growing& keystore) {
    const auto remove_all = [&](std::string_view store_name) {
      const Number store = Must(Must(keystore->Snapshot())->FindStore(NameOf(store_name)))->number;
      std::vector<Entry> entries;
      {
        const auto snapshot = Must(keystore->Snapshot());
        for (Cursor after = 0;;) {
          const auto next = Must(snapshot->NextEntry(store, after, nullptr));
          if (!next) break;
          after = next->at;
          entries.push_back(next->item);
        }
      }
      for (const Entry& entry : entries) {
        if (store == keystore.store() && entry.file(Member::kSecret))
          Must(keystore->RemoveFile(entry.number, Member::kSecret, kRoot));
        Must(keystore->RemoveEntry(store, entry.alias, kRoot));
      }
    };
    remove_all("machine");
    remove_all("BACKUP_STORE");
  }
};

TEST_P(FullKeystore, IsEmptiedAndFilledAgainAndAgain) {
  const auto [limit, largest_file] = GetParam();
  for (int i = 0; i < Rounds(2); ++i) {
    const MemoryDirectory directory;
    Growing keystore(limit, directory.path());
    const std::uint64_t empty = keystore->GetUsage().used;
    std::size_t first = 0;
    for (int again = 0; again < Rounds(3, 2); ++again) {
      const std::size_t count = keystore.Fill(largest_file).size();
      if (first == 0) first = count;
      EXPECT_GE(count, first * 8 / 10);
      EXPECT_LE(keystore->GetUsage().used, limit);
      Empty(keystore);
      EXPECT_EQ(keystore->GetUsage().used, empty);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(LargestFile, FullKeystore,
                         testing::Values(Filling{1 * kMiB, 256 * kKiB}, Filling{512 * kKiB, 3000},
                                         Filling{192 * kKiB, 1}));

// This process may take `bytes` more of address space than it has, until this object goes.
class AddressSpaceLimit {
 public:
  explicit AddressSpaceLimit(std::uint64_t bytes) {
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    EXPECT_EQ(getrlimit(RLIMIT_AS, &before_), 0);
    const rlimit limit{pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) + bytes, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
  }
  ~AddressSpaceLimit() { EXPECT_EQ(setrlimit(RLIMIT_AS, &before_), 0); }
  AddressSpaceLimit(const AddressSpaceLimit&) = delete;
  AddressSpaceLimit& operator=(const AddressSpaceLimit&) = delete;

 private:
  rlimit before_{};
};

// LMDB by itself would be left without a map, and crash at the next transaction.
TEST(KeystoreGrowth, WithoutAddressSpaceNothingChangesAndItGrowsWhenThereIsSome) {
  Growing keystore(256 * kMiB);
  const auto fill = [&](char group, std::uint64_t used_max) -> Result<void> {
    for (int i = 0; keystore->GetUsage().used < used_max; ++i) {
      TRY(keystore.Put(TRY(keystore.Make(group + std::to_string(i))), 1 * kMiB));
    }
    return {};
  };
  Must(fill('a', 80 * kMiB));  // The map is of 128 MiB.
  const Number small = Must(keystore.Make("small"));
  {
    const AddressSpaceLimit limit(64 * kMiB);  // The next one takes 128 more.
    EXPECT_EQ(CodeOf(fill('b', 160 * kMiB)), ErrorCode::kNoMemory);
    EXPECT_EQ(CodeOf(fill('c', 160 * kMiB)), ErrorCode::kNoMemory);
    Must(keystore.Put(small, 1000));  // What needs no room is done meanwhile.
  }
  Must(fill('d', 160 * kMiB));
  const auto snapshot = Must(keystore->Snapshot());
  EXPECT_EQ(ReadText(*snapshot, *Must(snapshot->FindEntryByNumber(small)), Member::kSecret).size(), 1000U);
}

TEST(KeystoreGrowth, OnAFullDiskNothingChangesAndRoomIsUsedWhenItComes) {
  TinyDisk disk("size=2m");
  if (!disk.why().empty()) GTEST_SKIP() << "no tmpfs can be mounted here: " << disk.why();
  Growing keystore(64 * kMiB, disk.path());
  const std::vector<Number> numbers = keystore.Fill();
  ASSERT_GT(numbers.size(), 4U);
  disk.Resize("size=4m");
  Must(keystore.Put(Must(keystore.Make("again")), 256 * kKiB));
  Must(keystore->RemoveFile(numbers[0], Member::kSecret, kRoot));
}

TEST(KeystoreGrowth, OnAFullDiskNoKeystoreIsMade) {
  TinyDisk disk("size=16k");
  if (!disk.why().empty()) GTEST_SKIP() << "no tmpfs can be mounted here: " << disk.why();
  const std::filesystem::path directory = disk.path() / "keystore";
  const auto made = Keystore::Create(directory, TestSecret(), kRoot, FixedClock().get());
  EXPECT_EQ(CodeOf(made), ErrorCode::kNoSpace);
  EXPECT_TRUE(std::filesystem::is_empty(disk.path()));
}

}  // namespace

}  // namespace certfs
