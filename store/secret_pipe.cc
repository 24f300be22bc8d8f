#include "store/secret_pipe.h"

#include <algorithm>

namespace certfs {

SecretPipe::SecretPipe(Taker taker)
    : relay_([taker = std::move(taker)](Piece& piece) {
        return taker(piece.bytes.Reveal().first(std::exchange(piece.used, 0)));
      }) {}

Result<void> SecretPipe::Put(BytesView bytes) {
  while (!bytes.empty()) {
    const BytesView next = bytes.first(std::min(bytes.size(), kPieceBytes - filling_.used));
    std::copy(next.begin(), next.end(), filling_.bytes.data() + filling_.used);
    filling_.used += next.size();
    bytes = bytes.subspan(next.size());
    if (filling_.used == kPieceBytes) TRY(relay_.Give(filling_));
  }
  return {};
}

Result<void> SecretPipe::Finish() {
  if (filling_.used > 0) TRY(relay_.Give(filling_));
  return relay_.Finish();
}

}  // namespace certfs
