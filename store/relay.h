// Batches that one thread makes and a second one takes, one of each at a time. Private to store/.
//
// Thread-safety: Give and Finish belong to the thread that made it; the taker runs on the second one, always
// the same. Errors: the taker's first failure ends everything, and is returned by the next Give or by Finish.

#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "store/second_thread.h"

namespace certfs {

template <typename Batch>
class Relay {
 public:
  using Taker = std::function<Result<void>(Batch&)>;

  // `at_end`, where it is given, is what the second thread does last, whatever happened.
  explicit Relay(Taker taker, std::function<void()> at_end = {})
      : taker_(std::move(taker)), thread_([this, at_end = std::move(at_end)] {
          TakeAll();
          if (at_end) at_end();
        }) {
    if (thread_.failure()) failure_ = thread_.failure();  // There is nobody else then.
  }
  ~Relay() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    moved_.notify_all();
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Hands `batch` over once the one before it was taken; it then is that one, to be filled anew.
  Result<void> Give(Batch& batch) {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return !full_; });
    if (failure_) return *failure_;
    std::swap(batch, batch_);
    full_ = true;
    moved_.notify_all();
    return {};
  }

  // Waits until all was taken.
  Result<void> Finish() {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return !full_; });
    if (failure_) return *failure_;
    return {};
  }

 private:
  void TakeAll() {
    std::unique_lock lock(mutex_);
    for (;;) {
      moved_.wait(lock, [&] { return full_ || ended_; });
      if (!full_) return;
      lock.unlock();
      auto taken = WithinMemory([&] { return taker_(batch_); });
      lock.lock();
      if (!taken.has_value() && !failure_) failure_ = std::move(taken).error();
      full_ = false;
      moved_.notify_all();
    }
  }

  const Taker taker_;
  std::mutex mutex_;
  std::condition_variable moved_;
  // All below are guarded by mutex_; the batch is the taker's while it is full.
  Batch batch_;
  bool full_ = false;
  bool ended_ = false;
  std::optional<Error> failure_;
  SecondThread thread_;  // Last: it uses what stands above.
};

}  // namespace certfs
