// A progress bar for whatever takes more than a second, where somebody watches.
//
// Drawn on stderr, and only if that is a terminal; scripts and logs never see it.
//
// Thread-safety: main thread only. Ownership: one at a time; clears its line when it goes, so that what is
// printed next begins on an empty one.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace certfs {

class Progress {
 public:
  // `total` is what all the calls of Advance add up to; 0 if nobody knows, which shows the count alone.
  Progress(std::string title, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Says that `count` more are done. Draws ten times a second at most, and not in the first second.
  void Advance(std::uint64_t count);

 private:
  using Clock = std::chrono::steady_clock;

  void Draw();

  const std::string title_;
  const std::uint64_t total_;
  const bool watched_;
  std::uint64_t done_ = 0;
  Clock::time_point next_;  // Nothing is drawn before.
  bool drawn_ = false;
};

// Returns the bar as it stands at `done` of `total`, in `columns` of a terminal: "restoring [####    ]  50%".
std::string ProgressLine(const std::string& title, std::uint64_t done, std::uint64_t total,
                         std::size_t columns);

}  // namespace certfs
