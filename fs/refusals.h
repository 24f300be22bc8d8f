// The last refusals, in words: what status/errors.log and status/why show.
//
// A bounded ring in memory, newest last. Thread-safety: may be used from any thread.

#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "crypto/base/error.h"
#include "crypto/base/time.h"

namespace certfs {

// Who was refused what.
struct Refusal {
  Time when;
  std::uint32_t uid;
  std::int32_t process;
  std::string program;
  std::string path;  // From the root of the tree: "stores/machine/web/cert.pem".
  Error error;
};

class RefusalLog {
 public:
  static constexpr std::size_t kLinesMax = 512;

  // Keeps `refusal` and returns its line, without the newline:
  // "2026-11-24T10:00:00Z stores/machine/web/cert.pem: rejected: weak-key: ... (uid 0, pid 1234, cp)".
  std::string Record(const Refusal& refusal);

  // All lines, and those of one user; each ends in a newline.
  std::string All() const;
  std::string Of(std::uint32_t uid) const;

 private:
  struct Line {
    std::uint32_t uid;
    std::string text;
  };
  mutable std::mutex mutex_;
  std::deque<Line> lines_;  // Guarded by mutex_.
};

}  // namespace certfs
