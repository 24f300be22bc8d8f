#include "fs/volume/went_live.h"

#include <algorithm>

namespace certfs {

void WentLive::Add(Number next, Number live, Instant now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(items_, [&](const Item& item) { return item.next == next; });
  items_.push_back({now, next, live, {}});
}

WentLive::Item* WentLive::Of(Number next, Member member, Instant now) {
  while (!items_.empty() && items_.front().when + kNameKept < now) items_.pop_front();
  if (member != Member::kCertificate && member != Member::kKey) return nullptr;
  for (Item& item : items_) {
    const bool removed = std::find(item.removed.begin(), item.removed.end(), member) != item.removed.end();
    if (item.next == next && !removed) return &item;
  }
  return nullptr;
}

std::optional<Number> WentLive::Find(Number next, Member member, Instant now) {
  const std::lock_guard lock(mutex_);
  const Item* const item = Of(next, member, now);
  if (item == nullptr) return std::nullopt;
  return item->live;
}

bool WentLive::Remove(Number next, Member member, Instant now) {
  const std::lock_guard lock(mutex_);
  Item* const item = Of(next, member, now);
  if (item == nullptr) return false;
  item->removed.push_back(member);
  return true;
}

}  // namespace certfs
