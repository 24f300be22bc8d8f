// Points at which something fails: how many a test meets, and which one to meet again.

#pragma once

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <string>

#include "tests/support/rounds.h"

namespace certfs {

inline constexpr std::size_t kAllPoints = std::numeric_limits<std::size_t>::max();

// How many points to meet: `count`, or as many times that as CERTFS_ROUNDS says; at 10 and more `most`.
inline std::size_t PointsToMeet(std::size_t count, std::size_t most) {
  constexpr double kSoak = 10;
  const double rounds = RoundsFactor();
  return rounds >= kSoak ? most : static_cast<std::size_t>(static_cast<double>(count) * rounds) + 1;
}

// The one point that CERTFS_POINT names, as a failure does; null where all are to be met.
inline const char* OnlyPoint() { return std::getenv("CERTFS_POINT"); }
inline bool IsWanted(const std::string& point) { return OnlyPoint() == nullptr || point == OnlyPoint(); }

}  // namespace certfs
