// The radix hash tree: at once the index by name and the proof of integrity (store/README.md, "Hash trees").
//
// Every node that is visited is checked against the digest that its parent, or the caller for the root,
// expects of it. The shape follows from the set of keys alone, so that equal sets have equal roots.
//
// Thread-safety: none. Ownership: borrows its NodeTable.
// Errors: kCorrupt for a node that is missing or not the one expected, and what the NodeTable returns.

#pragma once

#include <optional>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "store/entry_table.h"

namespace certfs {

// Where the nodes of all trees lie. `prefix` holds `depth` nibbles, packed two to a byte.
class NodeTable {
 public:
  virtual ~NodeTable() = default;
  // The view holds until the next Put or Remove.
  virtual Result<std::optional<BytesView>> Get(Number tree, std::uint8_t depth, BytesView prefix) = 0;
  virtual Result<void> Put(Number tree, std::uint8_t depth, BytesView prefix, BytesView node) = 0;
  virtual Result<void> Remove(Number tree, std::uint8_t depth, BytesView prefix) = 0;
};

// What the tree maps a key to.
struct TreeItem {
  Digest key;
  Number number;  // Of the store or entry; in the tree of serial numbers, a count.
  Digest digest;  // Of the sealed record; in the tree of serial numbers, of the certificate.

  friend bool operator==(const TreeItem&, const TreeItem&) = default;
};

// The position of `key` in a listing: its first 62 bits.
Cursor CursorOf(const Digest& key);

class HashTree {
 public:
  // A view of the tree `tree` whose root digest is `root`; zeros for an empty one.
  HashTree(NodeTable& nodes, Number tree, const Digest& root) : nodes_(nodes), tree_(tree), root_(root) {}

  const Digest& root() const noexcept { return root_; }

  Result<std::optional<TreeItem>> Find(const Digest& key);

  // Inserts or replaces. Afterwards, as after Remove, root() is the new root digest; after a failure the
  // nodes are half written and the transaction that holds them must be abandoned.
  Result<void> Put(const TreeItem& item);

  // Returns whether `key` was there.
  Result<bool> Remove(const Digest& key);

  // The first item whose cursor is greater than `after`. On kCorrupt, `skipped` (unless null) becomes the
  // last cursor of the subtree that could not be read: going on from there passes over it alone.
  Result<std::optional<TreeItem>> Next(Cursor after, Cursor* skipped);

 private:
  struct Node;
  struct Spot;

  Result<Node> Load(const Spot& spot, const Digest& expected);
  Result<Digest> Save(const Spot& spot, const Node& node);
  Result<Digest> Build(const Spot& spot, std::vector<TreeItem> items);
  Result<Digest> PutAt(const Spot& spot, const Digest& expected, const TreeItem& item, bool& added);
  Result<Digest> RemoveAt(const Spot& spot, const Digest& expected, const Digest& key, bool& removed);
  Result<void> Dissolve(const Spot& spot, const Node& node, std::vector<TreeItem>& items);
  Result<std::optional<TreeItem>> NextAt(const Spot& spot, const Digest& expected, Cursor after,
                                         Cursor* skipped);

  NodeTable& nodes_;
  Number tree_;
  Digest root_;
};

}  // namespace certfs
