// Bytes that are being written: in locked memory, of which all writers together have a share, and each user
// a share of that. Private to fs/.
//
// Thread-safety: a ByteQuota and WriterShares may be used from any thread, StagedBytes like a vector.
// Ownership: a quota outlives those that take from it.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

#include "crypto/base/secret.h"

namespace certfs {

// How many bytes may be held at once, as a part of a larger whole, or of two, if there are any.
class ByteQuota {
 public:
  explicit ByteQuota(std::size_t max, ByteQuota* whole = nullptr, ByteQuota* other = nullptr)
      : max_(max), whole_(whole), other_(other) {}

  // Returns false, and takes nothing, if there is not so much left.
  bool Take(std::size_t bytes);
  void Give(std::size_t bytes);
  std::size_t taken() const { return taken_; }

 private:
  const std::size_t max_;
  ByteQuota* const whole_;
  ByteQuota* const other_;
  std::atomic<std::size_t> taken_ = 0;
};

// Who may have how much of what all writers may have staged, scratch included. The locked memory is also the
// readers', who must not starve because somebody opens many files and finishes none; nor must one user take
// what the others write with. What root and the daemon's user may have is bounded as well, and what all the
// others together may: each side always finds something left.
class WriterShares {
 public:
  static constexpr std::size_t kAllMax = std::size_t{16} << 20;
  static constexpr std::size_t kOfUserMax = std::size_t{4} << 20;
  static constexpr std::size_t kOfUsersMax = std::size_t{12} << 20;
  static constexpr std::size_t kOfOwnersMax = std::size_t{12} << 20;
  // What anything that is held counts for at least.
  static constexpr std::size_t kBytesMin = 1024;
  // How many files may be open for writing, whatever was written: what keeps the books of them is memory,
  // too.
  static constexpr std::size_t kWritersOfUserMax = kOfUserMax / kBytesMin;
  static constexpr std::size_t kWritersOfOwnersMax = kOfOwnersMax / kBytesMin;

  // `owner` is the daemon's user.
  explicit WriterShares(std::uint32_t owner) : owner_(owner) {}

  // The share of `uid`, and how many writers he may have; they live as long as this.
  ByteQuota& Of(std::uint32_t uid) { return Share(uid).bytes; }
  ByteQuota& WritersOf(std::uint32_t uid) { return Share(uid).writers; }
  // How many bytes all have together.
  std::size_t taken() const { return all_.taken(); }

 private:
  struct OneShare {
    ByteQuota bytes;
    ByteQuota writers;
    OneShare(std::size_t bytes_max, ByteQuota* whole, std::size_t writers_max)
        : bytes(bytes_max, whole), writers(writers_max) {}
  };
  OneShare& Share(std::uint32_t uid);

  const std::uint32_t owner_;
  ByteQuota all_{kAllMax};
  ByteQuota users_{kOfUsersMax, &all_};
  OneShare owners_{kOfOwnersMax, &all_, kWritersOfOwnersMax};
  std::mutex mutex_;
  std::map<std::uint32_t, OneShare> each_;  // Of each user that ever wrote. Guarded by mutex_.
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
