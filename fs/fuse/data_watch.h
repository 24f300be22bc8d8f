// Hears of commits by other processes: a thread that the kernel wakes whenever data.mdb is written. It asks
// for nothing while nothing is written. Private to fs/fuse.
//
// Thread-safety: one thread makes and ends it.

#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "crypto/base/result.h"

namespace certfs {

// When to look again after failures.
class Retries {
 public:
  static constexpr std::chrono::milliseconds kFirst{200};
  static constexpr std::chrono::milliseconds kLast{10'000};

  enum class News { kNone, kFails, kWorksAgain };
  // Returns whether `outcome` is worth a line in the log.
  News Note(const Result<void>& outcome);
  // How long to wait after what was noted last; nothing where it succeeded.
  std::optional<std::chrono::milliseconds> wait() const { return wait_; }

 private:
  std::chrono::milliseconds next_ = kFirst;
  std::optional<std::chrono::milliseconds> wait_;
  bool failing_ = false;
};

class DataWatch {
 public:
  // `written` is called after each burst of writes to data.mdb in `keystore`, whoever made them, from a
  // thread of its own, and again whenever it failed: a moment later after kBusy, after anything else less and
  // less often. The log hears of the first of such failures, and when they are over. It takes a fifth of that
  // thread's time at most, and does not throw. kIo when the file cannot be watched.
  static Result<std::unique_ptr<DataWatch>> Start(const std::filesystem::path& keystore,
                                                  std::function<Result<void>()> written);
  // Returns once `written` runs no more.
  ~DataWatch();
  DataWatch(const DataWatch&) = delete;
  DataWatch& operator=(const DataWatch&) = delete;

 private:
  DataWatch(int inotify, int stop, std::function<Result<void>()> written);
  void Run();

  const int inotify_;
  const int stop_;
  const std::function<Result<void>()> written_;
  std::thread thread_;
};

}  // namespace certfs
