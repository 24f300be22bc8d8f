// Bytes that are being written: in locked memory, of which all writers together have a share. Private to fs/.
//
// Thread-safety: a ByteQuota may be used from any thread, StagedBytes like a vector. Ownership: a quota
// outlives those that take from it.

#pragma once

#include <atomic>
#include <cstddef>

#include "crypto/base/secret.h"

namespace certfs {

// How many bytes may be held at once, as a part of a larger whole if there is one.
class ByteQuota {
 public:
  explicit ByteQuota(std::size_t max, ByteQuota* whole = nullptr) : max_(max), whole_(whole) {}

  // Returns false, and takes nothing, if there is not so much left.
  bool Take(std::size_t bytes);
  void Give(std::size_t bytes);
  std::size_t taken() const { return taken_; }

 private:
  const std::size_t max_;
  ByteQuota* const whole_;
  std::atomic<std::size_t> taken_ = 0;
};

class StagedBytes {
 public:
  explicit StagedBytes(ByteQuota& quota) : quota_(quota) {}
  ~StagedBytes() { Reserve(0); }
  StagedBytes(const StagedBytes&) = delete;
  StagedBytes& operator=(const StagedBytes&) = delete;

  // Makes them `size` bytes long, new ones zero; returns false, and changes nothing, if there is no memory
  // for it.
  bool Resize(std::size_t size);
  // Replaces them by `bytes`; returns as Resize does, but then holds nothing.
  bool Assign(BytesView bytes);
  void Clear();

  // Preconditions as of SecretBytes.
  BytesView Reveal() const noexcept { return bytes_.Reveal(); }
  std::uint8_t* data() noexcept { return bytes_.data(); }
  std::size_t size() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }

 private:
  bool Reserve(std::size_t bytes);

  ByteQuota& quota_;
  SecretBytes bytes_;
  std::size_t reserved_ = 0;
};

}  // namespace certfs
