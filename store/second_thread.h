// Work that goes on beside its caller, on one more thread. Private to store/.
//
// The thread takes no signals: whoever handles those in this process goes on being the one who gets them.

#pragma once

#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

// Starts `work`, which must not throw, on a thread that joins when it goes.
std::jthread StartThread(std::function<void()> work);

// One result that is computed meanwhile. Thread-safety: belongs to whoever made it. Running out of locked
// memory is kNoMemory.
template <typename T>
class Meanwhile {
 public:
  explicit Meanwhile(std::function<Result<T>()> work)
      : thread_(StartThread([this, work = std::move(work)] { result_.emplace(WithinMemory(work)); })) {}

  // Waits for it. Call once.
  Result<T> Take() {
    thread_.join();
    return *std::move(result_);
  }

 private:
  std::optional<Result<T>> result_;
  std::jthread thread_;  // Last: it writes what stands above.
};

}  // namespace certfs
