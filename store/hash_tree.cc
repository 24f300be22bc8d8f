#include "store/hash_tree.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "crypto/sealing.h"
#include "store/node_cache.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kNodeLabel = "certfs/v1/node\0"sv;

constexpr std::uint8_t kDepthMax = 64;  // Nibbles of a key: no node lies deeper.
constexpr Digest kNothing{};

std::size_t NibbleOf(const Digest& key, std::uint8_t depth) {
  const std::uint8_t byte = key[depth / 2];
  return depth % 2 == 0 ? byte >> 4 : byte & 15;
}

std::uint64_t FirstBits(const Digest& key) { return Reader(key).U64(); }

Error Damaged() { return {ErrorCode::kCorrupt, "a node of a hash tree is not the one that belongs there"}; }

template <typename Items>
auto PlaceOf(Items& items, const Digest& key) {
  return std::lower_bound(items.begin(), items.end(), key,
                          [](const TreeItem& item, const Digest& wanted) { return item.key < wanted; });
}

}  // namespace

Cursor CursorOf(const Digest& key) { return FirstBits(key) >> 2; }

// Where in the tree a node lies. Of `path`, the first `depth` nibbles count; the rest are zeros.
struct HashTree::Spot {
  std::uint8_t depth = 0;
  Digest path{};

  BytesView prefix() const { return BytesView(path).first((depth + 1U) / 2); }

  Spot Child(std::size_t way) const {
    Spot child{static_cast<std::uint8_t>(depth + 1), path};
    child.path[depth / 2] =
        static_cast<std::uint8_t>(child.path[depth / 2] | (depth % 2 == 0 ? way << 4 : way));
    return child;
  }

  // The cursor of the greatest key that could lie beneath.
  Cursor Last() const {
    const std::uint64_t rest = depth >= 16 ? 0 : ~std::uint64_t{0} >> (4 * depth);
    return (FirstBits(path) | rest) >> 2;
  }
};

namespace {

Digest NodeDigest(Number tree, std::uint8_t depth, BytesView prefix, BytesView node) {
  Bytes place;
  Writer writer(place);
  writer.U64(tree);
  writer.U8(depth);
  return Sha256({AsBytes(kNodeLabel), place, prefix, node});
}

}  // namespace

// Reads a node and checks it.
Result<HashTree::NodePointer> HashTree::Read(const Spot& spot, const Digest& expected) {
  const std::optional<BytesView> stored = TRY(nodes_.Get(tree_, spot.depth, spot.prefix()));
  if (!stored) return Damaged();
  const Bytes bytes(stored->begin(), stored->end());  // The file could change between check and use.
  if (NodeDigest(tree_, spot.depth, spot.prefix(), bytes) != expected) return Damaged();
  std::optional<TreeNode> node = TreeNode::Decode(bytes);
  if (!node || (node->inner() && spot.depth >= kDepthMax)) return Damaged();
  return std::make_shared<const TreeNode>(*std::move(node));
}

// The same, unless the node is at hand, checked.
Result<HashTree::NodePointer> HashTree::Load(const Spot& spot, const Digest& expected) {
  NodeCache* const cache = nodes_.cache();
  if (cache != nullptr) {
    if (NodePointer known = cache->Find(expected)) return known;
  }
  NodePointer node = TRY(Read(spot, expected));
  if (cache != nullptr) cache->Add(expected, node);
  return node;
}

Result<Digest> HashTree::Save(const Spot& spot, TreeNode node) {
  const Bytes bytes = node.Encode();
  TRY(nodes_.Put(tree_, spot.depth, spot.prefix(), bytes));
  const Digest digest = NodeDigest(tree_, spot.depth, spot.prefix(), bytes);
  if (NodeCache* const cache = nodes_.cache())
    cache->Add(digest, std::make_shared<const TreeNode>(std::move(node)));
  return digest;
}

Result<std::optional<TreeItem>> HashTree::Find(const Digest& key) {
  Spot spot;
  Digest expected = root_;
  while (expected != kNothing) {
    const NodePointer node = TRY(Load(spot, expected));
    if (!node->inner()) {
      const auto place = PlaceOf(node->items, key);
      if (place == node->items.end() || place->key != key) break;
      return std::optional<TreeItem>(*place);
    }
    const std::size_t way = NibbleOf(key, spot.depth);
    expected = node->children[way];
    spot = spot.Child(way);
  }
  return std::optional<TreeItem>();
}

Result<void> HashTree::Put(const TreeItem& item) {
  std::size_t added = 0;
  root_ = TRY(PutAt(Spot{}, root_, {&item, 1}, added));
  return {};
}

Result<void> HashTree::PutAll(std::vector<TreeItem> items) {
  if (items.empty()) return {};
  std::ranges::sort(items, {}, &TreeItem::key);
  std::size_t added = 0;
  root_ = TRY(PutAt(Spot{}, root_, items, added));
  return {};
}

Result<void> HashTree::Fill(std::vector<TreeItem> items) {
  if (items.empty()) return {};
  std::ranges::sort(items, {}, &TreeItem::key);
  root_ = TRY(Build(Spot{}, std::move(items)));
  return {};
}

Result<bool> HashTree::Remove(const Digest& key) {
  bool removed = false;
  root_ = TRY(RemoveAt(Spot{}, root_, key, removed));
  return removed;
}

Result<std::optional<TreeItem>> HashTree::Next(Cursor after, Cursor* skipped) {
  return NextAt(Spot{}, root_, after, skipped);
}

// Writes `items`, sorted and at least one, as the subtree at `spot`.
Result<Digest> HashTree::Build(const Spot& spot, std::vector<TreeItem> items) {
  TreeNode node;
  if (items.size() <= kLeafItemsMax) {
    node.items = std::move(items);
    return Save(spot, std::move(node));
  }
  node.children.resize(kTreeWays);
  node.count = items.size();
  std::array<std::vector<TreeItem>, kTreeWays> parts;
  for (const TreeItem& item : items) parts[NibbleOf(item.key, spot.depth)].push_back(item);
  for (std::size_t way = 0; way < kTreeWays; ++way) {
    if (!parts[way].empty()) node.children[way] = TRY(Build(spot.Child(way), std::move(parts[way])));
  }
  return Save(spot, std::move(node));
}

Result<Digest> HashTree::PutAt(const Spot& spot, const Digest& expected, std::span<const TreeItem> items,
                               std::size_t& added) {
  if (expected == kNothing) {
    added += items.size();
    return Build(spot, {items.begin(), items.end()});
  }
  TreeNode node = *TRY(Load(spot, expected));
  if (!node.inner()) {
    std::vector<TreeItem> merged;
    merged.reserve(items.size() + node.items.size());
    // Of two with one key it takes that of the first.
    std::ranges::set_union(items, node.items, std::back_inserter(merged), {}, &TreeItem::key, &TreeItem::key);
    added += merged.size() - node.items.size();
    return Build(spot, std::move(merged));
  }
  std::size_t here = 0;
  while (!items.empty()) {
    const std::size_t way = NibbleOf(items.front().key, spot.depth);
    const auto end = std::ranges::find_if(
        items, [&](const TreeItem& item) { return NibbleOf(item.key, spot.depth) != way; });
    const auto part = items.first(static_cast<std::size_t>(end - items.begin()));
    node.children[way] = TRY(PutAt(spot.Child(way), node.children[way], part, here));
    items = items.subspan(part.size());
  }
  node.count += here;
  added += here;
  return Save(spot, std::move(node));
}

Result<Digest> HashTree::RemoveAt(const Spot& spot, const Digest& expected, const Digest& key,
                                  bool& removed) {
  if (expected == kNothing) return expected;
  TreeNode node = *TRY(Load(spot, expected));
  if (node.inner()) {
    const std::size_t way = NibbleOf(key, spot.depth);
    node.children[way] = TRY(RemoveAt(spot.Child(way), node.children[way], key, removed));
    if (!removed) return expected;
    if (--node.count > kLeafItemsMax) return Save(spot, std::move(node));
    TreeNode merged;
    TRY(Dissolve(spot, node, merged.items));
    return Save(spot, std::move(merged));
  }
  const auto place = PlaceOf(node.items, key);
  if (place == node.items.end() || place->key != key) return expected;
  removed = true;
  node.items.erase(place);
  if (!node.items.empty()) return Save(spot, std::move(node));
  TRY(nodes_.Remove(tree_, spot.depth, spot.prefix()));
  return kNothing;
}

// Takes the items beneath the inner `node`, in order, and removes the nodes that held them.
Result<void> HashTree::Dissolve(const Spot& spot, const TreeNode& node, std::vector<TreeItem>& items) {
  for (std::size_t way = 0; way < kTreeWays; ++way) {
    if (node.children[way] == kNothing) continue;
    const Spot below = spot.Child(way);
    const NodePointer child = TRY(Load(below, node.children[way]));
    if (child->inner()) {
      TRY(Dissolve(below, *child, items));
    } else {
      items.insert(items.end(), child->items.begin(), child->items.end());
    }
    TRY(nodes_.Remove(tree_, below.depth, below.prefix()));
  }
  return {};
}

Result<std::optional<TreeItem>> HashTree::NextAt(const Spot& spot, const Digest& expected, Cursor after,
                                                 Cursor* skipped) {
  if (expected == kNothing || spot.Last() <= after) return std::optional<TreeItem>();
  auto loaded = Load(spot, expected);
  if (!loaded.has_value()) {
    if (skipped != nullptr) *skipped = spot.Last();
    return std::move(loaded).error();
  }
  const TreeNode& node = *loaded.value();
  for (const TreeItem& item : node.items) {
    if (CursorOf(item.key) > after) return std::optional<TreeItem>(item);
  }
  if (!node.inner()) return std::optional<TreeItem>();
  for (std::size_t way = 0; way < kTreeWays; ++way) {
    const std::optional<TreeItem> found = TRY(NextAt(spot.Child(way), node.children[way], after, skipped));
    if (found) return found;
  }
  return std::optional<TreeItem>();
}

Result<void> HashTree::Visit(Cursor after, std::size_t items_max, TreeVisitor& visitor) {
  return VisitAt(Spot{}, root_, after, items_max, visitor);
}

Result<void> HashTree::VisitAt(const Spot& spot, const Digest& expected, Cursor after, std::size_t items_max,
                               TreeVisitor& visitor) {
  if (expected == kNothing || spot.Last() <= after || visitor.full()) return {};
  if (visitor.TakeKnown(expected)) return {};
  NodeCache* const cache = nodes_.cache();
  NodePointer node = cache != nullptr ? cache->Find(expected) : nullptr;
  if (!node) {
    auto read = Read(spot, expected);
    if (!read.has_value()) {
      if (read.error().code() != ErrorCode::kCorrupt) return std::move(read).error();
      visitor.Damaged(std::move(read).error());
      return {};
    }
    node = std::move(read).value();
    // What the visitor takes is his to keep: a long listing must not displace the nodes that lookups need.
    if (cache != nullptr && node->inner() && node->count > items_max) cache->Add(expected, node);
  }
  if (!node->inner() || node->count <= items_max) {
    std::vector<TreeItem> items;
    const bool whole = TRY(Gather(spot, *node, items, visitor));
    return visitor.Take(expected, items, whole);
  }
  for (std::size_t way = 0; way < kTreeWays; ++way)
    TRY(VisitAt(spot.Child(way), node->children[way], after, items_max, visitor));
  return {};
}

// Adds the items beneath `node`, in order. Returns whether all could be read.
Result<bool> HashTree::Gather(const Spot& spot, const TreeNode& node, std::vector<TreeItem>& items,
                              TreeVisitor& visitor) {
  items.insert(items.end(), node.items.begin(), node.items.end());
  bool whole = true;
  for (std::size_t way = 0; node.inner() && way < kTreeWays; ++way) {
    if (node.children[way] == kNothing) continue;
    const Spot below = spot.Child(way);
    auto child = Read(below, node.children[way]);
    if (child.has_value()) {
      whole = TRY(Gather(below, *child.value(), items, visitor)) && whole;
      continue;
    }
    if (child.error().code() != ErrorCode::kCorrupt) return std::move(child).error();
    visitor.Damaged(std::move(child).error());
    whole = false;
  }
  return whole;
}

}  // namespace certfs
