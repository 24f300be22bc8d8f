#include "fs/volume/seen_entries.h"

#include <algorithm>

namespace certfs {

void SeenEntries::Named(Number entry, Revision revision, Members members) {
  const std::lock_guard lock(mutex_);
  Seen& seen = entries_[entry];
  if (seen.count++ != 0) return;
  seen.told = revision;
  seen.members = members;
}

void SeenEntries::Forget(Number entry, std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  const auto seen = entries_.find(entry);
  // One that an earlier process of this mount gave out is unknown here.
  if (seen == entries_.end()) return;
  seen->second.count -= std::min(seen->second.count, count);
  if (seen->second.count == 0) entries_.erase(seen);
}

bool SeenEntries::IsHeld(Number entry) {
  const std::lock_guard lock(mutex_);
  return entries_.contains(entry);
}

void SeenEntries::Told(Number entry, Revision before, Revision after) {
  const std::lock_guard lock(mutex_);
  const auto seen = entries_.find(entry);
  if (seen != entries_.end() && seen->second.told == before) seen->second.told = after;
}

void SeenEntries::Moved(Number entry, Members came, Members went) {
  const std::lock_guard lock(mutex_);
  const auto seen = entries_.find(entry);
  if (seen != entries_.end())
    seen->second.members = static_cast<Members>((seen->second.members | came) & ~went);
}

void SeenEntries::Looked(Number entry, std::uint64_t mark) {
  const std::lock_guard lock(mutex_);
  const auto seen = entries_.find(entry);
  if (seen != entries_.end()) seen->second.mark = mark;
}

std::vector<SeenEntry> SeenEntries::All() {
  const std::lock_guard lock(mutex_);
  std::vector<SeenEntry> all;
  all.reserve(entries_.size());
  for (const auto& [number, seen] : entries_) all.push_back({number, seen.told, seen.members, seen.mark});
  return all;
}

std::optional<SeenEntry> SeenEntries::Find(Number entry) {
  const std::lock_guard lock(mutex_);
  const auto seen = entries_.find(entry);
  if (seen == entries_.end()) return std::nullopt;
  return SeenEntry{entry, seen->second.told, seen->second.members, seen->second.mark};
}

}  // namespace certfs
