// How often each operation was asked of a volume, and how often somebody was refused, since it began: what
// status/metrics.prom counts.
//
// Thread-safety: any thread; counting never waits. What is read is no one moment's: each number is right, but
// two of them may be some operations apart.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "crypto/base/error.h"

namespace certfs {

class OperationCounts {
 public:
  // As FUSE names them; "other" is whatever is none of the rest.
  static constexpr std::array<std::string_view, 24> kOperations{
      "lookup",  "getattr", "setattr", "readlink", "mkdir",    "rmdir",       "unlink",    "rename",
      "link",    "statfs",  "create",  "open",     "read",     "write",       "flush",     "fsync",
      "release", "opendir", "readdir", "getxattr", "setxattr", "removexattr", "listxattr", "other"};
  static constexpr std::size_t kErrorCodes = static_cast<std::size_t>(ErrorCode::kInternal) + 1;

  // Counts one operation of that name.
  void Began(std::string_view operation) noexcept {
    std::size_t at = 0;
    while (at + 1 < kOperations.size() && kOperations[at] != operation) ++at;
    operations_[at].fetch_add(1, std::memory_order_relaxed);
  }
  // Counts one refusal that is worth a line in status/errors.log.
  void Refused(ErrorCode code) noexcept {
    refusals_[static_cast<std::size_t>(code)].fetch_add(1, std::memory_order_relaxed);
  }

  // By the place in kOperations.
  std::uint64_t operations(std::size_t at) const noexcept {
    return operations_[at].load(std::memory_order_relaxed);
  }
  std::uint64_t refusals(ErrorCode code) const noexcept {
    return refusals_[static_cast<std::size_t>(code)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kOperations.size()> operations_{};
  std::array<std::atomic<std::uint64_t>, kErrorCodes> refusals_{};
};

}  // namespace certfs
