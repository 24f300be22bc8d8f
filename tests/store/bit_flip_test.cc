// Goal: whatever single bit of a keystore's files is another one, what is served is right or an Error, the
// process that has the keys lives, and what still verifies can be saved. The same for a backup. Method: each
// bit of keystore.hdr; of data.mdb, audit.log and a backup an even sample (all under CERTFS_SOAK), in child
// processes that are seen to die.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "store/examiner.h"
#include "store/salvage.h"
#include "tests/store/data_file.h"
#include "tests/store/small_keystore.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

enum Outcome : std::uint8_t { kNotRun, kUnaffected, kBeside, kRefused, kWrong, kCrashed, kOutcomes };

bool IsSoak() { return std::getenv("CERTFS_SOAK") != nullptr; }

// Some `wanted` bits of `bytes`, evenly.
std::vector<std::size_t> EvenSample(std::size_t bytes, double wanted) {
  const std::size_t all = 8 * bytes;
  // A stride that is no multiple of a byte goes through all bits of a byte.
  std::size_t stride =
      std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(all) / std::max(wanted, 20.0)));
  if (stride > 1) stride |= 1;
  std::vector<std::size_t> bits;
  for (std::size_t bit = 0; bit < all; bit += stride) bits.push_back(bit);
  return bits;
}

// Bits of `bytes`, evenly: `count` of them and as many times more as CERTFS_ROUNDS asks for; under
// CERTFS_SOAK all.
std::vector<std::size_t> SampleOf(std::size_t bytes, double count) {
  return EvenSample(bytes, IsSoak() ? 8 * static_cast<double>(bytes) : count * RoundsFactor());
}

// One trial of so many writes. No divisor of 8, or those that write would meet one bit of a byte alone: the
// stride between two trials is odd.
constexpr std::size_t kWritesEvery = 7;

// Runs `trial` on each, in children, of which one that dies is followed by another behind the bit that it
// died of. Expects that none was wrong and none died; returns how many ended how.
template <typename Trial>
std::array<std::size_t, kOutcomes> RunTrials(const std::vector<std::size_t>& bits, Trial&& trial) {
  auto* const outcomes = static_cast<std::uint8_t*>(
      mmap(nullptr, bits.size() + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  EXPECT_NE(outcomes, MAP_FAILED);
  std::array<std::size_t, kOutcomes> counts{};
  std::size_t done = 0;
  while (done < bits.size()) {
    const pid_t child = fork();
    if (child == 0) {
      for (std::size_t i = done; i < bits.size(); ++i) outcomes[i] = trial(bits[i]);
      _exit(0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    while (done < bits.size() && outcomes[done] != kNotRun) ++done;
    if (done == bits.size()) break;
    ADD_FAILURE() << "bit " << bits[done] << ": the process died, status " << status;
    outcomes[done++] = kCrashed;
  }
  for (std::size_t i = 0; i < bits.size(); ++i) {
    ++counts[outcomes[i]];
    EXPECT_NE(outcomes[i], kWrong) << "bit " << bits[i] << ", byte " << bits[i] / 8;
  }
  munmap(outcomes, bits.size() + 1);
  return counts;
}

void Print(const std::string& what, const std::array<std::size_t, kOutcomes>& counts) {
  std::cout << what << ": " << counts[kUnaffected] << " unaffected, " << counts[kBeside] << " served beside, "
            << counts[kRefused] << " refused, " << counts[kWrong] << " wrong, " << counts[kCrashed]
            << " crashed\n";
}

class BitFlip : public testing::Test {
 protected:
  BitFlip() : keystore_(directory_.path() / "keystore") { Must(StartExaminer()); }

  // What a child says of what it saw.
  Outcome Judge(const Seen& seen, const std::vector<std::string>& wrong) const {
    for (const std::string& each : wrong) std::cerr << each << "\n";
    if (!wrong.empty()) return kWrong;
    for (const auto& [name, value] : seen.values) {
      const auto good = keystore_.good().find(name);
      if (good != keystore_.good().end() && good->second == value) continue;
      std::cerr << name << ": shown as it never was\n";
      return kWrong;
    }
    const bool whole = seen.refused.empty() && seen.values.size() == keystore_.good().size();
    return whole ? kUnaffected : kBeside;
  }

  // Opens it, looks at everything, and where `writes`, changes it and looks again.
  Outcome Use(const RootKeys& keys, bool writes) const {
    auto opened = OpenSealedTable(keystore_.path(), {keys.store_id, keys.manifest_key.Clone()});
    if (!opened.has_value()) return kRefused;
    std::vector<std::string> wrong;
    Outcome outcome = Look(*opened.value(), wrong);
    if (!writes || outcome == kWrong || outcome == kRefused) return outcome;
    static_cast<void>(Change(*opened.value()).has_value());
    const Outcome after = Look(*opened.value(), wrong);
    return std::max(outcome, after);
  }
  Outcome Look(EntryTable& table, std::vector<std::string>& wrong) const {
    const auto snapshot = table.Snapshot();
    if (!snapshot.has_value()) return kRefused;
    return Judge(keystore_.See(*snapshot.value(), &wrong), wrong);
  }
  // Adds what nobody looks for, and takes it away again.
  static Result<void> Change(EntryTable& table) {
    for (int i = 0; i < 3; ++i) {
      const auto transaction = TRY(table.BeginTransaction());
      Store store = NewStore("changed" + std::to_string(i));
      const Number number = TRY(transaction->PutStore(store));
      Entry entry = NewEntry(number, "entry");
      entry.number = TRY(transaction->PutEntry(entry));
      TRY(transaction->PutFile(entry, Member::kKey, Bytes(6000, 7)));
      TRY(transaction->PutEntry(entry));
      TRY(transaction->RemoveEntry(entry));
      store.number = number;
      TRY(transaction->RemoveStore(store));
      TRY(transaction->Commit());
    }
    return {};
  }

  const QuickPlace place_;
  TemporaryDirectory directory_;
  SmallKeystore keystore_;
};

TEST_F(BitFlip, Header) {
  const std::size_t bytes = keystore_.file("keystore.hdr").size();
  std::vector<std::size_t> bits;
  for (std::size_t bit = 0; bit < 8 * bytes; ++bit) bits.push_back(bit);
  const auto counts = RunTrials(bits, [&](std::size_t bit) {
    std::string flipped = keystore_.file("keystore.hdr");
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    PutBytes(keystore_.path() / "keystore.hdr", flipped);
    return Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock()).has_value() ? kWrong : kRefused;
  });
  Print("keystore.hdr", counts);
  EXPECT_EQ(counts[kRefused], bits.size());
}

TEST_F(BitFlip, Data) {
  const RootKeys keys = keystore_.Keys();
  const auto bits = SampleOf(keystore_.file("data.mdb").size(), 1500);
  std::size_t trial = 0;
  const auto counts = RunTrials(bits, [&](std::size_t bit) {
    keystore_.Flip("data.mdb", bit);
    return Use(keys, ++trial % kWritesEvery == 0);
  });
  Print("data.mdb", counts);
  EXPECT_GT(counts[kRefused], 0U);
  EXPECT_GT(counts[kBeside], 0U);
}

// The metas and the pages that lead to others, every bit of what LMDB goes by.
TEST_F(BitFlip, WhatLmdbGoesBy) {
  const DataFile data(keystore_.path());
  const RootKeys keys = keystore_.Keys();
  std::vector<std::size_t> bits;
  const auto add = [&](std::size_t from, std::size_t count) {
    for (std::size_t bit = 8 * from; bit < 8 * (from + count); ++bit) bits.push_back(bit);
  };
  for (const std::size_t meta : {0, 1}) add(DataFile::Offset(meta), lmdb::kMetaBytes);
  for (const lmdb::PageNumber page :
       {data.MetaAt(data.newer()).main.root, data.MetaAt(data.newer()).free.root,
        data.TableFacts("nodes").root, data.LeafOf(data.TableFacts("nodes").root),
        data.LeafOf(data.TableFacts("contents").root)}) {
    const lmdb::TreePage tree = data.Tree(page);
    add(DataFile::Offset(page), lmdb::kPageHeaderBytes + 2 * tree.count());
    for (std::size_t i = 0; i < tree.count(); ++i)
      add(data.NodeOffset(page, i), lmdb::kNodeHeaderBytes + tree.At(i).key.size());
  }
  // A third of it, in all places; every bit when there is time.
  const double share = RoundsFactor() / 3;
  std::vector<std::size_t> sample;
  const auto stride = static_cast<std::size_t>(std::max(1 / std::max(share, 0.01), 1.0)) | 1;
  for (std::size_t i = 0; i < bits.size(); i += stride) sample.push_back(bits[i]);
  std::size_t trial = 0;
  const auto counts = RunTrials(sample, [&](std::size_t bit) {
    keystore_.Flip("data.mdb", bit);
    return Use(keys, ++trial % kWritesEvery == 0);
  });
  Print("what LMDB goes by", counts);
  EXPECT_GT(counts[kRefused], sample.size() / 4);
}

TEST_F(BitFlip, AuditLog) {
  const auto bits = SampleOf(keystore_.file("audit.log").size(), 300);
  const auto counts = RunTrials(bits, [&](std::size_t bit) {
    keystore_.Flip("audit.log", bit);
    auto opened = Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock());
    if (!opened.has_value()) return kRefused;
    const auto report = VerifyAudit(*opened.value());
    if (!report.has_value()) return kRefused;
    // Behind what the manifest vouches for a line is cut off like one that a crash tore.
    const bool told = !report.value().sound() || report.value().torn_bytes != 0;
    return told ? kBeside : kWrong;
  });
  Print("audit.log", counts);
}

TEST_F(BitFlip, ABackup) {
  Bytes good;
  {
    const auto keystore = Must(Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock()));
    good = Must(MakeBackup(*keystore)).bytes;
  }
  BackupOnDisk file(good);
  const Bytes tar = OpenBackup(good, PasswordKey());
  const auto bits = SampleOf(good.size(), 600);
  const auto counts = RunTrials(bits, [&](std::size_t bit) {
    Bytes flipped = good;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    file.Write(flipped);
    const auto opened = file.Open();
    if (!opened.has_value() || !CheckBackup(opened.value()).has_value()) return kRefused;
    // What the envelope does not say of its message may be another: the message itself is right.
    return OpenBackup(flipped, PasswordKey()) == tar ? kUnaffected : kWrong;
  });
  Print("a backup", counts);
  EXPECT_GT(counts[kRefused], bits.size() / 2);
}

// --- Salvaging

struct Row {
  std::string table;
  Number number = 0;
};

// Which record's bytes stand where, of those that are in use; not those of the hash trees.
std::map<std::size_t, std::pair<std::size_t, Row>> RowsOf(const DataFile& data) {
  std::map<std::size_t, std::pair<std::size_t, Row>> rows;  // By where they begin: where they end.
  for (const char* const table : {"manifest", "stores", "entries", "contents", "issued"}) {
    const std::function<void(lmdb::PageNumber)> walk = [&](lmdb::PageNumber number) {
      const lmdb::TreePage page = data.Tree(number);
      for (std::size_t i = 0; i < page.count(); ++i) {
        const lmdb::Node node = page.At(i);
        if (!page.is_leaf()) {
          walk(node.child);
          continue;
        }
        const bool big = (node.flags & lmdb::kBigNode) != 0;
        const std::size_t begin = big ? DataFile::Offset(node.run(), lmdb::kPageHeaderBytes)
                                      : static_cast<std::size_t>(node.value.data() - data.good().data());
        Reader reader(node.key);
        rows[begin] = {begin + node.size, {table, node.key.size() >= 8 ? reader.U64() : 0}};
      }
    };
    if (data.TableFacts(table).root != lmdb::kNoPage) walk(data.TableFacts(table).root);
  }
  return rows;
}

// One bit in the middle of every fourth row, and one of what LMDB says of another fourth; under CERTFS_SOAK
// eight of both, all over it, of every row.
std::vector<std::size_t> BitsOf(const std::map<std::size_t, std::pair<std::size_t, Row>>& rows) {
  constexpr std::size_t kSaid = 16;  // How much LMDB says of a row of which the key has eight bytes.
  std::vector<std::size_t> bits;
  std::size_t at = 0;
  for (const auto& [begin, end] : rows) {
    ++at;
    if (!IsSoak()) {
      if (at % 4 == 0) bits.push_back(8 * ((begin + end.first) / 2) + at % 8);
      if (at % 4 == 2) bits.push_back(8 * (begin - 12) + at % 8);
      continue;
    }
    for (std::size_t i = 0; i < 8; ++i) {
      bits.push_back(8 * (begin + i * (end.first - begin) / 8) + (at + i) % 8);
      bits.push_back(8 * (begin - kSaid + 2 * i) + (at + i) % 8);
    }
  }
  return bits;
}

// What DescribeByName says of each store, an entry a piece; what it says of none is under "".
std::map<std::string, std::set<std::string>> ByStore(const std::string& text,
                                                     const std::set<std::string>& stores) {
  std::map<std::string, std::set<std::string>> pieces;
  std::string store;
  std::string piece;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const auto named = stores.find(line.substr(0, line.find('/')));
    if (named != stores.end() && line.find('/') != std::string::npos) {
      pieces[store].insert(std::exchange(piece, {}));
      store = *named;
    }
    piece += line + "\n";
  }
  pieces[store].insert(piece);
  return pieces;
}

std::set<std::string> LinesIn(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.insert(line);
  return lines;
}

// Of what verifies nothing is lost: where the bit is none of a record's nothing at all, and where it is, that
// record alone. Each takes a whole salvage: under CERTFS_SOAK, too, a sample is tried.
TEST_F(BitFlip, Salvage) {
  const DataFile data(keystore_.path());
  const auto rows = RowsOf(data);
  std::string good;
  {
    const auto keystore = Must(Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock()));
    good = DescribeByName(*keystore);
  }
  keystore_.Restore();
  const std::filesystem::path salvaged = directory_.path() / "salvaged";
  std::size_t nothing_lost = 0;
  std::size_t something_lost = 0;
  std::size_t none_left = 0;
  std::set<std::string> stores;
  for (const auto& [number, name] : keystore_.names()) stores.insert(name.substr(0, name.find('/')));
  const auto good_by_store = ByStore(good, stores);
  // Half of it from pages in use: most of the file is pages that are free.
  std::vector<std::size_t> bits = EvenSample(data.good().size(), 40 * RoundsFactor());
  const std::vector<std::size_t> used = BitsOf(rows);
  bits.insert(bits.end(), used.begin(), used.end());
  for (const std::size_t bit : bits) {
    SCOPED_TRACE(bit);
    keystore_.Flip("data.mdb", bit);
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& each) {
      return each.first <= bit / 8 && bit / 8 < each.second.first;
    });
    const auto report =
        SalvageKeystore(keystore_.path(), TestSecret(), salvaged, TestSecret('n'), keystore_.clock());
    // Nothing of the damaged one is touched.
    EXPECT_EQ(BytesOfFile(keystore_.path() / "data.mdb").size(), data.good().size());
    if (!report.has_value()) {
      ASSERT_TRUE(row != rows.end() && row->second.second.table == "manifest") << report.error().message();
      ++none_left;
      continue;
    }
    {
      const auto keystore = Must(Keystore::Open(salvaged, TestSecret('n'), keystore_.clock()));
      const std::string found = DescribeByName(*keystore);
      const std::string about = row != rows.end() && keystore_.names().count(row->second.second.number) != 0
                                    ? keystore_.names().at(row->second.second.number)
                                    : std::string();
      if (row == rows.end()) {
        EXPECT_EQ(found, good);
        EXPECT_EQ(report.value().issued, SmallKeystore::kLines);
        EXPECT_TRUE(report.value().authority);
        EXPECT_TRUE(report.value().losses.empty());
        EXPECT_EQ(report.value().Count(Fate::kDamaged), 0U);
      }
      const bool whole =
          found == good && report.value().issued == SmallKeystore::kLines && report.value().authority;
      ++(whole ? nothing_lost : something_lost);
      // Beside one record, and the store that counts its entries, all lines are there.
      const std::string table = row != rows.end() ? row->second.second.table : std::string();
      if (table == "entries" || table == "contents") {
        const auto lines = LinesIn(found);
        for (const std::string& line : LinesIn(good)) {
          const bool of_it = line.find(about.substr(about.find('/') + 1)) != std::string::npos ||
                             line.find(" holds ") != std::string::npos || !line.starts_with("machine/");
          EXPECT_TRUE(of_it || lines.count(line) != 0) << line;
        }
      }
      // Beside a store all that is in others, and the kept states of it, which say where they come from.
      if (table == "stores") {
        const auto found_by_store = ByStore(found, stores);
        for (const auto& [store, pieces] : good_by_store) {
          if (store == about) continue;
          const auto left = found_by_store.find(store);
          ASSERT_NE(left, found_by_store.end()) << store;
          for (const std::string& piece : pieces) {
            const bool of_it = piece.find(" from " + about + "\n") != std::string::npos;
            EXPECT_TRUE(of_it || left->second.count(piece) != 0) << piece;
          }
        }
      }
      if (table == "stores" || table == "entries" || table == "contents") {
        EXPECT_EQ(report.value().issued, SmallKeystore::kLines);
        EXPECT_TRUE(report.value().authority);
      }
      // Beside a line of the ledger all the others, and everything else.
      if (table == "issued") {
        EXPECT_EQ(found, good);
        EXPECT_GE(report.value().issued, SmallKeystore::kLines - 1);
        EXPECT_TRUE(report.value().authority);
      }
      EXPECT_TRUE(whole || report.value().Count(Fate::kRecovered) != report.value().items.size() ||
                  !report.value().losses.empty() || !report.value().doubts.empty())
          << "something is missing, and nothing is said";
    }
    std::filesystem::remove_all(salvaged);
  }
  std::cout << bits.size() << " salvages: " << nothing_lost << " lost nothing, " << something_lost
            << " one record, " << none_left << " found no manifest\n";
  EXPECT_GT(nothing_lost, bits.size() / 2);
}

}  // namespace
}  // namespace certfs
