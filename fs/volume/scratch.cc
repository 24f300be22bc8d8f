#include "fs/volume/scratch.h"

#include <algorithm>

namespace certfs {

namespace {

Error TooMuch() {
  return {ErrorCode::kNoMemory, "too-much-scratch",
          "there are too many temporary files: remove some, or wait"};
}

}  // namespace

bool IsScratchName(std::string_view name) {
  if (name.empty() || name == "." || name == "..") return false;
  if (name.front() == '.' || name.front() == '#') return true;
  if (name == "4913") return true;  // By which vim finds out whether it may make files.
  for (const std::string_view prefix : {"sed", "tmp", "XX"}) {
    if (name.starts_with(prefix)) return true;
  }
  for (const Member member : kMembers) {
    const std::string_view live = FileName(member);
    if (!name.starts_with(live) || name.size() == live.size()) continue;
    const char next = name[live.size()];
    if (next == '~' || next == '.' || next == '-') return true;
  }
  return false;
}

ScratchPointer ScratchTable::Make(NodeId node, std::uint32_t uid) {
  const std::lock_guard lock(mutex_);
  ByteQuota& quota = quotas_.try_emplace(uid, kBytesOfUserMax, &quota_, &shares_.Of(uid)).first->second;
  return std::make_shared<ScratchFile>(quota, node, uid);
}

Result<void> ScratchTable::Add(const Name& name, ScratchPointer file, Instant now, bool replace) {
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
  const auto taken = names_.find(name);
  if (taken != names_.end()) {
    if (!replace) return Error(ErrorCode::kAlreadyExists, "there is such a temporary file");
    RemoveName(taken);
  } else if (!HasRoom(file->uid)) {
    return TooMuch();
  }
  ++counts_[file->uid];
  Item& item = files_[file->node];
  names_.emplace(name, Place{file->node, next_serial_++});
  item.file = std::move(file);
  item.used = now;
  ++item.names;
  return {};
}

bool ScratchTable::HasRoom(std::uint32_t uid) {
  // Names cost memory, too: a second one of a file counts like a file.
  const auto has_many = [&] {
    const auto count = counts_.find(uid);
    return count != counts_.end() && count->second >= kFilesOfUserMax;
  };
  if (has_many() && !DropSpent(uid)) return false;
  return names_.size() < kFilesMax || DropSpent(std::nullopt);
}

bool ScratchTable::DropSpent(std::optional<std::uint32_t> uid) {
  auto oldest = names_.end();
  for (auto at = names_.begin(); at != names_.end(); ++at) {
    const Item& item = files_.at(at->second.node);
    if (!item.spent || item.handles != 0 || (uid && item.file->uid != *uid)) continue;
    if (oldest == names_.end() || at->second.serial < oldest->second.serial) oldest = at;
  }
  if (oldest == names_.end()) return false;
  RemoveName(oldest);
  return true;
}

void ScratchTable::Spent(NodeId node) {
  const std::lock_guard lock(mutex_);
  if (const auto found = files_.find(node); found != files_.end()) found->second.spent = true;
}

ScratchPointer ScratchTable::Find(const Name& name, Instant now) {
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
  const auto found = names_.find(name);
  if (found == names_.end()) return nullptr;
  Item& item = files_.at(found->second.node);
  item.used = now;
  return item.file;
}

ScratchPointer ScratchTable::FindNode(NodeId node, Instant now) {
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
  const auto found = files_.find(node);
  if (found == files_.end()) return nullptr;
  found->second.used = now;
  return found->second.file;
}

void ScratchTable::DropUnused(NodeId node) {
  const auto found = files_.find(node);
  if (found != files_.end() && found->second.names == 0 && found->second.handles == 0) files_.erase(found);
}

ScratchTable::Names::iterator ScratchTable::RemoveName(Names::iterator name) {
  const NodeId node = name->second.node;
  Item& item = files_.at(node);
  const auto count = counts_.find(item.file->uid);
  if (--count->second == 0) counts_.erase(count);
  --item.names;
  const auto next = names_.erase(name);
  DropUnused(node);
  return next;
}

bool ScratchTable::Remove(const Name& name, Instant now) {
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
  const auto found = names_.find(name);
  if (found == names_.end()) return false;
  RemoveName(found);
  return true;
}

void ScratchTable::Move(const Name& from, const Name& to, Instant now) {
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
  const auto found = names_.find(from);
  if (found == names_.end()) return;
  const auto taken = names_.find(to);
  // As rename(2) of one name of a file to another of its names: both stay.
  if (taken != names_.end() && taken->second.node == found->second.node) return;
  if (taken != names_.end()) RemoveName(taken);
  const NodeId node = found->second.node;
  names_.erase(found);
  names_.emplace(to, Place{node, next_serial_++});
  files_.at(node).used = now;
}

void ScratchTable::RemoveOfAll(NodeId directory, std::string_view name) {
  const std::lock_guard lock(mutex_);
  auto at = names_.lower_bound(Name{directory, std::string(name), 0});
  while (at != names_.end() && at->first.directory == directory && at->first.name == name)
    at = RemoveName(at);
}

void ScratchTable::ClearLocked(NodeId directory) {
  for (;;) {
    const auto at = names_.lower_bound(Name{directory, {}, 0});
    if (at == names_.end() || at->first.directory != directory) return;
    const NodeId node = at->second.node;
    const bool nested = files_.at(node).file->directory;
    RemoveName(at);
    if (nested) ClearLocked(node);
  }
}

void ScratchTable::Clear(NodeId directory) {
  const std::lock_guard lock(mutex_);
  ClearLocked(directory);
}

std::vector<ScratchTable::Listed> ScratchTable::In(NodeId directory, std::uint32_t uid, Instant now) {
  std::vector<Listed> found;
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
  for (auto at = names_.lower_bound(Name{directory, {}, 0});
       at != names_.end() && at->first.directory == directory; ++at) {
    if (at->first.uid == uid)
      found.push_back({at->first.name, files_.at(at->second.node).file, at->second.serial});
  }
  std::sort(found.begin(), found.end(), [](const Listed& a, const Listed& b) { return a.serial < b.serial; });
  return found;
}

bool ScratchTable::HasAny(NodeId directory, Instant now) {
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
  const auto at = names_.lower_bound(Name{directory, {}, 0});
  return at != names_.end() && at->first.directory == directory;
}

std::uint32_t ScratchTable::LinksOf(NodeId node) {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(node);
  return found == files_.end() ? 0 : found->second.names;
}

std::vector<ScratchTable::Name> ScratchTable::NamesOf(NodeId node) {
  std::vector<Name> names;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, place] : names_) {
    if (place.node == node) names.push_back(name);
  }
  return names;
}

void ScratchTable::Opened(const ScratchPointer& file) {
  const std::lock_guard lock(mutex_);
  // It may have lost its name since it was found.
  Item& item = files_[file->node];
  item.file = file;
  ++item.handles;
}

void ScratchTable::Closed(NodeId node, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(node);
  if (found == files_.end()) return;
  --found->second.handles;
  found->second.used = now;
  DropUnused(node);
}

void ScratchTable::DropExpiredLocked(Instant now) {
  const auto is_old = [&](NodeId node) {
    const auto item = files_.find(node);
    return item != files_.end() && item->second.handles == 0 && item->second.used + kScratchKept < now;
  };
  for (auto at = names_.begin(); at != names_.end();) {
    if (!is_old(at->second.node)) {
      ++at;
      continue;
    }
    const NodeId node = at->second.node;
    const bool directory = files_.at(node).file->directory;
    // A directory is in use while anything stands in it.
    const auto first = directory ? names_.lower_bound(Name{node, {}, 0}) : names_.end();
    if (first != names_.end() && first->first.directory == node) {
      ++at;
      continue;
    }
    at = RemoveName(at);
  }
}

std::size_t ScratchTable::size() {
  const std::lock_guard lock(mutex_);
  return files_.size();
}

void ScratchTable::DropExpired(Instant now) {
  const std::lock_guard lock(mutex_);
  DropExpiredLocked(now);
}

}  // namespace certfs
