// The nodes of hash trees that were checked last, so that walking down a tree neither reads nor hashes those
// near its root again. Private to store/.
//
// What the cache holds can never be out of date: the digest of a node fixes its bytes and the place that it
// belongs to. Nothing in a node is secret.
//
// Thread-safety: NodeCache any thread; a TreeNode is constant once it is shared.

#pragma once

#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store/hash_tree.h"

namespace certfs {

// A leaf, with `items`, or an inner node, with sixteen `children`.
struct TreeNode {
  std::vector<TreeItem> items;
  std::uint64_t count = 0;  // Of an inner node: the items beneath.
  std::vector<Digest> children;

  bool inner() const noexcept { return !children.empty(); }
  std::size_t MemoryBytes() const noexcept;

  Bytes Encode() const;
  static std::optional<TreeNode> Decode(BytesView bytes);
};

// A digest is as good a hash as any.
struct DigestHash {
  std::size_t operator()(const Digest& digest) const noexcept {
    std::size_t hash;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }
};

// What was used last, by digest, within `bytes_max`. Two halves: what the younger one has no more room for
// makes it the older one, and what nobody used since goes.
template <typename Value>
class DigestCache {
 public:
  explicit DigestCache(std::size_t bytes_max) : half_bytes_(bytes_max / 2) {}

  // Null if it is not there.
  std::shared_ptr<const Value> Find(const Digest& digest) {
    const std::lock_guard lock(mutex_);
    if (const auto found = young_.find(digest); found != young_.end()) return found->second;
    const auto found = old_.find(digest);
    if (found == old_.end()) return nullptr;
    std::shared_ptr<const Value> value = std::move(found->second);
    old_.erase(found);
    Insert(digest, value);
    return value;
  }

  void Add(const Digest& digest, std::shared_ptr<const Value> value) {
    const std::lock_guard lock(mutex_);
    Insert(digest, std::move(value));
  }

 private:
  using Items = std::unordered_map<Digest, std::shared_ptr<const Value>, DigestHash>;
  static constexpr std::size_t kOverheadBytes = 128;  // Of the table, the pointer and the allocations.

  // Precondition: mutex_ is held.
  void Insert(const Digest& digest, std::shared_ptr<const Value> value) {
    const std::size_t bytes = value->MemoryBytes() + kOverheadBytes;
    if (!young_.try_emplace(digest, std::move(value)).second) return;
    young_bytes_ += bytes;
    if (young_bytes_ <= half_bytes_) return;
    old_ = std::exchange(young_, Items());
    young_bytes_ = 0;
  }

  const std::size_t half_bytes_;
  std::mutex mutex_;
  Items young_;  // Guarded by mutex_, as all below.
  Items old_;
  std::size_t young_bytes_ = 0;
};

class NodeCache : public DigestCache<TreeNode> {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{8} << 20;
  NodeCache() : DigestCache(kBytesMax) {}
};

}  // namespace certfs
