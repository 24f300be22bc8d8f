// A file descriptor that is closed when it goes.
//
// Thread-safety: a value. Ownership: owns the descriptor; what close(2) says is lost, so whoever has written
// and wants to know closes what Release() gives.

#pragma once

#include <unistd.h>

#include <utility>

namespace certfs {

class Descriptor {
 public:
  Descriptor() = default;
  // Takes what open(2), socket(2), syscall(2), … returned; below 0 it holds nothing.
  explicit Descriptor(long number) noexcept : number_(static_cast<int>(number)) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Close();
      number_ = other.Release();
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { Close(); }

  int number() const noexcept { return number_; }
  bool open() const noexcept { return number_ >= 0; }
  // Gives it up: the caller closes it.
  int Release() noexcept { return std::exchange(number_, -1); }
  void Close() noexcept {
    if (open()) close(Release());
  }

 private:
  int number_ = -1;
};

}  // namespace certfs
