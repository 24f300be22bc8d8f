#include "fs/volume/staged_bytes.h"

#include <algorithm>
#include <bit>

namespace certfs {

bool ByteQuota::Take(std::size_t bytes) {
  const bool here = taken_.fetch_add(bytes) + bytes <= max_;
  const bool in_whole = here && (whole_ == nullptr || whole_->Take(bytes));
  if (in_whole && (other_ == nullptr || other_->Take(bytes))) return true;
  if (in_whole && whole_ != nullptr) whole_->Give(bytes);
  taken_.fetch_sub(bytes);
  return false;
}

void ByteQuota::Give(std::size_t bytes) {
  taken_.fetch_sub(bytes);
  if (whole_ != nullptr) whole_->Give(bytes);
  if (other_ != nullptr) other_->Give(bytes);
}

WriterShares::OneShare& WriterShares::Share(std::uint32_t uid) {
  if (uid == 0 || uid == owner_) return owners_;
  const std::lock_guard lock(mutex_);
  return each_.try_emplace(uid, kOfUserMax, &users_, kWritersOfUserMax).first->second;
}

bool StagedBytes::Reserve(std::size_t bytes) {
  // Locked memory is given out in powers of two.
  const std::size_t share = bytes == 0 ? 0 : std::max(WriterShares::kBytesMin, std::bit_ceil(bytes));
  if (share > reserved_) {
    if (!quota_.Take(share - reserved_)) return false;
  } else {
    quota_.Give(reserved_ - share);
  }
  reserved_ = share;
  return true;
}

bool StagedBytes::Resize(std::size_t size) {
  const std::size_t before = reserved_;
  // The buffer keeps its memory when it shrinks.
  if (size > bytes_.size() && !Reserve(std::max(size, before))) return false;
  const auto resized = WithinMemory([&]() -> Result<void> {
    bytes_.resize(size);
    return {};
  });
  if (!resized.has_value()) Reserve(before);
  return resized.has_value();
}

bool StagedBytes::Assign(BytesView bytes) {
  Clear();
  if (bytes.empty()) return true;
  if (!Resize(bytes.size())) return false;
  std::copy(bytes.begin(), bytes.end(), bytes_.data());
  return true;
}

void StagedBytes::Clear() {
  bytes_.clear();
  Reserve(0);
}

}  // namespace certfs
