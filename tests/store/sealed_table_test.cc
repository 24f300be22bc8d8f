#include "store/sealed_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "tests/store/raw_lmdb.h"
#include "tests/store/table_fixture.h"

namespace certfs {

namespace {

class SealedTable : public testing::Test {
 protected:
  SealedTable() { Must(CreateSealedTable(directory_.path(), TestKeys())); }

  std::unique_ptr<EntryTable> Open(const SealedTableOptions& options = {}) {
    return Must(OpenSealedTable(directory_.path(), TestKeys(), options));
  }

  std::string ReadData() {
    std::ifstream file(directory_.path() / "data.mdb", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryDirectory directory_;
};

Number MakeStore(EntryTable& table, std::string_view name) {
  const auto transaction = Must(table.BeginTransaction());
  const Number number = Must(transaction->PutStore(NewStore(name)));
  Must(transaction->Commit());
  return number;
}

// As Keystore does it: makes room and tries again, as often as need be.
Result<void> PutBytes(EntryTable& table, Number store, std::string_view alias, const std::string& text) {
  for (;;) {
    const auto attempt = [&]() -> Result<void> {
      const auto transaction = TRY(table.BeginTransaction());
      Entry entry = NewEntry(store, alias);
      entry.number = TRY(transaction->PutEntry(entry));
      TRY(transaction->PutFile(entry, Member::kKey, AsBytes(text)));
      TRY(transaction->PutEntry(entry));
      return transaction->Commit();
    };
    auto outcome = attempt();
    if (outcome.has_value() || outcome.error().code() != ErrorCode::kNoSpace) return outcome;
    if (!TRY(table.Grow())) return outcome;
  }
}

TEST_F(SealedTable, IsMadeOnceAndFoundAgain) {
  EXPECT_EQ(CodeOf(CreateSealedTable(directory_.path(), TestKeys())), ErrorCode::kAlreadyExists);
  const TemporaryDirectory empty;
  EXPECT_EQ(CodeOf(OpenSealedTable(empty.path(), TestKeys())), ErrorCode::kNotFound);
  Number number = 0;
  {
    const auto table = Open();
    number = MakeStore(*table, "S");
    Must(PutBytes(*table, number, "a", "text"));
  }
  const auto table = Open();
  const auto snapshot = Must(table->Snapshot());
  EXPECT_EQ(ReadText(*snapshot, *Must(snapshot->FindEntry(number, AliasOf("a")))), "text");
  EXPECT_EQ(number, kFirstNumber);
}

TEST_F(SealedTable, ItsFilesArePrivateAndNamedAsSpecified) {
  const auto table = Open();
  for (const char* const name : {"data.mdb", "lock.mdb"}) {
    struct stat status {};
    ASSERT_EQ(stat((directory_.path() / name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 07777U, 0600U) << name;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.path()), {}), 2);
}

TEST_F(SealedTable, LeavesNoDescriptorToChildren) {
  const auto table = Open();
  int seen = 0;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(each.path(), gone);
    if (gone || target.parent_path() != directory_.path()) continue;
    ++seen;
    EXPECT_NE(fcntl(std::stoi(each.path().filename()), F_GETFD) & FD_CLOEXEC, 0) << target;
  }
  EXPECT_GE(seen, 2);
}

TEST_F(SealedTable, RefusesAnotherKeyAndAnotherStore) {
  RootKeys other_key = TestKeys();
  other_key.manifest_key.data()[0] ^= 1;
  EXPECT_EQ(CodeOf(OpenSealedTable(directory_.path(), std::move(other_key))), ErrorCode::kCorrupt);
  RootKeys other_store = TestKeys();
  other_store.store_id[0] ^= 1;
  EXPECT_EQ(CodeOf(OpenSealedTable(directory_.path(), std::move(other_store))), ErrorCode::kCorrupt);
}

TEST_F(SealedTable, RefusesAFileThatIsNoDatabase) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() / "data.mdb") << std::string(8192, 'x');
  EXPECT_EQ(CodeOf(OpenSealedTable(directory.path(), TestKeys())), ErrorCode::kCorrupt);
}

TEST_F(SealedTable, WritesNothingInTheClear) {
  const std::string words[] = {"Confidential-Store", "confidential-store", "hidden-alias.example.org",
                               "-----BEGIN PRIVATE KEY-----", "seen-by-nobody"};
  {
    const auto table = Open();
    const Number store = MakeStore(*table, words[0]);
    Must(PutBytes(*table, store, words[2], words[3] + words[4]));
  }
  const std::string data = ReadData();
  ASSERT_GT(data.size(), 4096U);
  for (const std::string& word : words) EXPECT_EQ(data.find(word), std::string::npos) << word;
  EXPECT_EQ(data.find(AsText(TestKeys().manifest_key.Reveal())), std::string::npos);
}

TEST_F(SealedTable, SealsTheSameBytesDifferently) {
  {
    const auto table = Open();
    const Number store = MakeStore(*table, "S");
    Must(PutBytes(*table, store, "a", "the same"));
    Must(PutBytes(*table, store, "b", "the same"));
  }
  RawLmdb raw(directory_.path());
  const auto contents = raw.ReadAll("contents");
  ASSERT_EQ(contents.size(), 2U);
  const Bytes& first = contents.begin()->second;
  const Bytes& second = contents.rbegin()->second;
  EXPECT_EQ(first.size(), 8 + kSealOverhead);
  EXPECT_FALSE(std::equal(first.begin() + 16, first.begin() + 48, second.begin() + 16));
  // The revision in the clear is the number of the commit: 1 made the manifest, 2 the store.
  EXPECT_EQ(first[15], 3);
  EXPECT_EQ(second[15], 4);
}

TEST_F(SealedTable, LeavesNothingOfWhatWasRemoved) {
  {
    const auto table = Open();
    const Number store = MakeStore(*table, "S");
    for (int i = 0; i < 50; ++i) Must(PutBytes(*table, store, std::to_string(i), "text"));
    const auto transaction = Must(table->BeginTransaction());
    for (int i = 0; i < 50; ++i) {
      Must(transaction->RemoveEntry(*Must(transaction->FindEntry(store, AliasOf(std::to_string(i))))));
    }
    Must(transaction->RemoveStore(*Must(transaction->FindStoreByNumber(store))));
    Must(transaction->Commit());
  }
  RawLmdb raw(directory_.path());
  for (const char* const table : {"stores", "entries", "contents", "nodes"}) {
    EXPECT_TRUE(raw.ReadAll(table).empty()) << table;
  }
}

TEST_F(SealedTable, GrowsFromATinyMapToItsLimit) {
  const SealedTableOptions tiny{std::uint64_t{256} << 10, std::uint64_t{4} << 20};
  const auto table = Open(tiny);
  const Number store = MakeStore(*table, "S");
  const std::string text(100'000, 'x');
  int kept = 0;
  for (;; ++kept) {
    const auto outcome = PutBytes(*table, store, "e" + std::to_string(kept), text);
    if (outcome.has_value()) continue;
    EXPECT_EQ(CodeOf(outcome), ErrorCode::kNoSpace);
    break;
  }
  EXPECT_GT(kept, 25);
  EXPECT_LT(kept, 42);
  EXPECT_FALSE(Must(table->Grow()));
  EXPECT_EQ(table->GetUsage().limit, tiny.map_bytes_max);
  EXPECT_GT(table->GetUsage().used, tiny.map_bytes_max / 2);
  EXPECT_LE(table->GetUsage().used, tiny.map_bytes_max);
  // Full is not broken: everything reads, and removing makes room.
  const auto snapshot = Must(table->Snapshot());
  EXPECT_EQ(Must(snapshot->FindStoreByNumber(store))->entry_count, static_cast<std::uint64_t>(kept));
  EXPECT_EQ(ReadText(*snapshot, *Must(snapshot->FindEntry(store, AliasOf("e0")))), text);
}

TEST_F(SealedTable, OpensWithASmallerMapThanItsData) {
  {
    const auto table = Open();
    const Number store = MakeStore(*table, "S");
    Must(PutBytes(*table, store, "large", std::string(1'000'000, 'x')));
  }
  const auto table = Open({std::uint64_t{128} << 10, std::uint64_t{64} << 20});
  const Number store = Must(Must(table->Snapshot())->FindStore(NameOf("S")))->number;
  Must(PutBytes(*table, store, "more", std::string(1'000'000, 'y')));
  const auto snapshot = Must(table->Snapshot());
  EXPECT_EQ(ReadText(*snapshot, *Must(snapshot->FindEntry(store, AliasOf("large")))).size(), 1'000'000U);
}

TEST_F(SealedTable, GrowsWhileOthersRead) {
  const auto table = Open({std::uint64_t{256} << 10, std::uint64_t{32} << 20});
  const Number store = MakeStore(*table, "S");
  Must(PutBytes(*table, store, "a", "text"));
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        const auto outer = Must(table->Snapshot());
        const auto inner = Must(table->Snapshot());  // Two on one thread, as a caller may.
        EXPECT_EQ(ReadText(*inner, *Must(outer->FindEntry(store, AliasOf("a")))), "text");
      }
    });
  }
  for (int i = 0; i < 40; ++i)
    Must(PutBytes(*table, store, "e" + std::to_string(i), std::string(100'000, 'x')));
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_F(SealedTable, GrowSaysWhenASnapshotStandsInItsWay) {
  const auto table = Open();
  const auto snapshot = Must(table->Snapshot());
  EXPECT_EQ(CodeOf(table->Grow()), ErrorCode::kBusy);
  EXPECT_TRUE(snapshot->FindStore(NameOf("S")).has_value());
}

// The child writes beyond the parent's map; the parent then reads what the child wrote, and the other way
// round.
TEST_F(SealedTable, TwoProcessesSeeEachOther) {
  int go[2];
  int done[2];
  ASSERT_EQ(pipe(go), 0);
  ASSERT_EQ(pipe(done), 0);
  const SealedTableOptions tiny{std::uint64_t{256} << 10, std::uint64_t{64} << 20};
  const std::string text(200'000, 'x');
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char byte = 0;
    auto table = OpenSealedTable(directory_.path(), TestKeys(), tiny);
    bool good = table.has_value() && write(done[1], "o", 1) == 1 && read(go[0], &byte, 1) == 1;
    if (good) {
      const auto store = Must(Must(table.value()->Snapshot())->FindStore(NameOf("Parent")));
      good = store.has_value();
      for (int i = 0; good && i < 20; ++i) {
        good = PutBytes(*table.value(), store->number, "e" + std::to_string(i), text).has_value();
      }
    }
    good = write(done[1], "w", 1) == 1 && good;
    _exit(good && !testing::Test::HasFailure() ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(read(done[0], &byte, 1), 1);
  const auto table = Open(tiny);
  const Number store = MakeStore(*table, "Parent");
  EXPECT_EQ(Must(Must(table->Snapshot())->FindStoreByNumber(store))->entry_count, 0U);
  ASSERT_EQ(write(go[1], "g", 1), 1);
  ASSERT_EQ(read(done[0], &byte, 1), 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const int end : {go[0], go[1], done[0], done[1]}) close(end);

  {
    const auto snapshot = Must(table->Snapshot());
    EXPECT_EQ(Must(snapshot->FindStoreByNumber(store))->entry_count, 20U);
    EXPECT_EQ(ReadText(*snapshot, *Must(snapshot->FindEntry(store, AliasOf("e19")))), text);
  }
  Must(PutBytes(*table, store, "mine", text));
}

// A reader that was killed, in another process, does not hold its pages for ever.
TEST_F(SealedTable, AKilledReaderDoesNotFillTheKeystore) {
  {
    const auto table = Open();
    Must(PutBytes(*table, MakeStore(*table, "S"), "first", "text"));
  }
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto table = OpenSealedTable(directory_.path(), TestKeys());
    const auto snapshot = Must(table.value()->Snapshot());
    if (write(ready[1], "r", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  for (const int end : ready) close(end);
  const auto table = Open({std::uint64_t{256} << 10, std::uint64_t{2} << 20});
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  const Number store = Must(Must(table->Snapshot())->FindStore(NameOf("S")))->number;
  // Far more than the limit in all, though never much at a time.
  for (int i = 0; i < 40; ++i) {
    const std::string alias = "e" + std::to_string(i);
    Must(PutBytes(*table, store, alias, std::string(200'000, 'x')));
    const auto transaction = Must(table->BeginTransaction());
    Must(transaction->RemoveEntry(*Must(transaction->FindEntry(store, AliasOf(alias)))));
    Must(transaction->Commit());
  }
}

// Everything of an earlier state, put back while the keystore is open: each record fits its parent, and the
// manifest is the one that was sealed. Only who was there before can tell.
TEST_F(SealedTable, AWholeStateOfEarlierIsRefusedByWhoSawALaterOne) {
  int go[2];
  int done[2];
  ASSERT_EQ(pipe(go), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    RawLmdb raw(directory_.path());
    std::map<std::string, std::map<Bytes, Bytes>> earlier;
    const char* const names[] = {"nodes", "stores", "manifest"};
    char byte = 0;
    for (const char* const name : names) earlier[name] = raw.ReadAll(name);
    bool good = write(done[1], "o", 1) == 1 && read(go[0], &byte, 1) == 1;
    for (const char* const name : names) {
      for (const auto& [key, value] : earlier[name]) raw.Put(name, key, value);
    }
    good = write(done[1], "w", 1) == 1 && good;
    _exit(good && !testing::Test::HasFailure() ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(read(done[0], &byte, 1), 1);
  const auto table = Open();
  MakeStore(*table, "Later");
  EXPECT_TRUE(Must(Must(table->Snapshot())->FindStore(NameOf("Later"))));
  ASSERT_EQ(write(go[1], "g", 1), 1);
  ASSERT_EQ(read(done[0], &byte, 1), 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const int end : {go[0], go[1], done[0], done[1]}) close(end);
  EXPECT_EQ(CodeOf(table->Snapshot()), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(table->BeginTransaction()), ErrorCode::kCorrupt);
}

// A writer that was killed leaves nothing behind, and the next one does not wait for it.
TEST_F(SealedTable, AKilledWriterChangesNothing) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto table = OpenSealedTable(directory_.path(), TestKeys());
    auto transaction = Must(table.value()->BeginTransaction());
    Must(transaction->PutStore(NewStore("Half")));
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  const auto table = Open();
  EXPECT_FALSE(Must(Must(table->Snapshot())->FindStore(NameOf("Half"))));
  MakeStore(*table, "Whole");
  EXPECT_TRUE(Must(Must(table->Snapshot())->FindStore(NameOf("Whole"))));
}

}  // namespace

}  // namespace certfs
