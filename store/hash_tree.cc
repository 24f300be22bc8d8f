#include "store/hash_tree.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "crypto/sealing.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kNodeLabel = "certfs/v1/node\0"sv;
constexpr std::uint8_t kLeafTag = 1;
constexpr std::uint8_t kInnerTag = 2;
constexpr std::size_t kLeafItemsMax = 16;
constexpr std::size_t kWays = 16;

constexpr std::uint8_t kDepthMax = 64;  // Nibbles of a key: no node lies deeper.
constexpr Digest kNothing{};

std::size_t NibbleOf(const Digest& key, std::uint8_t depth) {
  const std::uint8_t byte = key[depth / 2];
  return depth % 2 == 0 ? byte >> 4 : byte & 15;
}

std::uint64_t FirstBits(const Digest& key) { return Reader(key).U64(); }

Error Damaged() { return {ErrorCode::kCorrupt, "a node of a hash tree is not the one that belongs there"}; }

auto PlaceOf(std::vector<TreeItem>& items, const Digest& key) {
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

// A leaf, with `items`, or an inner node, with `children`.
struct HashTree::Node {
  bool inner = false;
  std::vector<TreeItem> items;
  std::uint64_t count = 0;
  std::array<Digest, kWays> children{};

  Bytes Encode() const {
    Bytes bytes;
    Writer writer(bytes);
    if (inner) {
      writer.U8(kInnerTag);
      writer.U64(count);
      for (const Digest& child : children) writer.Raw(child);
      return bytes;
    }
    writer.U8(kLeafTag);
    writer.U8(static_cast<std::uint8_t>(items.size()));
    for (const TreeItem& item : items) {
      writer.Raw(item.key);
      writer.U64(item.number);
      writer.Raw(item.digest);
    }
    return bytes;
  }

  static std::optional<Node> Decode(BytesView bytes) {
    Node node;
    Reader reader(bytes);
    const std::uint8_t tag = reader.U8();
    if (tag == kInnerTag) {
      node.inner = true;
      node.count = reader.U64();
      for (Digest& child : node.children) reader.Fill(child);
    } else if (tag == kLeafTag) {
      const std::size_t count = reader.U8();
      if (count == 0 || count > kLeafItemsMax) return std::nullopt;
      node.items.resize(count);
      for (TreeItem& item : node.items) {
        reader.Fill(item.key);
        item.number = reader.U64();
        reader.Fill(item.digest);
      }
    } else {
      return std::nullopt;
    }
    if (!reader.done()) return std::nullopt;
    return node;
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

Result<HashTree::Node> HashTree::Load(const Spot& spot, const Digest& expected) {
  const std::optional<BytesView> stored = TRY(nodes_.Get(tree_, spot.depth, spot.prefix()));
  if (!stored) return Damaged();
  const Bytes bytes(stored->begin(), stored->end());  // The file could change between check and use.
  if (NodeDigest(tree_, spot.depth, spot.prefix(), bytes) != expected) return Damaged();
  std::optional<Node> node = Node::Decode(bytes);
  if (!node || (node->inner && spot.depth >= kDepthMax)) return Damaged();
  return *std::move(node);
}

Result<Digest> HashTree::Save(const Spot& spot, const Node& node) {
  const Bytes bytes = node.Encode();
  TRY(nodes_.Put(tree_, spot.depth, spot.prefix(), bytes));
  return NodeDigest(tree_, spot.depth, spot.prefix(), bytes);
}

Result<std::optional<TreeItem>> HashTree::Find(const Digest& key) {
  Spot spot;
  Digest expected = root_;
  while (expected != kNothing) {
    Node node = TRY(Load(spot, expected));
    if (!node.inner) {
      const auto place = PlaceOf(node.items, key);
      if (place == node.items.end() || place->key != key) break;
      return std::optional<TreeItem>(*place);
    }
    const std::size_t way = NibbleOf(key, spot.depth);
    expected = node.children[way];
    spot = spot.Child(way);
  }
  return std::optional<TreeItem>();
}

Result<void> HashTree::Put(const TreeItem& item) {
  bool added = false;
  root_ = TRY(PutAt(Spot{}, root_, item, added));
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
  Node node;
  if (items.size() <= kLeafItemsMax) {
    node.items = std::move(items);
    return Save(spot, node);
  }
  node.inner = true;
  node.count = items.size();
  std::array<std::vector<TreeItem>, kWays> parts;
  for (const TreeItem& item : items) parts[NibbleOf(item.key, spot.depth)].push_back(item);
  for (std::size_t way = 0; way < kWays; ++way) {
    if (!parts[way].empty()) node.children[way] = TRY(Build(spot.Child(way), std::move(parts[way])));
  }
  return Save(spot, node);
}

Result<Digest> HashTree::PutAt(const Spot& spot, const Digest& expected, const TreeItem& item, bool& added) {
  if (expected == kNothing) {
    added = true;
    return Build(spot, {item});
  }
  Node node = TRY(Load(spot, expected));
  if (node.inner) {
    const std::size_t way = NibbleOf(item.key, spot.depth);
    node.children[way] = TRY(PutAt(spot.Child(way), node.children[way], item, added));
    if (added) ++node.count;
    return Save(spot, node);
  }
  const auto place = PlaceOf(node.items, item.key);
  added = place == node.items.end() || place->key != item.key;
  if (added) {
    node.items.insert(place, item);
  } else {
    *place = item;
  }
  return Build(spot, std::move(node.items));
}

Result<Digest> HashTree::RemoveAt(const Spot& spot, const Digest& expected, const Digest& key,
                                  bool& removed) {
  if (expected == kNothing) return expected;
  Node node = TRY(Load(spot, expected));
  if (node.inner) {
    const std::size_t way = NibbleOf(key, spot.depth);
    node.children[way] = TRY(RemoveAt(spot.Child(way), node.children[way], key, removed));
    if (!removed) return expected;
    if (--node.count > kLeafItemsMax) return Save(spot, node);
    Node merged;
    TRY(Dissolve(spot, node, merged.items));
    return Save(spot, merged);
  }
  const auto place = PlaceOf(node.items, key);
  if (place == node.items.end() || place->key != key) return expected;
  removed = true;
  node.items.erase(place);
  if (!node.items.empty()) return Save(spot, node);
  TRY(nodes_.Remove(tree_, spot.depth, spot.prefix()));
  return kNothing;
}

// Takes the items beneath the inner `node`, in order, and removes the nodes that held them.
Result<void> HashTree::Dissolve(const Spot& spot, const Node& node, std::vector<TreeItem>& items) {
  for (std::size_t way = 0; way < kWays; ++way) {
    if (node.children[way] == kNothing) continue;
    const Spot below = spot.Child(way);
    const Node child = TRY(Load(below, node.children[way]));
    if (child.inner) {
      TRY(Dissolve(below, child, items));
    } else {
      items.insert(items.end(), child.items.begin(), child.items.end());
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
  const Node& node = loaded.value();
  for (const TreeItem& item : node.items) {
    if (CursorOf(item.key) > after) return std::optional<TreeItem>(item);
  }
  for (std::size_t way = 0; way < kWays; ++way) {
    const std::optional<TreeItem> found = TRY(NextAt(spot.Child(way), node.children[way], after, skipped));
    if (found) return found;
  }
  return std::optional<TreeItem>();
}

}  // namespace certfs
