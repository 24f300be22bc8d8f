// How often a test's loops go round: CERTFS_ROUNDS scales them all, 1 being what `tools/check` runs, 0.1 what
// it runs of code that is sanitized and several times slower, and 10 a soak.

#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdlib>

namespace certfs {

inline double RoundsFactor() {
  const char* const text = std::getenv("CERTFS_ROUNDS");
  return text != nullptr ? std::atof(text) : 1.0;
}

// As many as CERTFS_ROUNDS makes of `count`, but `least` at any rate.
template <std::integral Number>
Number Rounds(Number count, Number least = 1) {
  return std::max(least, static_cast<Number>(static_cast<double>(count) * RoundsFactor()));
}

// How far a test goes that changes, or cuts after, each bit or byte in turn: 1 but where CERTFS_ROUNDS asks
// for less. Odd, so that each bit of a byte has its turn.
inline std::size_t RoundsStride() {
  const double factor = std::clamp(RoundsFactor(), 0.001, 1.0);
  return static_cast<std::size_t>(1 / factor) | 1;
}

}  // namespace certfs
