// The radix hash tree: at once the index by name and the proof of integrity (store/README.md, "Hash trees").
//
// Every node that is visited is checked against the digest that its parent, or the caller for the root,
// expects of it. The shape follows from the set of keys alone, so that equal sets have equal roots.
//
// Thread-safety: none. Ownership: borrows its NodeTable.
// Errors: kCorrupt for a node that is missing or not the one expected, and what the NodeTable returns.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "store/entry_table.h"

namespace certfs {

class NodeCache;  // Private to store/.
struct TreeNode;

// On disk: never change or reuse.
inline constexpr std::size_t kLeafItemsMax = 16;
inline constexpr std::size_t kTreeWays = 16;

// Where the nodes of all trees lie. `prefix` holds `depth` nibbles, packed two to a byte.
class NodeTable {
 public:
  virtual ~NodeTable() = default;
  // The view holds until the next Put or Remove.
  virtual Result<std::optional<BytesView>> Get(Number tree, std::uint8_t depth, BytesView prefix) = 0;
  virtual Result<void> Put(Number tree, std::uint8_t depth, BytesView prefix, BytesView node) = 0;
  virtual Result<void> Remove(Number tree, std::uint8_t depth, BytesView prefix) = 0;
  // Where nodes that were checked are kept; null for nowhere.
  virtual NodeCache* cache() { return nullptr; }
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

// Takes a tree's items in pieces: subtrees of few items, each by the digest that fixes what is in it.
class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // Returns whether it knows what lies beneath the node of that digest, and took it: then nothing is read.
  virtual bool TakeKnown(const Digest& subtree) = 0;
  // Takes the items beneath it, in order; those that could be read, unless `whole`.
  virtual Result<void> Take(const Digest& subtree, const std::vector<TreeItem>& items, bool whole) = 0;
  // Hears of a node that could not be read.
  virtual void Damaged(Error error) = 0;
  // Says whether it wants no more.
  virtual bool full() const = 0;
};

class HashTree {
 public:
  // A view of the tree `tree` whose root digest is `root`; zeros for an empty one.
  HashTree(NodeTable& nodes, Number tree, const Digest& root) : nodes_(nodes), tree_(tree), root_(root) {}

  const Digest& root() const noexcept { return root_; }

  Result<std::optional<TreeItem>> Find(const Digest& key);

  // Inserts or replaces. Afterwards, as after Remove, root() is the new root digest; after a failure the
  // nodes are half written and the transaction that holds them must be abandoned.
  Result<void> Put(const TreeItem& item);
  // The same of many, each node that they change written once. Precondition: no key stands twice.
  Result<void> PutAll(std::vector<TreeItem> items);

  // Makes an empty tree that of these items, in whatever order they are: what as many Puts would make of it,
  // each node written once. Precondition: the tree is empty, and no key stands twice.
  Result<void> Fill(std::vector<TreeItem> items);

  // Returns whether `key` was there.
  Result<bool> Remove(const Digest& key);

  // The first item whose cursor is greater than `after`. On kCorrupt, `skipped` (unless null) becomes the
  // last cursor of the subtree that could not be read: going on from there passes over it alone.
  Result<std::optional<TreeItem>> Next(Cursor after, Cursor* skipped);

  // Shows `visitor` the subtrees of at most `items_max` items, in order, save those that lie wholly at or
  // before `after`. Goes on behind what is damaged; fails as the NodeTable and the visitor do.
  Result<void> Visit(Cursor after, std::size_t items_max, TreeVisitor& visitor);

 private:
  struct Spot;
  using NodePointer = std::shared_ptr<const TreeNode>;

  Result<NodePointer> Read(const Spot& spot, const Digest& expected);
  Result<NodePointer> Load(const Spot& spot, const Digest& expected);
  Result<Digest> Save(const Spot& spot, TreeNode node);
  Result<Digest> Build(const Spot& spot, std::vector<TreeItem> items);
  // `items` is sorted; adds to `added` how many keys are new.
  Result<Digest> PutAt(const Spot& spot, const Digest& expected, std::span<const TreeItem> items,
                       std::size_t& added);
  Result<Digest> RemoveAt(const Spot& spot, const Digest& expected, const Digest& key, bool& removed);
  Result<void> Dissolve(const Spot& spot, const TreeNode& node, std::vector<TreeItem>& items);
  Result<std::optional<TreeItem>> NextAt(const Spot& spot, const Digest& expected, Cursor after,
                                         Cursor* skipped);
  Result<void> VisitAt(const Spot& spot, const Digest& expected, Cursor after, std::size_t items_max,
                       TreeVisitor& visitor);
  Result<bool> Gather(const Spot& spot, const TreeNode& node, std::vector<TreeItem>& items,
                      TreeVisitor& visitor);

  NodeTable& nodes_;
  Number tree_;
  Digest root_;
};

}  // namespace certfs
