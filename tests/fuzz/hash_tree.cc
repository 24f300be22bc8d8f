#include "store/hash_tree.h"

#include <map>
#include <vector>

#include "crypto/sealing.h"
#include "tests/fuzz/targets.h"
#include "tests/store/map_nodes.h"

namespace certfs::fuzz {

namespace {

void ReadNode(BytesView bytes) {
  const auto node = TreeNode::Decode(bytes);
  if (!node) return;
  PROPERTY(node->inner() || node->items.size() <= kLeafItemsMax);
  const Bytes encoded = node->Encode();
  PROPERTY(AsText(encoded) == AsText(bytes));
  NoteRead();
}

// Keys that meet early, and some that meet late.
Digest KeyOf(std::uint8_t seed) {
  Digest key{};
  if ((seed & 0x80) != 0) {
    key[3] = seed;
    return key;
  }
  return Sha256({BytesView(&seed, 1)});
}

// Puts and removals by two bytes each, beside a map.
void Build(BytesView steps) {
  constexpr Number kTree = 17;
  MapNodes nodes;
  HashTree tree(nodes, kTree, {});
  std::map<Digest, TreeItem> model;
  for (; steps.size() >= 2; steps = steps.subspan(2)) {
    const TreeItem item{KeyOf(steps[1]), steps[0], KeyOf(steps[0])};
    if (steps[0] < 0xC0) {
      Have(tree.Put(item));
      model[item.key] = item;
    } else {
      PROPERTY(Have(tree.Remove(item.key)) == (model.erase(item.key) == 1));
    }
  }
  std::vector<TreeItem> items;
  for (const auto& [key, item] : model) {
    PROPERTY(Have(tree.Find(key)) == item);
    items.push_back(item);
  }
  // Equal sets have equal roots, and equal nodes beneath them.
  MapNodes others;
  HashTree other(others, kTree, {});
  Have(other.Fill(items));
  PROPERTY(other.root() == tree.root() && others.nodes == nodes.nodes);
}

}  // namespace

// A node, or, behind a byte 't', what is done to a tree.
int FuzzHashTree(const std::uint8_t* data, std::size_t size) {
  const BytesView bytes(data, size);
  if (size != 0 && bytes[0] == 't') {
    Build(bytes.subspan(1));
  } else {
    ReadNode(bytes);
  }
  return 0;
}

}  // namespace certfs::fuzz
