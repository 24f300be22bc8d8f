// Something that is done now and then, from a thread of its own. Private to fs/fuse.
//
// Thread-safety: made and destroyed by one thread.

#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace certfs {

class Periodic {
 public:
  // Calls `work` at once and then every `period`. Its destructor waits for a call that is under way.
  Periodic(std::chrono::seconds period, std::function<void()> work);
  ~Periodic();
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

 private:
  void Run();

  const std::chrono::seconds period_;
  const std::function<void()> work_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;  // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace certfs
