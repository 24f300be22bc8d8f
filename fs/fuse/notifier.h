// Tells the kernel what changed under it, from a thread of its own: a notification sent by a thread that
// answers requests can deadlock with the request that it is about. Private to fs/fuse.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

struct fuse_session;

namespace certfs {

class Notifier {
 public:
  explicit Notifier(fuse_session* session);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // The name in `directory` leads elsewhere now. Inode numbers are the kernel's.
  void ForgetName(std::uint64_t directory, std::string name);
  // The pages of `inode` are to go.
  void ForgetPages(std::uint64_t inode);

 private:
  struct Notice {
    std::uint64_t inode;
    std::string name;  // Empty: the inode's pages.
  };
  void Add(Notice notice);
  void Run();

  fuse_session* session_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Notice> queue_;  // Guarded by mutex_.
  bool stop_ = false;         // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace certfs
