// What was last told of views. Private to store/.
//
// Thread-safety: any thread.

#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "store/view.h"

namespace certfs::view {

// The views of the entries that were asked about last: whoever lists a directory asks for each file in it,
// several times. Good for one commit, because that fixes everything that they depend on.
class RecentViews {
 public:
  struct Key {
    std::uint64_t commit = 0;
    Number entry = 0;
    Revision revision = 0;  // Not the live one's for whoever is pinned to another.

    friend bool operator==(const Key&, const Key&) = default;
  };

  std::optional<std::vector<ShownView>> Find(const Key& key) {
    const std::lock_guard lock(mutex_);
    for (const auto& [known, shown] : recent_) {
      if (known == key) return shown;
    }
    return std::nullopt;
  }

  void Add(const Key& key, std::vector<ShownView> shown) {
    const std::lock_guard lock(mutex_);
    recent_.emplace_front(key, std::move(shown));
    if (recent_.size() > kEntriesMax) recent_.pop_back();
  }

 private:
  static constexpr std::size_t kEntriesMax = 32;
  std::mutex mutex_;
  std::deque<std::pair<Key, std::vector<ShownView>>> recent_;  // Newest first. Guarded by mutex_.
};

}  // namespace certfs::view
