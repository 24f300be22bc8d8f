// Goal: whatever single bit of a keystore's files is another one, what is served is right or an Error, the
// process that has the keys lives, and what still verifies can be saved. The same for a backup. Method: each
// bit of keystore.hdr; of data.mdb, audit.log and a backup an even sample (all under CERTFS_SOAK), in child
// processes that are seen to die.

#include <algorithm>
#include <functional>
#include <iostream>

#include "store/salvage.h"
#include "tests/store/bit_trials.h"
#include "tests/store/data_file.h"

namespace certfs {
namespace {

using BitFlip = BitTrials;

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

// What was rotated away is read by those who check it or show it: opening and writing go on without it.
TEST_F(BitFlip, ARotatedAuditLog) {
  {
    const auto keystore = Must(Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock()));
    keystore->audit()->SetLimits({4096, 100});
    for (int i = 0; i < 20; ++i) Must(keystore->audit()->Append(SomeEvent()));
  }
  std::map<std::filesystem::path, std::string> files;
  std::filesystem::path rotated;
  for (const auto& each : std::filesystem::directory_iterator(keystore_.path())) {
    if (each.path().filename() == "lock.mdb") continue;
    files[each.path()] = BytesOfFile(each.path());
    if (each.path().filename().string().starts_with("audit.log.")) rotated = std::max(rotated, each.path());
  }
  ASSERT_FALSE(rotated.empty());
  const auto bits = SampleOf(files.at(rotated).size(), 200);
  const auto counts = RunTrials(bits, [&](std::size_t bit) {
    for (const auto& [path, bytes] : files) PutBytes(path, bytes);
    std::filesystem::remove(keystore_.path() / "lock.mdb");
    std::string flipped = files.at(rotated);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    PutBytes(rotated, flipped);
    const auto opened = Keystore::Open(keystore_.path(), TestSecret(), keystore_.clock());
    if (!opened.has_value() || !opened.value()->audit()->Append(SomeEvent()).has_value()) return kWrong;
    const auto report = VerifyAudit(*opened.value());
    return report.has_value() && !report.value().sound() ? kBeside : kWrong;
  });
  Print(rotated.filename().string(), counts);
  EXPECT_EQ(counts[kBeside], bits.size());
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
    const std::string name = line.substr(0, line.find('/'));
    const bool names =
        name.size() != line.size() && (stores.count(name) != 0 || name.starts_with("SALVAGED"));
    if (names) {
      pieces[store].insert(std::exchange(piece, {}));
      store = name;
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
        SalvageKeystore(keystore_.path(), TestSecret(), salvaged, TestSecret('n'), kRoot, keystore_.clock());
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
