#include "fs/fuse/data_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace certfs {

namespace {

// A commit is written in steps, of which the last makes it one; they are looked at together.
constexpr int kBurstMilliseconds = 2;
// Between two looks, lest a process that commits without end take all the time. It is a share of the second
// within which a commit is to show; and so that looks that take long take a fifth of the time at most.
constexpr std::chrono::milliseconds kPause{10};
constexpr int kPauseFactor = 4;
constexpr std::chrono::milliseconds kPauseMax{500};

}  // namespace

Retries::News Retries::Note(const Result<void>& outcome) {
  if (outcome.has_value()) {
    wait_.reset();
    next_ = kFirst;
    return std::exchange(failing_, false) ? News::kWorksAgain : News::kNone;
  }
  // It passes by itself, and says nothing about what fails otherwise.
  if (outcome.error().code() == ErrorCode::kBusy) {
    wait_ = kFirst;
    return News::kNone;
  }
  wait_ = std::exchange(next_, std::min(2 * next_, kLast));
  return std::exchange(failing_, true) ? News::kNone : News::kFails;
}

Result<std::unique_ptr<DataWatch>> DataWatch::Start(const std::filesystem::path& keystore,
                                                    std::function<Result<void>()> written) {
  const std::string path = (keystore / "data.mdb").string();
  const auto failed = [&] {
    return Error(ErrorCode::kIo, path + ": cannot be watched: " + std::strerror(errno));
  };
  const int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (inotify < 0) return failed();
  // LMDB writes by pwrite(2): no commit goes without.
  const int stop = inotify_add_watch(inotify, path.c_str(), IN_MODIFY) < 0 ? -1 : eventfd(0, EFD_CLOEXEC);
  if (stop < 0) {
    Error error = failed();
    close(inotify);
    return error;
  }
  return std::unique_ptr<DataWatch>(new DataWatch(inotify, stop, std::move(written)));
}

DataWatch::DataWatch(int inotify, int stop, std::function<Result<void>()> written)
    : inotify_(inotify), stop_(stop), written_(std::move(written)), thread_([this] { Run(); }) {}

DataWatch::~DataWatch() {
  static_cast<void>(eventfd_write(stop_, 1));
  thread_.join();
  close(stop_);
  close(inotify_);
}

void DataWatch::Run() {
  Retries retries;
  for (;;) {
    std::array<pollfd, 2> waiting{pollfd{stop_, POLLIN, 0}, pollfd{inotify_, POLLIN, 0}};
    const auto wait = retries.wait();
    const int got = poll(waiting.data(), waiting.size(), wait ? static_cast<int>(wait->count()) : -1);
    if (got < 0 && errno != EINTR) return;
    if (waiting[0].revents != 0) return;
    if (got < 0 || (got > 0 && waiting[1].revents == 0)) continue;
    // The pause comes first: whatever is written behind it wakes again.
    if (poll(waiting.data(), 1, kBurstMilliseconds) > 0) return;
    std::array<char, 4096> events;
    while (read(inotify_, events.data(), events.size()) > 0) {
    }
    const auto start = std::chrono::steady_clock::now();
    const auto outcome = written_();
    const Retries::News news = retries.Note(outcome);
    if (news == Retries::News::kFails)
      spdlog::warn("changes by another process: {}; trying again", outcome.error().message());
    if (news == Retries::News::kWorksAgain) spdlog::info("changes by another process: caught up again");
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    const auto pause = std::clamp(kPauseFactor * took, kPause, kPauseMax);
    if (poll(waiting.data(), 1, static_cast<int>(pause.count())) > 0) return;
  }
}

}  // namespace certfs
