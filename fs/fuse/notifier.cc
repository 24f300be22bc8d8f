#include "fs/fuse/notifier.h"

#include <algorithm>
#include <chrono>
#include <utility>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

namespace certfs {

namespace {

// Names and attributes expire within a second anyway; under a flood of commits the oldest notices may be
// lost.
constexpr std::size_t kQueueMax = 65536;

constexpr off_t kAttributesAlone = -1;

// By then what the kernel knows of names has expired.
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kPatienceWhileHeld = std::chrono::milliseconds(50);
constexpr int kPatientMax = 4;  // Of the mount's ten threads.

constexpr auto kTidying = std::chrono::minutes(1);
constexpr auto kTidyingAfterNotice = std::chrono::seconds(5);

}  // namespace

Notifier::Notifier(fuse_session* session, std::function<void()> tidy)
    : session_(session), tidy_(std::move(tidy)), thread_([this] { Run(); }) {}

Notifier::~Notifier() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Notifier::Stop() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }
  wake_.notify_one();
  thread_.join();
  const std::lock_guard lock(mutex_);
  stop_ = true;
  heard_.notify_all();
}

void Notifier::ForgetName(std::uint64_t directory, std::string name) {
  Add({Subject::kName, directory, std::move(name)});
}
void Notifier::ForgetAttributes(std::uint64_t inode) { Add({Subject::kAttributes, inode, {}}); }
void Notifier::ForgetPages(std::uint64_t inode) { Add({Subject::kPages, inode, {}}); }

void Notifier::Add(Notice notice) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return;
    first = queue_.empty();
    if (queue_.size() == kQueueMax) {
      queue_.pop_front();
      ++done_;
    }
    queue_.push_back(std::move(notice));
    ++told_;
  }
  if (first) wake_.notify_one();
}

void Notifier::Settle(KernelHolds holds) {
  std::unique_lock lock(mutex_);
  const std::uint64_t told = told_;
  const auto heard = [&] { return stop_ || done_ >= told; };
  if (holds == KernelHolds::kDirectory || patient_ == kPatientMax) {
    heard_.wait_for(lock, kPatienceWhileHeld, heard);
    return;
  }
  ++patient_;
  heard_.wait_for(lock, kPatience, heard);
  --patient_;
}

// What the kernel does not know needs no telling: ENOENT is no failure, and nobody could act on another.
void Notifier::Tell(const Notice& notice) {
  if (notice.subject == Subject::kName) {
    static_cast<void>(
        fuse_lowlevel_notify_inval_entry(session_, notice.inode, notice.name.c_str(), notice.name.size()));
  } else {
    const off_t pages = notice.subject == Subject::kPages ? 0 : kAttributesAlone;
    static_cast<void>(fuse_lowlevel_notify_inval_inode(session_, notice.inode, pages, 0));
  }
}

void Notifier::Run() {
  std::unique_lock lock(mutex_);
  auto due = std::chrono::steady_clock::now() + kTidying;
  bool noticed = false;  // Since it was last tidied.
  for (;;) {
    wake_.wait_until(lock, due, [this] { return stop_ || draining_ || !queue_.empty(); });
    if (stop_ || (draining_ && queue_.empty())) return;
    if (!draining_ && std::chrono::steady_clock::now() >= due) {
      lock.unlock();
      tidy_();
      lock.lock();
      // Once more after the last notice, which may have come a moment before.
      due = std::chrono::steady_clock::now() + (noticed ? kTidyingAfterNotice : kTidying);
      noticed = false;
      continue;
    }
    // All that is there at once: a commit brings several, and whoever waits wants to hear of the last.
    const std::deque<Notice> notices = std::exchange(queue_, {});
    lock.unlock();
    for (const Notice& notice : notices) Tell(notice);
    lock.lock();
    done_ += notices.size();
    heard_.notify_all();
    due = std::min(due, std::chrono::steady_clock::now() + kTidyingAfterNotice);
    noticed = true;
  }
}

}  // namespace certfs
