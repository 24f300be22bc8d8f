#include "store/secret_pipe.h"

#include <algorithm>
#include <utility>

#include "store/second_thread.h"

namespace certfs {

SecretPipe::SecretPipe(Taker taker) : taker_(std::move(taker)), thread_(StartThread([this] { TakeAll(); })) {}

SecretPipe::~SecretPipe() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  moved_.notify_all();
}

void SecretPipe::TakeAll() {
  std::unique_lock lock(mutex_);
  for (;;) {
    moved_.wait(lock, [&] { return full_ || ended_; });
    if (!full_) return;
    lock.unlock();
    auto taken = WithinMemory([&] { return taker_(taking_.bytes.Reveal().first(taking_.used)); });
    lock.lock();
    if (!taken.has_value() && !failure_) failure_ = std::move(taken).error();
    full_ = false;
    moved_.notify_all();
  }
}

Result<void> SecretPipe::HandOver() {
  std::unique_lock lock(mutex_);
  moved_.wait(lock, [&] { return !full_; });
  if (failure_) return *failure_;
  std::swap(filling_, taking_);
  full_ = true;
  filling_.used = 0;
  moved_.notify_all();
  return {};
}

Result<void> SecretPipe::Put(BytesView bytes) {
  while (!bytes.empty()) {
    const BytesView next = bytes.first(std::min(bytes.size(), kPieceBytes - filling_.used));
    std::copy(next.begin(), next.end(), filling_.bytes.data() + filling_.used);
    filling_.used += next.size();
    bytes = bytes.subspan(next.size());
    if (filling_.used == kPieceBytes) TRY(HandOver());
  }
  return {};
}

Result<void> SecretPipe::Finish() {
  if (filling_.used > 0) TRY(HandOver());
  std::unique_lock lock(mutex_);
  moved_.wait(lock, [&] { return !full_; });
  if (failure_) return *failure_;
  return {};
}

}  // namespace certfs
