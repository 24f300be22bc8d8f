#include "store/node_cache.h"

namespace certfs {

namespace {

// On disk: never change or reuse.
constexpr std::uint8_t kLeafTag = 1;
constexpr std::uint8_t kInnerTag = 2;

}  // namespace

std::size_t TreeNode::MemoryBytes() const noexcept {
  return sizeof(TreeNode) + items.capacity() * sizeof(TreeItem) + children.capacity() * sizeof(Digest);
}

Bytes TreeNode::Encode() const {
  Bytes bytes;
  Writer writer(bytes);
  if (inner()) {
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

std::optional<TreeNode> TreeNode::Decode(BytesView bytes) {
  TreeNode node;
  Reader reader(bytes);
  const std::uint8_t tag = reader.U8();
  if (tag == kInnerTag) {
    node.count = reader.U64();
    node.children.resize(kTreeWays);
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

}  // namespace certfs
