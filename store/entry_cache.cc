#include "store/entry_cache.h"

namespace certfs {

namespace {

constexpr std::size_t kItemsMax = 4096;

std::string NameOf(Number store, const std::string& folded) { return std::to_string(store) + '/' + folded; }

std::string NameOf(const Entry& entry) { return NameOf(entry.store, FoldName(entry.alias.text())); }

}  // namespace

EntryCache::Items::iterator EntryCache::Find(Number number) {
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) return items_.end();
  items_.splice(items_.begin(), items_, found->second);
  return items_.begin();
}

std::optional<EntryCache::Item> EntryCache::ByNumber(Number number) {
  const std::lock_guard lock(mutex_);
  const auto item = Find(number);
  if (item == items_.end()) return std::nullopt;
  return *item;
}

std::optional<EntryCache::Item> EntryCache::ByName(Number store, const std::string& folded) {
  const std::string name = NameOf(store, folded);
  const std::lock_guard lock(mutex_);
  const auto number = by_name_.find(name);
  if (number == by_name_.end()) return std::nullopt;
  const auto item = Find(number->second);
  if (item == items_.end()) return std::nullopt;
  return *item;
}

void EntryCache::Put(Item item) {
  const Number number = item.entry->number;
  const std::string name = NameOf(*item.entry);
  const std::lock_guard lock(mutex_);
  // A name is forgotten with the item that it leads to, unless another item has taken it over since.
  const auto forget = [&](Items::iterator old) {
    const auto known = by_name_.find(NameOf(*old->entry));
    if (known != by_name_.end() && known->second == old->entry->number) by_name_.erase(known);
    by_number_.erase(old->entry->number);
    items_.erase(old);
  };
  if (const auto old = Find(number); old != items_.end()) forget(old);
  if (items_.size() >= kItemsMax) forget(std::prev(items_.end()));
  items_.push_front(std::move(item));
  by_number_[number] = items_.begin();
  by_name_[name] = number;
}

}  // namespace certfs
