#include "fs/volume/first_halves.h"

#include <utility>

namespace certfs {

void FirstHalves::Drop(std::list<Item>::iterator item) {
  if (item->removed) bytes_ -= item->removed->size();
  items_.erase(item);
  count_ = items_.size();
}

void FirstHalves::DropExpiredLocked(Instant now) {
  while (!items_.empty() && items_.front().when + kSecondHalfAwaited < now) Drop(items_.begin());
}

void FirstHalves::DropExpired(Instant now) {
  if (count_ == 0) return;
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
}

void FirstHalves::Add(Item item, Instant now) {
  DropExpiredLocked(now);
  // The last half of a process is the one that counts.
  for (auto at = items_.begin(); at != items_.end();) {
    const auto old = at++;
    if (old->process == item.process && old->entry == item.entry && old->member == item.member) Drop(old);
  }
  const std::size_t size = item.removed ? item.removed->size() : 0;
  if (size > kBytesMax) return;
  while (items_.size() >= kItemsMax || bytes_ + size > kBytesMax) Drop(items_.begin());
  bytes_ += size;
  items_.push_back(std::move(item));
  count_ = items_.size();
}

void FirstHalves::Removed(std::int32_t thread, RemovedFile file, Instant now) {
  const std::int32_t process = processes_.ProcessOf(thread);
  const Number entry = file.entry;
  const Member member = file.member;
  const std::lock_guard lock(mutex_);
  Add({now, process, entry, member, std::move(file)}, now);
}

void FirstHalves::RenamedAway(Number entry, Member member, std::int32_t thread, Instant now) {
  const std::int32_t process = processes_.ProcessOf(thread);
  const std::lock_guard lock(mutex_);
  Add({now, process, entry, member, std::nullopt}, now);
}

bool FirstHalves::HasAny(Number entry, Member member, bool removed, Instant now) {
  if (count_ == 0) return false;
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
  for (const Item& item : items_) {
    if (item.entry == entry && item.member == member && item.removed.has_value() == removed) return true;
  }
  return false;
}

std::optional<RemovedFile> FirstHalves::TakeRemoved(Number entry, Member member, std::int32_t thread,
                                                    Instant now) {
  if (!HasAny(entry, member, true, now)) return std::nullopt;
  const std::int32_t process = processes_.ProcessOf(thread);
  const std::lock_guard lock(mutex_);
  for (auto item = items_.begin(); item != items_.end(); ++item) {
    if (item->process != process || item->entry != entry || item->member != member || !item->removed)
      continue;
    bytes_ -= item->removed->size();
    std::optional<RemovedFile> taken = std::exchange(item->removed, std::nullopt);
    items_.erase(item);
    count_ = items_.size();
    return taken;
  }
  return std::nullopt;
}

bool FirstHalves::IsAway(Number entry, Member member, std::int32_t thread, Instant now) {
  if (!HasAny(entry, member, false, now)) return false;
  const std::int32_t process = processes_.ProcessOf(thread);
  const std::lock_guard lock(mutex_);
  for (const Item& item : items_) {
    if (item.process == process && item.entry == entry && item.member == member && !item.removed) return true;
  }
  return false;
}

bool FirstHalves::IsAwayForAny(Number entry, Instant now) {
  if (count_ == 0) return false;
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
  for (const Item& item : items_) {
    if (item.entry == entry && !item.removed) return true;
  }
  return false;
}

void FirstHalves::Replaced(Number entry, Member member) {
  if (count_ == 0) return;
  const std::lock_guard lock(mutex_);
  for (auto at = items_.begin(); at != items_.end();) {
    const auto old = at++;
    if (old->entry == entry && old->member == member) Drop(old);
  }
}

}  // namespace certfs
