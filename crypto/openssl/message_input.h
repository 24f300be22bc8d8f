// What a reader of a message takes off its source: exactly so many bytes, and the end. Private to crypto/.
//
// Thread-safety: belongs to one thread at a time.

#pragma once

#include <functional>
#include <span>
#include <utility>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs::openssl {

class MessageInput {
 public:
  // Puts at least one byte into what it is given, and returns how many; 0 at the end.
  using Source = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;

  // `broken` is what a message is that ends too early, or goes on behind its end.
  MessageInput(Source source, ErrorCode broken) : source_(std::move(source)), broken_(broken) {}

  // Fills `out`.
  Result<void> Fill(std::span<std::uint8_t> out) {
    while (!out.empty()) {
      const std::size_t got = TRY(source_(out));
      if (got == 0) return Error(broken_, "ends too early: it is not whole");
      out = out.subspan(got);
    }
    return {};
  }

  Result<void> ExpectEnd() {
    std::uint8_t byte = 0;
    if (TRY(source_({&byte, 1})) != 0) return Error(broken_, "bytes follow its end");
    return {};
  }

 private:
  Source source_;
  ErrorCode broken_;
};

}  // namespace certfs::openssl
