// Goal: whatever LMDB would believe of data.mdb is found where it is not so, and a file that LMDB wrote is
// never called damaged, also while somebody writes it. Method: one field spoilt at a time, by hand; another
// process that commits thousands of times.

#include "store/lmdb/page_check.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include "store/files.h"
#include "store/lmdb/transaction.h"
#include "store/sealed_table.h"
#include "tests/store/data_file.h"
#include "tests/store/raw_lmdb.h"
#include "tests/store/table_fixture.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

constexpr int kEntries = 300;        // Trees of several levels.
constexpr std::size_t kLong = 9000;  // More than a page.

// A table with branches, values in pages of their own, and pages that are free.
class PageCheck : public testing::Test {
 protected:
  PageCheck() {
    Must(CreateSealedTable(path(), TestKeys()));
    const auto table = Must(OpenSealedTable(path(), TestKeys()));
    Number store = 0;
    for (int commit = 0; commit < 3; ++commit) {
      const auto transaction = Must(table->BeginTransaction());
      if (commit == 0) store = Must(transaction->PutStore(NewStore("Store")));
      for (int i = commit; i < kEntries; i += 3) {
        const std::string text = i % 10 == 0 ? std::string(kLong, 'x') : "the key of " + std::to_string(i);
        PutEntryWithFile(*transaction, store, "alias" + std::to_string(i), text);
      }
      Must(transaction->Commit());
    }
  }
  const std::filesystem::path& path() const { return directory_.path(); }
  Result<lmdb::PageFacts> Check() const {
    const Descriptor file(open((path() / "data.mdb").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(file.open());
    return lmdb::CheckPages(file.number());
  }

 private:
  TemporaryDirectory directory_;
};

TEST_F(PageCheck, WhatLmdbWroteIsSound) {
  const DataFile data(path());
  const lmdb::PageFacts facts = Must(Check());
  const lmdb::Meta meta = data.MetaAt(data.newer());
  EXPECT_EQ(facts.commit, meta.commit);
  EXPECT_EQ(facts.pages + facts.free, meta.last_page + 1) << "pages that nothing knows of";
  EXPECT_GT(facts.free, 0U);
  EXPECT_GT(data.TableFacts("entries").depth, 1U);
  EXPECT_GT(data.TableFacts("contents").overflows, 2U);
}

struct Spoiling {
  const char* name;
  std::function<void(const DataFile&, Bytes&)> spoil;
  const char* words;  // Of what is said.
};

// Facts of a tree: flags 4, depth 6, branches 8, leaves 16, overflows 24, entries 32, root 40.
// A page: number 0, flags 10, lower 12, upper 14. A node: low 0, high 2, flags 4, length of the key 6.
const std::vector<Spoiling>& Spoilings() {
  using D = const DataFile&;
  using B = Bytes&;
  constexpr std::size_t kMeta =
      lmdb::kPageHeaderBytes;  // Within its page: magic, version, address, map, trees.
  static const auto newer = [](D d, std::size_t within) { return DataFile::Offset(d.newer(), within); };
  static const auto entries = [](D d) { return d.TableFacts("entries").root; };
  static const auto leaf = [](D d) { return d.LeafOf(entries(d)); };
  static const auto free = [](D d) { return d.MetaAt(d.newer()).free.root; };
  static const auto big = [](D d) {  // The first page of a value in pages of its own.
    for (lmdb::PageNumber i = 2; i < d.good().size() / DataFile::kPage; ++i) {
      const lmdb::PageHeader header = lmdb::PageHeader::Parse(d.Page(i));
      if (header.number == i && header.flags == lmdb::kOverflowPage && header.run == 3) return i;
    }
    ADD_FAILURE() << "no value in pages of its own";
    return lmdb::PageNumber{0};
  };
  static const auto list = [](D d) {  // Where the first list of free pages stands.
    const lmdb::Node node = d.Tree(d.LeafOf(free(d))).At(0);
    EXPECT_GE(lmdb::NumberAt<std::uint64_t>(node.value, 0), 2U);
    return static_cast<std::size_t>(node.value.data() - d.good().data());
  };
  static const std::vector<Spoiling> rows{
      {"Empty", [](D, B b) { b.clear(); }, "is empty"},
      {"HalfAMeta", [](D, B b) { b.resize(100); }, "cut short"},
      {"OneMeta", [](D, B b) { b.resize(DataFile::kPage); }, "cut short"},
      {"Half", [](D, B b) { b.resize(b.size() / 2); }, "cut short"},
      {"NoMeta", [](D d, B b) { SetNumber<std::uint16_t>(b, newer(d, 10), 0); }, "no meta page"},
      {"Magic", [](D d, B b) { b[newer(d, kMeta)] ^= 1; }, "magic"},
      {"Version", [](D d, B b) { b[newer(d, kMeta + 4)] ^= 2; }, "version"},
      {"MapSize", [](D d, B b) { b[newer(d, kMeta + 16 + 7)] ^= 1; }, "the map"},
      {"PageSize", [](D d, B b) { SetNumber<std::uint32_t>(b, newer(d, kMeta + 24), 4097); },
       "size of a page"},
      {"PageSizes", [](D d, B b) { SetNumber<std::uint32_t>(b, newer(d, kMeta + 24), 8192); }, "size"},
      {"KindOfFree", [](D d, B b) { b[newer(d, kMeta + 24 + 4)] ^= 4; }, "kind of its trees"},
      {"KindOfMain", [](D d, B b) { b[newer(d, kMeta + 72 + 4)] ^= 4; }, "kind of its trees"},
      {"LastPage", [](D d, B b) { SetNumber<std::uint64_t>(b, newer(d, kMeta + 120), 5); }, "which is none"},
      {"LastPageFar", [](D d, B b) { b[newer(d, kMeta + 120 + 4)] ^= 1; }, "cut short"},
      {"CommitFar", [](D d, B b) { b[newer(d, kMeta + 128 + 7)] ^= 0x80; }, "commit is none"},
      {"CommitLater", [](D d, B b) { b[newer(d, kMeta + 128 + 1)] ^= 1; }, "not one behind the other"},
      {"OlderCommitLater", [](D d, B b) { b[DataFile::Offset(1 - d.newer(), kMeta + 128 + 1)] ^= 1; },
       "not one behind the other"},
      {"BothCommits",
       [](D, B b) {
         for (const std::size_t i : {0, 1}) b[DataFile::Offset(i, kMeta + 128)] ^= 1;
       },
       "not one behind the other"},
      {"NoRoot", [](D d, B b) { SetNumber(b, newer(d, kMeta + 72 + 40), lmdb::kNoPage); }, "no root"},
      {"RootIsMeta", [](D d, B b) { SetNumber<std::uint64_t>(b, newer(d, kMeta + 72 + 40), 1); },
       "which is none"},
      {"TableName", [](D d, B b) { b[d.FactsOffset("entries") - 1] ^= 1; }, "no name"},
      {"TableKind", [](D d, B b) { b[d.FactsOffset("entries") + 4] ^= 4; }, "another kind"},
      {"TableDepth", [](D d, B b) { b[d.FactsOffset("entries") + 6] ^= 1; }, "depth"},
      {"TableDepthFar", [](D d, B b) { b[d.FactsOffset("entries") + 7] ^= 1; }, "no depth"},
      {"TableLeaves", [](D d, B b) { b[d.FactsOffset("nodes") + 16] ^= 1; },
       "hash trees: there are more pages"},
      {"TableRuns", [](D d, B b) { b[d.FactsOffset("contents") + 24] ^= 1; },
       "contents of files: there are more pages"},
      {"TableRows", [](D d, B b) { b[d.FactsOffset("stores") + 32] ^= 2; }, "the stores: there are 1 rows"},
      {"TableRoot", [](D d, B b) { SetNumber(b, d.FactsOffset("issued") + 40, entries(d)); }, "no depth"},
      {"TwoTablesOnePage",
       [](D d, B b) {
         std::copy_n(d.good().begin() + d.FactsOffset("entries"), 48, b.begin() + d.FactsOffset("nodes"));
       },
       "belongs elsewhere"},
      {"TableNode",
       [](D d, B b) {
         const lmdb::PageNumber root = d.MetaAt(d.newer()).main.root;
         b[d.NodeOffset(root, 0) + 4] ^= lmdb::kTreeNode;
       },
       "says nothing"},
      {"PageNumber", [](D d, B b) { b[DataFile::Offset(leaf(d))] ^= 1; }, "another page"},
      {"PageKind", [](D d, B b) { b[DataFile::Offset(leaf(d), 10)] = lmdb::kOverflowPage; },
       "no page of a tree"},
      {"PageKindToo", [](D d, B b) { b[DataFile::Offset(leaf(d), 10)] ^= 0x20; }, "no page of a tree"},
      {"LeafIsBranch", [](D d, B b) { b[DataFile::Offset(leaf(d), 10)] = lmdb::kBranchPage; },
       "of the entries"},
      {"Lower", [](D d, B b) { b[DataFile::Offset(leaf(d), 12)] ^= 2; }, "of the entries"},
      {"LowerFar", [](D d, B b) { b[DataFile::Offset(leaf(d), 13)] ^= 0x80; }, "free room"},
      {"Upper", [](D d, B b) { b[DataFile::Offset(leaf(d), 14)] ^= 2; }, "of the entries"},
      {"UpperFar", [](D d, B b) { b[DataFile::Offset(leaf(d), 15)] ^= 0x80; }, "free room"},
      {"EmptyPage", [](D d, B b) { SetNumber<std::uint16_t>(b, DataFile::Offset(leaf(d), 12), 16); },
       "empty"},
      {"NodeOffset", [](D d, B b) { b[DataFile::Offset(leaf(d), 16)] ^= 2; }, "of the entries"},
      {"NodeOffsetOdd", [](D d, B b) { b[DataFile::Offset(leaf(d), 16)] ^= 1; }, "of the entries"},
      {"NodeInHeader", [](D d, B b) { SetNumber<std::uint16_t>(b, DataFile::Offset(leaf(d), 16), 0); },
       "free room"},
      {"NodeTwice",
       [](D d, B b) {
         std::copy_n(b.begin() + DataFile::Offset(leaf(d), 16), 2, b.begin() + DataFile::Offset(leaf(d), 18));
       },
       "one place"},
      {"NodeLength", [](D d, B b) { b[d.NodeOffset(leaf(d), 0)] ^= 4; }, "of the entries"},
      {"NodeLengthFar", [](D d, B b) { b[d.NodeOffset(leaf(d), 0) + 2] ^= 1; }, "a node leaves it"},
      {"NodeKind", [](D d, B b) { b[d.NodeOffset(leaf(d), 0) + 4] ^= lmdb::kTreeNode; }, "no kind"},
      {"KeyLength", [](D d, B b) { b[d.NodeOffset(leaf(d), 0) + 6] ^= 4; }, "of the entries"},
      {"KeyOrder",
       [](D d, B b) {
         std::swap_ranges(b.begin() + DataFile::Offset(leaf(d), 16),
                          b.begin() + DataFile::Offset(leaf(d), 18),
                          b.begin() + DataFile::Offset(leaf(d), 18));
       },
       "out of order"},
      {"KeyBounds",
       [](D d, B b) {
         const lmdb::PageNumber last = d.Tree(entries(d)).At(0).child;
         b[d.NodeOffset(last, d.Tree(last).count() - 1) + 8] ^= 0x40;
       },
       "out of order"},
      {"Child", [](D d, B b) { b[d.NodeOffset(entries(d), 0) + 3] ^= 0x40; }, "which is none"},
      {"ChildFar", [](D d, B b) { b[d.NodeOffset(entries(d), 0) + 5] ^= 1; }, "which is none"},
      {"ChildTwice",
       [](D d, B b) {
         std::copy_n(b.begin() + d.NodeOffset(entries(d), 0), 6, b.begin() + d.NodeOffset(entries(d), 1));
       },
       "belongs elsewhere"},
      {"ChildIsFree",
       [](D d, B b) {
         const auto page = lmdb::NumberAt<std::uint64_t>(b, list(d) + 8);
         SetNumber(b, d.NodeOffset(entries(d), 0), static_cast<std::uint32_t>(page));
       },
       "page"},
      {"RunNumber", [](D d, B b) { b[DataFile::Offset(big(d))] ^= 1; }, "another page"},
      {"RunKind", [](D d, B b) { b[DataFile::Offset(big(d), 10)] ^= 2; }, "holds no value"},
      {"RunShort", [](D d, B b) { b[DataFile::Offset(big(d), 12)] = 2; }, "too short"},
      {"RunLong", [](D d, B b) { b[DataFile::Offset(big(d), 15)] = 1; }, "too short"},
      {"FreeLength", [](D d, B b) { b[list(d) + 1] ^= 0x40; }, "longer than its room"},
      {"FreeOrder",
       [](D d, B b) {
         std::swap_ranges(b.begin() + list(d) + 8, b.begin() + list(d) + 16, b.begin() + list(d) + 16);
       },
       "out of order"},
      {"FreeIsUsed",
       [](D d, B b) {
         SetNumber(b, list(d) + 8 * lmdb::NumberAt<std::uint64_t>(b, list(d)), lmdb::PageNumber{0});
       },
       "which is none"},
      {"FreeInUse",
       [](D d, B b) {
         const lmdb::Node node = d.Tree(d.LeafOf(free(d))).At(0);
         SetNumber(b, list(d), std::uint64_t{1});
         SetNumber(b, static_cast<std::size_t>(node.value.data() - d.good().data()) + 8, entries(d));
       },
       "belongs elsewhere"},
      {"FreeCommit", [](D d, B b) { b[d.NodeOffset(d.LeafOf(free(d)), 0) + 8 + 7] ^= 1; }, "of free pages"},
      {"FreeKey",
       [](D d, B b) {
         const lmdb::PageNumber page = d.LeafOf(free(d));
         SetNumber<std::uint64_t>(b, d.NodeOffset(page, 0) + 8, 0);
       },
       "never was"},
  };
  return rows;
}

// The walk over a file that has one thing wrong.
TEST_F(PageCheck, EachFieldThatIsWrong) {
  const DataFile data(path());
  for (const Spoiling& row : Spoilings()) {
    SCOPED_TRACE(row.name);
    Bytes bytes = data.good();
    row.spoil(data, bytes);
    ASSERT_NE(bytes, data.good());
    data.Write(bytes);
    const auto checked = Check();
    EXPECT_EQ(CodeOf(checked), ErrorCode::kCorrupt);
    if (checked.has_value()) continue;
    EXPECT_NE(checked.error().message().find(row.words), std::string::npos) << checked.error().message();
  }
  data.Restore();
  Must(Check());
}

// Goal: what is set aside for a file goes by what the disk holds of it. Method: sparse ones, with metas that
// claim every page of them; a long one of which little is claimed is sound.
TEST_F(PageCheck, AFileOfHolesCostsNothing) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 24;  // PagesMax, but for what the disk holds.
  const DataFile data(path());
  const auto claim = [&](std::uint64_t pages) {
    Bytes bytes = data.good();
    for (const std::size_t meta : {0, 1})
      SetNumber(bytes, DataFile::Offset(meta, lmdb::kPageHeaderBytes + 120), pages - 1);
    data.Write(bytes);
  };
  for (const std::uint64_t pages : {2 * kMost, std::uint64_t{1} << 31}) {
    claim(pages);
    if (truncate(data.path().c_str(), static_cast<off_t>(pages * DataFile::kPage)) != 0) {
      std::cout << "the file system has no file of " << pages << " pages: " << strerror(errno) << "\n";
      continue;
    }
    const auto checked = Check();
    ASSERT_EQ(CodeOf(checked), ErrorCode::kCorrupt);
    EXPECT_NE(checked.error().message().find("it claims " + std::to_string(pages) + " pages"),
              std::string::npos)
        << checked.error().message();
  }
  data.Restore();
  if (truncate(data.path().c_str(), static_cast<off_t>(2 * kMost * DataFile::kPage)) == 0) Must(Check());
  data.Restore();
  Must(Check());
}

// A file that was never committed to, and one of a page only.
TEST(PageCheckOfFew, ANewTable) {
  const TemporaryDirectory directory;
  Must(CreateSealedTable(directory.path(), TestKeys()));
  const Descriptor file(open((directory.path() / "data.mdb").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_GT(Must(lmdb::CheckPages(file.number())).pages, 3U);
}

TEST(PageCheckOfFew, WhatIsNoFile) {
  const Descriptor directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(CodeOf(lmdb::CheckPages(directory.number())), ErrorCode::kIo);
  const Descriptor zeros(open("/dev/zero", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(CodeOf(lmdb::CheckPages(zeros.number())), ErrorCode::kCorrupt);
}

// Commits until it is killed, or a thousand times at least.
class Committer {
 public:
  explicit Committer(const std::filesystem::path& directory) {
    EXPECT_EQ(pipe(done_), 0);
    child_ = fork();
    if (child_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    RawLmdb raw(directory);
    for (std::uint32_t i = 0;; ++i) {
      Bytes key;
      Writer(key).U64(1'000'000 + i * 7 % 500);
      // A key that is removed was put 500 commits ago, or a thousand.
      if (i % 1000 < 500) {
        raw.Put("entries", key, Bytes(i % 5 == 0 ? 5000 : 40 + i % 900, 1));
      } else {
        raw.Remove("entries", key);
      }
      const char byte = 0;
      if (write(done_[1], &byte, 1) != 1) _exit(0);
    }
  }
  ~Committer() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    close(done_[0]);
    close(done_[1]);
  }
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Lets it commit once more, at least.
  void Await() const {
    char byte = 0;
    EXPECT_EQ(read(done_[0], &byte, 1), 1);
  }

 private:
  pid_t child_ = -1;
  int done_[2]{};
};

// While another process commits a walk may say that it cannot tell; it never says damaged.
TEST_F(PageCheck, WhoeverCommitsMeanwhileDamagesNothing) {
  const int walks = Rounds(1000, 20);
  const Committer committer(path());
  int sound = 0;
  int disturbed = 0;
  for (int i = 0; i < walks; ++i) {
    committer.Await();
    const auto checked = Check();
    if (checked.has_value()) ++sound;
    if (!checked.has_value() || checked.value().attempts > 1) ++disturbed;
    if (!checked.has_value()) {
      ASSERT_EQ(checked.error().code(), ErrorCode::kBusy) << checked.error().message();
    }
  }
  std::cout << sound << " of " << walks << " walks came to an end, " << disturbed << " were disturbed\n";
}

// And where a reader keeps the pages of a state, it always can tell.
TEST_F(PageCheck, BesideAReaderItCanAlwaysTell) {
  const auto environment = Must(lmdb::Environment::Open(path(), std::uint64_t{1} << 30, false));
  const Committer committer(path());
  const int walks = Rounds(1000, 20);
  for (int i = 0; i < walks; ++i) {
    committer.Await();
    const auto reader = Must(lmdb::Transaction::Begin(*environment, lmdb::Access::kRead));
    Must(Check());
  }
}

}  // namespace
}  // namespace certfs
