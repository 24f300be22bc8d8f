#include "fs/fuse/notifier.h"

#include <chrono>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

namespace certfs {

namespace {

// Names and attributes expire within a second anyway; under a flood of commits the oldest notices may be
// lost.
constexpr std::size_t kQueueMax = 65536;

constexpr auto kPatience = std::chrono::milliseconds(50);

}  // namespace

Notifier::Notifier(fuse_session* session) : session_(session), thread_([this] { Run(); }) {}

Notifier::~Notifier() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Notifier::ForgetName(std::uint64_t directory, std::string name) { Add({directory, std::move(name)}); }
void Notifier::ForgetPages(std::uint64_t inode) { Add({inode, {}}); }

void Notifier::Add(Notice notice) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() == kQueueMax) {
      queue_.pop_front();
      ++done_;
    }
    queue_.push_back(std::move(notice));
    ++told_;
  }
  wake_.notify_one();
}

void Notifier::Settle() {
  std::unique_lock lock(mutex_);
  const std::uint64_t told = told_;
  heard_.wait_for(lock, kPatience, [&] { return stop_ || done_ >= told; });
}

void Notifier::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const Notice notice = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    // What the kernel does not know needs no telling: ENOENT is no failure, and nobody could act on another.
    if (notice.name.empty()) {
      static_cast<void>(fuse_lowlevel_notify_inval_inode(session_, notice.inode, 0, 0));
    } else {
      static_cast<void>(
          fuse_lowlevel_notify_inval_entry(session_, notice.inode, notice.name.c_str(), notice.name.size()));
    }
    lock.lock();
    ++done_;
    heard_.notify_all();
  }
}

}  // namespace certfs
