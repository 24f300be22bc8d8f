// A file descriptor that is closed when it goes. Private to fs/fuse, save that the programs hand some over.
//
// Thread-safety: a value. Ownership: owns the descriptor.

#pragma once

#include <unistd.h>

#include <utility>

namespace certfs {

class OwnedDescriptor {
 public:
  OwnedDescriptor() = default;
  explicit OwnedDescriptor(long number) noexcept : number_(static_cast<int>(number)) {}
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : number_(other.Release()) {}
  OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept {
    if (this != &other) {
      Close();
      number_ = other.Release();
    }
    return *this;
  }
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  ~OwnedDescriptor() { Close(); }

  int number() const noexcept { return number_; }
  bool open() const noexcept { return number_ >= 0; }
  int Release() noexcept { return std::exchange(number_, -1); }
  void Close() noexcept {
    if (number_ >= 0) close(std::exchange(number_, -1));
  }

 private:
  int number_ = -1;
};

}  // namespace certfs
