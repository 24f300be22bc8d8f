// A pipe between two threads: what one puts in, small piece after small piece, the other takes in large ones.
// All of it lies in locked memory. Private to store/.
//
// Thread-safety: Put and Finish belong to the thread that made it; the taker runs on a second one.
// Errors: the taker's first failure ends everything, and is returned by the next Put or by Finish.

#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

class SecretPipe {
 public:
  using Taker = std::function<Result<void>(BytesView)>;

  explicit SecretPipe(Taker taker);
  ~SecretPipe();
  SecretPipe(const SecretPipe&) = delete;
  SecretPipe& operator=(const SecretPipe&) = delete;

  Result<void> Put(BytesView bytes);

  // Hands over what is left, and waits until all was taken.
  Result<void> Finish();

 private:
  static constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

  // One is filled while the other is taken.
  struct Piece {
    SecretBytes bytes{kPieceBytes};
    std::size_t used = 0;
  };

  Result<void> HandOver();
  void TakeAll();

  const Taker taker_;
  Piece filling_;
  std::mutex mutex_;
  std::condition_variable moved_;
  // All below are guarded by mutex_; of `taking_`, the bytes are the taker's while it is full.
  Piece taking_;
  bool full_ = false;
  bool ended_ = false;
  std::optional<Error> failure_;
  std::jthread thread_;  // Last: it uses what stands above.
};

}  // namespace certfs
