// Wakes inotify watchers of files that were replaced: gives the waker process one order after the other, and
// answers the lookups by which it carries them out. Private to fs/fuse.
//
// An order is a rename of kWakerName to the file's name. The waker's lookup of kWakerName finds the live
// file, that of the file's name finds what was replaced; the kernel then tells the watchers of both, and of
// the directory, what it tells them when a file is replaced by rename(2), and the request to rename is
// answered without doing anything. None of these names is cached: whoever walks through them asks again.
//
// Thread-safety: may be used from any thread.

#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "fs/fuse/waker_process.h"
#include "fs/volume.h"

namespace certfs {

struct WakerMount {
  dev_t device = 0;
  bool stores_only = false;
};

class Waker {
 public:
  // Borrows the volume. `settle` waits until the kernel knows the new names, for a moment at most.
  Waker(WakerProcess process, Volume& volume, WakerMount mount, std::function<void()> settle);
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // The file `name` in `directory` is another one than `replaced`, which may be none.
  void Wake(NodeId directory, std::string name, NodeId replaced);

  // Something came or went in `directory`: a store, the list of stores, or an entry.
  void WakeDirectory(NodeId directory);

  // Returns what the lookup of `name` by `caller` leads to, if it carries out an order: a node, or kNotFound.
  std::optional<Result<Node>> Lookup(const Caller& caller, NodeId directory, std::string_view name);

  // Says whether `caller` carries out an order by renaming `name`, or by setting the attribute `name`.
  bool IsOwnRename(const Caller& caller, std::string_view name) const;
  bool IsOwnAttribute(const Caller& caller, std::string_view name) const;

 private:
  struct Order {
    NodeId directory;
    std::string name;
    NodeId replaced;
    WakerAction action = WakerAction::kRename;
  };

  void Add(Order order);
  void Run();
  // Returns the errno of carrying `order` out, as CarryOut; ENOMEM: try again later. Puts the path of its
  // directory into `path`.
  std::optional<int> Attempt(Order& order, std::string& path);
  // Returns the errno, or nothing when the process has gone, or this is to stop.
  std::optional<int> CarryOut(const Order& order, const std::string& path);

  WakerProcess process_;
  const pid_t id_;
  Volume& volume_;
  const WakerMount mount_;
  const std::function<void()> settle_;
  const int stop_event_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Order> queue_;       // Guarded by mutex_, as all below.
  std::optional<Order> current_;  // What the process carries out now.
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace certfs
