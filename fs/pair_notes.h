// What a daemon notes of those who are between the two halves of a pair, for the one that comes after it: a
// process that has opened a certificate gets its key, whoever answers then.
//
// Thread-safety: as each implementation says. Ownership: values.

#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "store/entry.h"

namespace certfs {

// That `thread` opened `opened` of `revision` of `entry`, and when. `ended`: the other half, too, but perhaps
// it was not told so.
struct PairNote {
  std::int32_t thread = 0;
  Number entry = 0;
  Member opened = Member::kCertificate;
  Revision revision = 0;
  std::chrono::steady_clock::time_point first;
  bool ended = false;
};

class PairNotes {
 public:
  virtual ~PairNotes() = default;
  // In the place of what was noted of that thread and entry. Called by one thread at a time, as DropPair.
  virtual void KeepPair(const PairNote& note) = 0;
  virtual void DropPair(std::int32_t thread, Number entry) = 0;
  // Those that the daemon before left; anything may stand in them.
  virtual std::vector<PairNote> KeptPairs() = 0;
};

}  // namespace certfs
