// SIGINT, SIGTERM and SIGHUP, noted instead of ending the process: for whoever puts something right first.
//
// Thread-safety: main thread only; one object at a time.

#pragma once

#include <array>
#include <csignal>

namespace certfs {

class SignalsNoted {
 public:
  // A signal that was ignored (nohup(1)) stays so.
  SignalsNoted();
  ~SignalsNoted();
  SignalsNoted(const SignalsNoted&) = delete;
  SignalsNoted& operator=(const SignalsNoted&) = delete;

  // Says whether one of them came since it was made.
  static bool Any();

 private:
  static constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace certfs
