// Between transactions, which go on together, and what takes the map away from under them. Private to
// store/lmdb.
//
// Thread-safety: any thread.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace certfs::lmdb {

// Lets transactions in together and a change of the map alone. Not a std::shared_mutex: a thread may open a
// second transaction while it holds one, which must not wait for somebody who waits for the first.
class Gate {
 public:
  // Returns who entered, for Leave; another thread may do that.
  std::thread::id Enter();
  void Leave(std::thread::id who) noexcept;

  // Says whether this thread is inside.
  bool IsInside();

  // Waits until nobody is inside; returns false when that takes too long. After true, call Open().
  bool Close();
  void Open();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::thread::id> inside_;  // Once for each transaction.
  std::uint64_t closing_ = 0;            // How many wait to close it.
  bool closed_ = false;
};

// Inside the gate until it goes.
class Visit {
 public:
  explicit Visit(Gate& gate) : gate_(gate), entered_(gate.Enter()) {}
  ~Visit() { gate_.Leave(entered_); }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  Gate& gate_;
  std::thread::id entered_;
};

}  // namespace certfs::lmdb
