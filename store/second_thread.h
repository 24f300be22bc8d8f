// Work that goes on beside its caller, on one more thread. Private to store/.
//
// The thread takes no signals: whoever handles those in this process goes on being the one who gets them.

#pragma once

#include <pthread.h>

#include <functional>
#include <optional>
#include <utility>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

// One thread, which joins when it goes. Not a std::thread: the system may refuse one, and that is an error
// here and not an exception.
class SecondThread {
 public:
  // Starts `work`, which must not throw; or does not, and then failure() says why.
  explicit SecondThread(std::function<void()> work);
  ~SecondThread() { Join(); }
  SecondThread(const SecondThread&) = delete;
  SecondThread& operator=(const SecondThread&) = delete;

  // kNoMemory where there is no thread.
  const std::optional<Error>& failure() const noexcept { return failure_; }

  // Waits for its end.
  void Join();

 private:
  pthread_t thread_{};
  bool running_ = false;
  std::optional<Error> failure_;
};

// One result that is computed meanwhile. Thread-safety: belongs to whoever made it. Running out of locked
// memory, or of threads, is kNoMemory.
template <typename T>
class Meanwhile {
 public:
  explicit Meanwhile(std::function<Result<T>()> work)
      : thread_([this, work = std::move(work)] { result_.emplace(WithinMemory(work)); }) {}

  // Waits for it. Call once.
  Result<T> Take() {
    if (thread_.failure()) return *thread_.failure();
    thread_.Join();
    return *std::move(result_);
  }

 private:
  std::optional<Result<T>> result_;
  SecondThread thread_;  // Last: it writes what stands above.
};

}  // namespace certfs
