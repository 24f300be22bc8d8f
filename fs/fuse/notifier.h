// Tells the kernel what changed under it, from a thread of its own: a notification sent by a thread that
// answers requests can deadlock with the request that it is about. Private to fs/fuse.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "fs/volume.h"

struct fuse_session;

namespace certfs {

class Notifier {
 public:
  // `tidy` is called from the notifier's thread about once a minute, and twice, some seconds apart, after
  // the kernel was told of anything: what a commit replaced is kept for two of them.
  Notifier(fuse_session* session, std::function<void()> tidy);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // The name in `directory` leads elsewhere now. Inode numbers are the kernel's.
  void ForgetName(std::uint64_t directory, std::string name);
  // What the kernel knows of `inode` besides its pages is to go: attributes and ACLs.
  void ForgetAttributes(std::uint64_t inode);
  // The pages of `inode` are to go.
  void ForgetPages(std::uint64_t inode);

  // Waits until the kernel has heard of all that was told so far. A directory that somebody is at work in
  // takes as long as that does: kPatience has an end before names expire by themselves, and a much nearer one
  // for requests that hold a directory, and for so many others that those might find no thread to answer
  // them. The caller must hold nothing that a request needs.
  void Settle(KernelHolds holds);

  // Tells what is to be told yet, and nothing from then on. Requests must be answered meanwhile.
  void Stop();

 private:
  enum class Subject { kName, kAttributes, kPages };
  struct Notice {
    Subject subject;
    std::uint64_t inode;
    std::string name;
  };
  void Add(Notice notice);
  void Tell(const Notice& notice);
  void Run();

  fuse_session* session_;
  const std::function<void()> tidy_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable heard_;
  std::deque<Notice> queue_;  // Guarded by mutex_, as all below.
  std::uint64_t told_ = 0;    // How many notices came in,
  std::uint64_t done_ = 0;    // and how many of them the kernel has heard, or were lost.
  int patient_ = 0;           // How many wait for as long as it takes.
  bool draining_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace certfs
