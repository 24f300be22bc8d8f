#include "store/lmdb/gate.h"

#include <algorithm>
#include <chrono>

namespace certfs::lmdb {

namespace {

using namespace std::chrono_literals;

// How long a newcomer stands back for somebody who wants to close the gate, and how long that one waits in
// all.
constexpr auto kCourtesy = 50ms;
constexpr auto kPatience = 5s;

}  // namespace

std::thread::id Gate::Enter() {
  const std::thread::id self = std::this_thread::get_id();
  std::unique_lock lock(mutex_);
  // Standing back keeps a stream of readers from shutting out a change of size. It ends by itself: somebody
  // inside may wait for this thread. One that is inside itself only makes the closer wait for longer.
  const bool is_inside = std::find(inside_.begin(), inside_.end(), self) != inside_.end();
  if (!is_inside) changed_.wait_for(lock, kCourtesy, [&] { return closing_ == 0 && !closed_; });
  changed_.wait(lock, [&] { return !closed_; });
  inside_.push_back(self);
  return self;
}

void Gate::Leave(std::thread::id who) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = std::find(inside_.begin(), inside_.end(), who);
  *found = inside_.back();
  inside_.pop_back();
  if (inside_.empty()) changed_.notify_all();
}

bool Gate::IsInside() {
  const std::lock_guard lock(mutex_);
  return std::find(inside_.begin(), inside_.end(), std::this_thread::get_id()) != inside_.end();
}

bool Gate::Close() {
  std::unique_lock lock(mutex_);
  ++closing_;
  const bool alone = changed_.wait_for(lock, kPatience, [&] { return inside_.empty() && !closed_; });
  if (alone) closed_ = true;
  --closing_;
  changed_.notify_all();
  return alone;
}

void Gate::Open() {
  const std::lock_guard lock(mutex_);
  closed_ = false;
  changed_.notify_all();
}

}  // namespace certfs::lmdb
