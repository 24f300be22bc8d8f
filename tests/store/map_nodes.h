// The nodes of hash trees in a map: what a tree leaves behind is there to be compared, and spoilt.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>

#include "store/hash_tree.h"
#include "store/node_cache.h"

namespace certfs {

class MapNodes final : public NodeTable {
 public:
  using Place = std::tuple<Number, std::uint8_t, Bytes>;

  Result<std::optional<BytesView>> Get(Number tree, std::uint8_t depth, BytesView prefix) override {
    const auto found = nodes.find(PlaceOf(tree, depth, prefix));
    if (found == nodes.end()) return std::optional<BytesView>();
    return std::optional<BytesView>(found->second);
  }
  Result<void> Put(Number tree, std::uint8_t depth, BytesView prefix, BytesView node) override {
    nodes[PlaceOf(tree, depth, prefix)] = Bytes(node.begin(), node.end());
    return {};
  }
  Result<void> Remove(Number tree, std::uint8_t depth, BytesView prefix) override {
    nodes.erase(PlaceOf(tree, depth, prefix));
    return {};
  }

  NodeCache* cache() override { return cached ? &cache_ : nullptr; }

  std::map<Place, Bytes> nodes;
  bool cached = false;

 private:
  static Place PlaceOf(Number tree, std::uint8_t depth, BytesView prefix) {
    return {tree, depth, Bytes(prefix.begin(), prefix.end())};
  }

  NodeCache cache_;
};

}  // namespace certfs
