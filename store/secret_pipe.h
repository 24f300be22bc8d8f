// A pipe between two threads: what one puts in, small piece after small piece, the other takes in large ones.
// All of it lies in locked memory. Private to store/.
//
// Thread-safety and errors: as Relay.

#pragma once

#include "store/relay.h"

namespace certfs {

class SecretPipe {
 public:
  using Taker = std::function<Result<void>(BytesView)>;

  explicit SecretPipe(Taker taker);

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

  Piece filling_;
  Relay<Piece> relay_;
};

}  // namespace certfs
