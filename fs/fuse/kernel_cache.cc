#include "fs/fuse/kernel_cache.h"

namespace certfs {

namespace {

// More directories than that are unusual, and cost a listing each.
constexpr std::size_t kListingsMax = 1024;

}  // namespace

void PagedHandles::Opened(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  paged_[handle] = false;
}

void PagedHandles::Read(std::uint64_t handle, std::uint64_t owner) {
  if (owner != 0) return;
  const std::lock_guard lock(mutex_);
  if (const auto found = paged_.find(handle); found != paged_.end()) found->second = true;
}

bool PagedHandles::Release(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const auto found = paged_.find(handle);
  if (found == paged_.end()) return true;
  const bool paged = found->second;
  paged_.erase(found);
  return paged;
}

bool KeptListings::Opened(NodeId directory, const Digest& contents) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(directory.value());
  if (found != kept_.end() && found->second == contents) return true;
  if (kept_.size() >= kListingsMax) kept_.clear();
  kept_.insert_or_assign(directory.value(), contents);
  return false;
}

void KeptListings::Forget(NodeId directory) {
  const std::lock_guard lock(mutex_);
  kept_.erase(directory.value());
}

}  // namespace certfs
