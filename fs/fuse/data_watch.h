// Hears of commits by other processes: a thread that the kernel wakes whenever data.mdb is written. It asks
// for nothing while nothing is written. Private to fs/fuse.
//
// Thread-safety: one thread makes and ends it.

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "crypto/base/result.h"

namespace certfs {

class DataWatch {
 public:
  // `written` is called after each burst of writes to data.mdb in `keystore`, whoever made them, from a
  // thread of its own, and again a moment later whenever it returned false. It takes a fifth of that thread's
  // time at most. kIo when the file cannot be watched.
  static Result<std::unique_ptr<DataWatch>> Start(const std::filesystem::path& keystore,
                                                  std::function<bool()> written);
  // Returns once `written` runs no more.
  ~DataWatch();
  DataWatch(const DataWatch&) = delete;
  DataWatch& operator=(const DataWatch&) = delete;

 private:
  DataWatch(int inotify, int stop, std::function<bool()> written);
  void Run();

  const int inotify_;
  const int stop_;
  const std::function<bool()> written_;
  std::thread thread_;
};

}  // namespace certfs
