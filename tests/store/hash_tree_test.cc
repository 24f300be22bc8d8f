#include "store/hash_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include "crypto/sealing.h"
#include "store/node_cache.h"
#include "tests/store/map_nodes.h"
#include "tests/store/table_fixture.h"

namespace certfs {

namespace {

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

// Notes what it is shown, up to `items_max` items; knows the subtrees of `known`.
class Noting final : public TreeVisitor {
 public:
  bool TakeKnown(const Digest& subtree) override {
    const auto found = known.find(subtree);
    if (found == known.end()) return false;
    items.insert(items.end(), found->second.begin(), found->second.end());
    return true;
  }
  Result<void> Take(const Digest& subtree, const std::vector<TreeItem>& taken, bool whole) override {
    largest = std::max(largest, taken.size());
    if (whole) known[subtree] = taken;
    items.insert(items.end(), taken.begin(), taken.end());
    return {};
  }
  void Damaged(Error error) override {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    ++damaged;
  }
  bool full() const override { return items.size() >= items_max; }

  std::map<Digest, std::vector<TreeItem>> known;
  std::vector<TreeItem> items;
  std::size_t items_max = SIZE_MAX;
  std::size_t largest = 0;
  int damaged = 0;
};

std::vector<TreeItem> Sorted(std::vector<TreeItem> items) {
  std::sort(items.begin(), items.end(), [](const TreeItem& a, const TreeItem& b) { return a.key < b.key; });
  return items;
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

TEST(HashTree, FilledAtOnceIsAsPutOneByOne) {
  for (const int count : {0, 1, 16, 17, 300, 2000}) {
    MapNodes one_by_one;
    const Digest expected = Fill(one_by_one, Range(count));
    std::vector<TreeItem> items;
    for (const int number : Range(count)) items.push_back(ItemOf(count - 1 - number));
    MapNodes at_once;
    HashTree tree(at_once, kTree, {});
    Must(tree.Fill(std::move(items)));
    EXPECT_EQ(tree.root(), expected) << count;
    EXPECT_EQ(at_once.nodes, one_by_one.nodes) << count;
  }
}

// In batches that add to what is there, and replace some of it.
TEST(HashTree, PutTogetherIsAsPutOneByOne) {
  std::mt19937 random(7);
  for (const int batch : {1, 2, 16, 40, 700}) {
    MapNodes one_by_one;
    HashTree expected(one_by_one, kTree, {});
    MapNodes together;
    HashTree tree(together, kTree, {});
    for (int round = 0; round < 6; ++round) {
      std::map<Digest, TreeItem> items;
      for (int i = 0; i < batch; ++i) {
        TreeItem item = ItemOf(static_cast<int>(random() % 1000));
        item.number = static_cast<Number>(round);
        items[item.key] = item;
      }
      std::vector<TreeItem> all;
      for (const auto& [key, item] : items) {
        Must(expected.Put(item));
        all.insert(all.begin(), item);  // In whatever order.
      }
      Must(tree.PutAll(std::move(all)));
      ASSERT_EQ(tree.root(), expected.root()) << batch;
      ASSERT_EQ(together.nodes, one_by_one.nodes) << batch;
    }
    const Digest root = tree.root();
    Must(tree.PutAll({}));
    EXPECT_EQ(tree.root(), root);
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

TEST(HashTree, IsTheSameWithACache) {
  MapNodes plain;
  MapNodes cached;
  cached.cached = true;
  HashTree one(plain, kTree, {});
  HashTree other(cached, kTree, {});
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    const TreeItem item = ItemOf(static_cast<int>(random() % 300));
    if (random() % 2 == 0) {
      Must(one.Put(item));
      Must(other.Put(item));
    } else {
      EXPECT_EQ(Must(one.Remove(item.key)), Must(other.Remove(item.key)));
    }
    ASSERT_EQ(one.root(), other.root());
    const TreeItem asked = ItemOf(static_cast<int>(random() % 300));
    ASSERT_EQ(Must(one.Find(asked.key)), Must(other.Find(asked.key)));
  }
  EXPECT_EQ(plain.nodes, cached.nodes);
}

TEST(HashTree, ACacheKnowsNodesByTheirDigestsAlone) {
  MapNodes nodes;
  nodes.cached = true;
  const Digest before = Fill(nodes, Range(200));
  HashTree tree(nodes, kTree, before);
  Must(tree.Remove(ItemOf(5).key));
  // The state before is still what its root says, wherever its nodes come from, and so is the one after it.
  EXPECT_EQ(Must(HashTree(nodes, kTree, before).Find(ItemOf(5).key)), ItemOf(5));
  EXPECT_EQ(Must(HashTree(nodes, kTree, tree.root()).Find(ItemOf(5).key)), std::nullopt);
  // What was never checked is not served.
  nodes.cached = false;
  EXPECT_FALSE(HashTree(nodes, kTree, before).Find(ItemOf(5).key).has_value());
}

TEST(DigestCache, KeepsWhatIsUsedWithinItsLimit) {
  DigestCache<TreeNode> cache(64 << 10);
  const auto digest_of = [](int i) { return ItemOf(i).digest; };
  const auto node_of = [](int i) {
    TreeNode node;
    node.items = {ItemOf(i)};
    return std::make_shared<const TreeNode>(std::move(node));
  };
  std::vector<std::weak_ptr<const TreeNode>> all;
  for (int i = 0; i < 5000; ++i) {
    auto node = node_of(i);
    all.push_back(node);
    cache.Add(digest_of(i), std::move(node));
    ASSERT_TRUE(cache.Find(digest_of(0))) << i;
    ASSERT_TRUE(cache.Find(digest_of(i))) << i;
  }
  const auto kept = std::count_if(all.begin(), all.end(), [](const auto& each) { return !each.expired(); });
  EXPECT_LT(static_cast<std::size_t>(kept) * node_of(0)->MemoryBytes(), std::size_t{64} << 10);
  EXPECT_FALSE(cache.Find(digest_of(1)));
}

TEST(HashTree, IsVisitedInPieces) {
  std::vector<TreeItem> all;
  for (int i = 0; i < 1000; ++i) all.push_back(ItemOf(i));
  all = Sorted(std::move(all));
  for (const bool cached : {false, true}) {
    MapNodes nodes;
    nodes.cached = cached;
    HashTree tree(nodes, kTree, Fill(nodes, Range(1000)));
    for (const std::size_t items_max : {1, 16, 64, 1000}) {
      Noting noting;
      Must(tree.Visit(0, items_max, noting));
      EXPECT_EQ(noting.items, all);
      EXPECT_LE(noting.largest, std::max<std::size_t>(items_max, 16));
      // Of what the visitor knows nothing is read again.
      noting.items.clear();
      noting.largest = 0;
      Must(tree.Visit(0, items_max, noting));
      EXPECT_EQ(noting.items, all);
      EXPECT_EQ(noting.largest, 0U);
    }
  }
}

TEST(HashTree, AVisitGoesOnWhereItIsTold) {
  MapNodes nodes;
  HashTree tree(nodes, kTree, Fill(nodes, Range(300)));
  std::vector<TreeItem> all;
  for (int i = 0; i < 300; ++i) all.push_back(ItemOf(i));
  all = Sorted(std::move(all));
  for (const std::size_t at : {std::size_t{0}, std::size_t{100}, all.size() - 1}) {
    Noting noting;
    Must(tree.Visit(CursorOf(all[at].key), 16, noting));
    // Pieces are whole: it may begin before the place, but leaves nothing out behind it.
    std::erase_if(noting.items,
                  [&](const TreeItem& item) { return CursorOf(item.key) <= CursorOf(all[at].key); });
    EXPECT_EQ(noting.items,
              std::vector<TreeItem>(all.begin() + static_cast<std::ptrdiff_t>(at) + 1, all.end()));
  }
  Noting few;
  few.items_max = 20;
  Must(tree.Visit(0, 16, few));
  EXPECT_GE(few.items.size(), 20U);
  EXPECT_LT(few.items.size(), 20U + 16);
}

TEST(HashTree, AVisitPassesOverDamageAlone) {
  std::vector<TreeItem> all;
  for (int i = 0; i < 300; ++i) all.push_back(ItemOf(i));
  all = Sorted(std::move(all));
  MapNodes sound;
  const Digest root = Fill(sound, Range(300));
  for (const auto& [place, node] : sound.nodes) {
    if (node[0] != 1) continue;  // A leaf: just its items are lost.
    MapNodes nodes;
    nodes.nodes = sound.nodes;
    nodes.nodes.at(place).back() ^= 1;
    std::vector<TreeItem> left = all;
    HashTree tree(nodes, kTree, root);
    std::erase_if(left, [&](const TreeItem& item) { return !tree.Find(item.key).has_value(); });
    ASSERT_LT(left.size(), all.size());
    for (const std::size_t items_max : {16, 64}) {
      Noting noting;
      Must(tree.Visit(0, items_max, noting));
      EXPECT_EQ(noting.items, left);
      EXPECT_EQ(noting.damaged, 1);
    }
  }
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
