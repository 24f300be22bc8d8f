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
  held_.erase(node);
}

void SupersededContents::Add(Time now, ContentPointer content) {
  const std::lock_guard lock(mutex_);
  recent_.push_back({now, std::move(content)});
  DropOld(now);
}

void SupersededContents::Remove(NodeId node) {
  const std::lock_guard lock(mutex_);
  recent_.remove_if([&](const Recent& each) { return each.content->node == node; });
  held_.erase(node);
}

ContentPointer SupersededContents::Find(NodeId node, Time now) {
  const std::lock_guard lock(mutex_);
  DropOld(now);
  for (const Recent& each : recent_) {
    if (each.content->node == node) return each.content;
  }
  const auto held = held_.find(node);
  return held == held_.end() ? nullptr : held->second;
}

void SupersededContents::DropOld(Time now) {
  while (!recent_.empty() && (recent_.size() > kRecentMax || recent_.front().when + kSupersededKept < now)) {
    ContentPointer& content = recent_.front().content;
    if (const NodeId node = content->node; IsNamed(node)) held_.insert_or_assign(node, std::move(content));
    recent_.pop_front();
  }
}

bool StaleAnswers::Tell(std::int32_t thread, Time now) {
  const std::lock_guard lock(mutex_);
  if (told_.size() > kToldMax) {
    std::erase_if(told_, [&](const auto& each) { return each.second + kSupersededKept < now; });
  }
  const auto [told, added] = told_.try_emplace(thread, now);
  if (added) return true;
  // An old one belongs to a thread that found nothing where it looked again, and opens something else by now.
  const bool recent = told->second + kSupersededKept >= now;
  if (recent) {
    told_.erase(told);
  } else {
    told->second = now;
  }
  return !recent;
}

void StaleAnswers::Clear(std::int32_t thread) {
  const std::lock_guard lock(mutex_);
  told_.erase(thread);
}

}  // namespace certfs
