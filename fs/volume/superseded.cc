#include "fs/volume/superseded.h"

#include <algorithm>

namespace certfs {

namespace {

constexpr std::size_t kRecentMax = 256;
constexpr std::size_t kToldMax = 1024;

}  // namespace

void SupersededContents::Named(NodeId node) {
  if (!node.member()) return;
  const std::lock_guard lock(mutex_);
  ++names_[node.value()];
}

void SupersededContents::Forget(NodeId node, std::uint64_t count) {
  if (!node.member()) return;
  const std::lock_guard lock(mutex_);
  const auto name = names_.find(node.value());
  // A node that an earlier process of this mount gave out is unknown here.
  if (name == names_.end()) return;
  name->second -= std::min(name->second, count);
  if (name->second != 0) return;
  names_.erase(name);
  DropHeld(node);
}

bool SupersededContents::IsHeld(NodeId node) {
  if (any_named_) return true;
  const std::lock_guard lock(mutex_);
  return IsNamed(node);
}

std::vector<NodeId> SupersededContents::HeldOf(const std::unordered_set<Number>& entries) {
  std::vector<NodeId> held;
  const std::lock_guard lock(mutex_);
  for (const auto& [value, count] : names_) {
    if (entries.contains(NodeId(value).number())) held.emplace_back(value);
  }
  return held;
}

void SupersededContents::Add(Instant now, ContentPointer content) {
  const std::lock_guard lock(mutex_);
  bytes_ += content->bytes().size();
  recent_.push_back({now, std::move(content)});
  DropOld(now);
}

void SupersededContents::Remove(NodeId node) {
  const std::lock_guard lock(mutex_);
  recent_.remove_if([&](const Recent& each) {
    if (each.content->node != node) return false;
    bytes_ -= each.content->bytes().size();
    return true;
  });
  DropHeld(node);
}

ContentPointer SupersededContents::Find(NodeId node, Instant now) {
  const std::lock_guard lock(mutex_);
  DropOld(now);
  for (const Recent& each : recent_) {
    if (each.content->node == node) return each.content;
  }
  const auto held = held_places_.find(node);
  return held == held_places_.end() ? nullptr : *held->second;
}

void SupersededContents::DropExpired(Instant now) {
  const std::lock_guard lock(mutex_);
  DropOld(now);
}

void SupersededContents::DropOld(Instant now) {
  while (!recent_.empty() && (recent_.size() > kRecentMax || recent_.front().when + kSupersededKept < now)) {
    ContentPointer content = recent_.front().content;
    DropOldestRecent();
    if (IsNamed(content->node)) Hold(std::move(content));
  }
  while (bytes_ > kBytesMax) {
    if (held_.empty()) {
      DropOldestRecent();
    } else {
      DropHeld(held_.front()->node);
    }
  }
}

void SupersededContents::DropOldestRecent() {
  bytes_ -= recent_.front().content->bytes().size();
  recent_.pop_front();
}

void SupersededContents::Hold(ContentPointer content) {
  const NodeId node = content->node;
  DropHeld(node);
  bytes_ += content->bytes().size();
  held_places_.emplace(node, held_.insert(held_.end(), std::move(content)));
}

void SupersededContents::DropHeld(NodeId node) {
  const auto held = held_places_.find(node);
  if (held == held_places_.end()) return;
  bytes_ -= (*held->second)->bytes().size();
  held_.erase(held->second);
  held_places_.erase(held);
}

bool StaleAnswers::Tell(std::int32_t thread, Instant now) {
  const std::lock_guard lock(mutex_);
  // More than there are threads in such a need, save of somebody who makes them: then they have less time.
  if (told_.size() > kToldMax) {
    std::erase_if(told_, [&](const auto& each) { return each.second.when + kSupersededKept < now; });
  }
  const auto [told, added] = told_.try_emplace(thread, Told{now, {}});
  if (added) return true;
  // An old one belongs to a thread that never looked again, and opens something else by now.
  const bool recent = told->second.when + kLooksAgainWithin >= now;
  if (recent) {
    told_.erase(told);
  } else {
    told->second = {now, {}};
  }
  return !recent;
}

bool StaleAnswers::IsLookingAgain(std::int32_t thread, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto told = told_.find(thread);
  return told != told_.end() && told->second.when + kLooksAgainWithin >= now;
}

void StaleAnswers::Found(std::int32_t thread, std::vector<ContentPointer> contents) {
  const std::lock_guard lock(mutex_);
  const auto told = told_.find(thread);
  if (told == told_.end()) return;
  told->second.found = std::move(contents);
  std::size_t bytes = 0;
  for (const auto& [other, each] : told_) {
    for (const ContentPointer& content : each.found) bytes += content->bytes().size();
  }
  if (bytes > kBytesMax) told->second.found.clear();
}

std::vector<ContentPointer> StaleAnswers::WhatIsFound(std::int32_t thread, NodeId node) {
  const std::lock_guard lock(mutex_);
  const auto told = told_.find(thread);
  if (told == told_.end()) return {};
  const auto& found = told->second.found;
  const bool among =
      std::any_of(found.begin(), found.end(), [&](const ContentPointer& each) { return each->node == node; });
  return among ? found : std::vector<ContentPointer>();
}

void StaleAnswers::DropExpired(Instant now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(told_, [&](const auto& each) { return each.second.when + kLooksAgainWithin < now; });
}

void StaleAnswers::Clear(std::int32_t thread) {
  const std::lock_guard lock(mutex_);
  told_.erase(thread);
}

}  // namespace certfs
