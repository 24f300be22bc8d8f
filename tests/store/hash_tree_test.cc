#include "store/hash_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include "crypto/sealing.h"
#include "tests/store/table_fixture.h"

namespace certfs {

namespace {

class MapNodes final : public NodeTable {
 public:
  using Place = std::tuple<Number, std::uint8_t, Bytes>;

  Result<std::optional<BytesView>> Get(Number tree, std::uint8_t depth, BytesView prefix) override {
    const auto found = nodes.find({tree, depth, Bytes(prefix.begin(), prefix.end())});
    if (found == nodes.end()) return std::optional<BytesView>();
    return std::optional<BytesView>(found->second);
  }
  Result<void> Put(Number tree, std::uint8_t depth, BytesView prefix, BytesView node) override {
    nodes[{tree, depth, Bytes(prefix.begin(), prefix.end())}] = Bytes(node.begin(), node.end());
    return {};
  }
  Result<void> Remove(Number tree, std::uint8_t depth, BytesView prefix) override {
    nodes.erase({tree, depth, Bytes(prefix.begin(), prefix.end())});
    return {};
  }

  std::map<Place, Bytes> nodes;
};

constexpr Number kTree = 17;

TreeItem ItemOf(int i) {
  const std::string text = std::to_string(i);
  return {Sha256({AsBytes("key"), AsBytes(text)}), static_cast<Number>(i),
          Sha256({AsBytes("value"), AsBytes(text)})};
}

Digest Fill(MapNodes& nodes, const std::vector<int>& numbers) {
  HashTree tree(nodes, kTree, {});
  for (const int number : numbers) Must(tree.Put(ItemOf(number)));
  return tree.root();
}

std::vector<int> Range(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) numbers[static_cast<std::size_t>(i)] = i;
  return numbers;
}

TEST(HashTree, EmptyIsZeros) {
  MapNodes nodes;
  HashTree tree(nodes, kTree, {});
  EXPECT_EQ(tree.root(), Digest{});
  EXPECT_FALSE(Must(tree.Find(ItemOf(1).key)));
  EXPECT_FALSE(Must(tree.Next(0, nullptr)));
  EXPECT_FALSE(Must(tree.Remove(ItemOf(1).key)));
}

TEST(HashTree, DoesAsAMapDoes) {
  std::mt19937 random(4711);
  MapNodes nodes;
  HashTree tree(nodes, kTree, {});
  std::map<Digest, TreeItem> model;
  for (int step = 0; step < 6000; ++step) {
    // Long phases of growing and of shrinking cross every split and merge.
    const bool shrink = (step / 1000) % 2 == 1;
    TreeItem item = ItemOf(static_cast<int>(random() % 500));
    if (random() % 10 < (shrink ? 8 : 2)) {
      EXPECT_EQ(Must(tree.Remove(item.key)), model.erase(item.key) == 1);
    } else {
      item.number = random();
      Must(tree.Put(item));
      model[item.key] = item;
    }
    if (step % 100 != 0) continue;
    Cursor after = 0;
    for (const auto& [key, expected] : model) {
      ASSERT_EQ(Must(tree.Find(key)), expected);
      const auto next = Must(tree.Next(after, nullptr));
      ASSERT_EQ(next, expected);
      after = CursorOf(next->key);
    }
    EXPECT_FALSE(Must(tree.Next(after, nullptr)));
  }
  while (!model.empty()) {
    EXPECT_TRUE(Must(tree.Remove(model.begin()->first)));
    model.erase(model.begin());
  }
  EXPECT_EQ(tree.root(), Digest{});
  EXPECT_TRUE(nodes.nodes.empty());
}

TEST(HashTree, TheSameSetHasTheSameRootAndNodes) {
  for (const int count : {1, 15, 16, 17, 18, 100, 300}) {
    MapNodes first;
    const Digest root = Fill(first, Range(count));
    std::mt19937 random(static_cast<unsigned>(count));
    std::vector<int> shuffled = Range(count + 40);
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    MapNodes second;
    HashTree tree(second, kTree, Fill(second, shuffled));
    EXPECT_NE(tree.root(), root);
    for (int i = count; i < count + 40; ++i) EXPECT_TRUE(Must(tree.Remove(ItemOf(i).key)));
    EXPECT_EQ(tree.root(), root) << count;
    EXPECT_EQ(first.nodes, second.nodes) << count;
  }
}

TEST(HashTree, ALeafHoldsSixteen) {
  MapNodes nodes;
  HashTree tree(nodes, kTree, Fill(nodes, Range(16)));
  EXPECT_EQ(nodes.nodes.size(), 1U);
  EXPECT_EQ(nodes.nodes.begin()->second.size(), 2U + 16 * 72);
  Must(tree.Put(ItemOf(16)));
  const Bytes& root = nodes.nodes.at({kTree, std::uint8_t{0}, Bytes()});
  EXPECT_EQ(root.size(), 1U + 8 + 16 * 32);
  EXPECT_EQ(root[0], 2);
  EXPECT_EQ(root[8], 17);
  EXPECT_TRUE(Must(tree.Remove(ItemOf(3).key)));
  EXPECT_EQ(nodes.nodes.size(), 1U);
}

TEST(HashTree, KeysThatShareAllButTheirLastNibbleSplit) {
  MapNodes nodes;
  HashTree tree(nodes, kTree, {});
  std::vector<TreeItem> items;
  for (int i = 0; i < 20; ++i) {
    TreeItem item = ItemOf(0);
    item.key[31] = static_cast<std::uint8_t>(i);
    item.number = static_cast<Number>(i);
    items.push_back(item);
    Must(tree.Put(item));
  }
  for (const TreeItem& item : items) EXPECT_EQ(Must(tree.Find(item.key)), item);
  for (const TreeItem& item : items) EXPECT_TRUE(Must(tree.Remove(item.key)));
  EXPECT_TRUE(nodes.nodes.empty());
}

// Each key is found right or refused, and the listing passes over what is refused. Returns how many are
// refused.
std::size_t CheckAll(MapNodes& nodes, const Digest& root, const std::vector<TreeItem>& items) {
  HashTree tree(nodes, kTree, root);
  std::map<Digest, TreeItem> served;
  for (const TreeItem& item : items) {
    const auto found = tree.Find(item.key);
    if (found.has_value()) {
      EXPECT_EQ(found.value(), item);
      served[item.key] = item;
    } else {
      EXPECT_EQ(found.error().code(), ErrorCode::kCorrupt);
    }
  }
  std::map<Digest, TreeItem> listed;
  std::size_t rounds = 0;
  for (Cursor after = 0; rounds <= 2 * items.size(); ++rounds) {
    Cursor skipped = after;
    const auto next = tree.Next(after, &skipped);
    if (!next.has_value()) {
      EXPECT_GT(skipped, after);
      after = skipped;
    } else if (next.value()) {
      listed[next.value()->key] = *next.value();
      after = CursorOf(next.value()->key);
    } else {
      break;
    }
  }
  EXPECT_LE(rounds, 2 * items.size());
  EXPECT_EQ(listed, served);
  return items.size() - served.size();
}

// Sixty items; of the first forty, keys share a nibble, so that an inner node lies beneath the root.
std::vector<TreeItem> ClusteredItems() {
  std::vector<TreeItem> items;
  for (int i = 0; i < 60; ++i) {
    items.push_back(ItemOf(i));
    std::uint8_t& first = items.back().key[0];
    if (i < 40) first = static_cast<std::uint8_t>(0x30 | (first & 15));
  }
  return items;
}

TEST(HashTree, EveryChangedNodeIsRefusedAndTheRestServed) {
  const std::vector<TreeItem> items = ClusteredItems();
  MapNodes nodes;
  HashTree tree(nodes, kTree, {});
  for (const TreeItem& item : items) Must(tree.Put(item));
  const Digest root = tree.root();
  ASSERT_EQ(CheckAll(nodes, root, items), 0U);
  const auto whole = nodes.nodes;
  ASSERT_EQ(whole.at({kTree, std::uint8_t{1}, Bytes{0x30}})[0], 2);
  for (const auto& [place, node] : whole) {
    const bool is_root = std::get<1>(place) == 0;
    const auto expect_refusal = [&] {
      const std::size_t refused = CheckAll(nodes, root, items);
      EXPECT_GT(refused, 0U);
      EXPECT_EQ(refused == items.size(), is_root);
      nodes.nodes = whole;
    };
    for (const std::size_t at : {std::size_t{0}, std::size_t{1}, node.size() / 2, node.size() - 1}) {
      nodes.nodes[place][at] ^= 0x10;
      expect_refusal();
    }
    nodes.nodes[place].pop_back();
    expect_refusal();
    nodes.nodes.erase(place);
    expect_refusal();
    const auto other = whole.begin()->first == place ? std::prev(whole.end()) : whole.begin();
    nodes.nodes[place] = other->second;
    expect_refusal();
  }
}

TEST(HashTree, EveryByteOfALeafCounts) {
  const std::vector<TreeItem> items{ItemOf(0), ItemOf(1), ItemOf(2)};
  MapNodes nodes;
  const Digest root = Fill(nodes, Range(3));
  for (std::uint8_t& byte : nodes.nodes.begin()->second) {
    byte ^= 1;
    EXPECT_EQ(CheckAll(nodes, root, items), 3U);
    byte ^= 1;
  }
  EXPECT_EQ(CheckAll(nodes, root, items), 0U);
}

TEST(HashTree, ANodeOfAnotherTreeIsRefused) {
  MapNodes nodes;
  const Digest root = Fill(nodes, Range(5));
  nodes.nodes[{kTree + 1, std::uint8_t{0}, Bytes()}] = nodes.nodes.begin()->second;
  HashTree tree(nodes, kTree + 1, root);
  EXPECT_EQ(CodeOf(tree.Find(ItemOf(1).key)), ErrorCode::kCorrupt);
}

TEST(HashTree, NothingIsWrittenOverADamagedPath) {
  MapNodes nodes;
  const Digest root = Fill(nodes, Range(100));
  for (auto& [place, node] : nodes.nodes) node[0] ^= 4;
  HashTree tree(nodes, kTree, root);
  EXPECT_EQ(CodeOf(tree.Put(ItemOf(1))), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(tree.Remove(ItemOf(1).key)), ErrorCode::kCorrupt);
  EXPECT_EQ(tree.root(), root);
}

}  // namespace

}  // namespace certfs
