// SecretBytes: bytes that must never leave memory by accident.
//
// Wiped when destroyed or regrown, kept out of core dumps and off the swap device once LockSecrets() has run,
// and neither printable, copyable by accident, nor comparable in variable time.
//
// Thread-safety: like a vector. Ownership: move-only; Clone() is the one, visible, way to copy. Errors:
// running out of locked memory throws std::bad_alloc, which WithinMemory or the seam turns into kNoMemory.

#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs {

// Sets aside the locked memory that every SecretBytes, and every private number inside OpenSSL, then lives
// in. Call once, first thing in a process that handles keys, before any other thread exists. Returns whether
// the memory could be locked; false (RLIMIT_MEMLOCK is too low) leaves secrets wiped, undumped, but
// swappable.
// From then on OpenSSL cleans up at exit before what was registered earlier (std::atexit, destructors of
// objects with static lifetime), which must not need it any more.
bool LockSecrets();

// Overwrites `bytes` in a way that the compiler may not leave out.
void Wipe(std::span<std::uint8_t> bytes) noexcept;

// Says whether `a` equals `b`, in time that depends on their lengths alone.
bool EqualSecrets(BytesView a, BytesView b) noexcept;

namespace internal {

void* AllocateSecret(std::size_t size);
void FreeSecret(void* memory, std::size_t size) noexcept;

template <typename T>
struct SecretAllocator {
  using value_type = T;
  SecretAllocator() = default;
  template <typename U>
  explicit SecretAllocator(const SecretAllocator<U>&) {}
  T* allocate(std::size_t count) { return static_cast<T*>(AllocateSecret(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept { FreeSecret(memory, count * sizeof(T)); }
  friend bool operator==(const SecretAllocator&, const SecretAllocator&) { return true; }
};

}  // namespace internal

class SecretBytes {
 public:
  using Storage = std::vector<std::uint8_t, internal::SecretAllocator<std::uint8_t>>;
  using iterator = Storage::iterator;

  SecretBytes() = default;
  explicit SecretBytes(std::size_t size) : storage_(size) {}
  SecretBytes(SecretBytes&&) noexcept = default;
  SecretBytes& operator=(SecretBytes&&) noexcept = default;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  // Returns a second secret with the same bytes.
  static SecretBytes CopyOf(BytesView bytes);
  SecretBytes Clone() const { return CopyOf(Reveal()); }

  // Returns the bytes themselves. The view dies with the next change.
  BytesView Reveal() const noexcept { return {storage_.data(), storage_.size()}; }
  std::uint8_t* data() noexcept { return storage_.data(); }
  std::size_t size() const noexcept { return storage_.size(); }
  bool empty() const noexcept { return storage_.empty(); }

  // New bytes are zero.
  void resize(std::size_t size);
  void clear() { storage_ = Storage(); }

  // What Writer<SecretBytes> needs.
  void push_back(std::uint8_t byte) { storage_.push_back(byte); }
  iterator end() { return storage_.end(); }
  template <typename Input>
  void insert(iterator where, Input first, Input last) {
    storage_.insert(where, first, last);
  }

 private:
  Storage storage_;
};

// Runs `work`, which returns a Result; running out of locked memory becomes kNoMemory. For whoever has to go
// on, or to undo something, when it runs out. An allocator can only throw: this is where that becomes a
// value.
template <typename Work>
auto WithinMemory(Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kNoMemory, "no locked memory is left");
  }
}

}  // namespace certfs
