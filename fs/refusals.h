// The last refusals, in words: what status/errors.log and status/why show.
//
// Bounded rings in memory, newest last: one of everybody's, and one of each user's own, so that a flood by
// one user does not push out what another was told. Thread-safety: may be used from any thread.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
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
  static constexpr std::size_t kLinesMax = 512;    // Of everybody's.
  static constexpr std::size_t kOwnLinesMax = 64;  // Of one user's.
  static constexpr std::size_t kUsersMax = 256;    // Those who were refused something last.

  // Keeps `refusal` and returns its line, without the newline:
  // "2026-11-24T10:00:00Z stores/machine/web/cert.pem: rejected: weak-key: ... (uid 0, pid 1234, cp)".
  std::string Record(const Refusal& refusal);

  // All lines, and those of one user; each ends in a newline.
  std::string All() const;
  std::string Of(std::uint32_t uid) const;

 private:
  struct Own {
    std::uint64_t newest = 0;  // The number of its last line.
    std::deque<std::string> lines;
  };
  mutable std::mutex mutex_;
  std::uint64_t recorded_ = 0;           // How many lines there were. Guarded by mutex_, as all below.
  std::deque<std::string> lines_;        // Everybody's.
  std::map<std::uint32_t, Own> owners_;  // By user.
};

}  // namespace certfs
