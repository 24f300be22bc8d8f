// Times of one operation, and what the programs of this folder print of them.
//
// Thread-safety: none.

#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace certfs::bench {

// A measurement that cannot be made ends the program: there is no number to print.
[[noreturn]] inline void Die(const std::string& what, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), why.c_str());
  std::exit(1);
}
[[noreturn]] inline void DieOfErrno(const std::string& what) { Die(what, std::strerror(errno)); }

class Samples {
 public:
  // Runs `operation` and keeps how long it took.
  template <typename Operation>
  void Time(Operation&& operation) {
    const auto start = std::chrono::steady_clock::now();
    operation();
    microseconds_.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }

  double p50() const {
    if (microseconds_.empty()) Die("samples", "nothing was measured");
    std::vector<double> sorted = microseconds_;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }

  // One line: the first, the median and the mean, in microseconds.
  void Print() const {
    if (microseconds_.empty()) Die("samples", "nothing was measured");
    std::vector<double> sorted = microseconds_;
    std::sort(sorted.begin(), sorted.end());
    double sum = 0;
    for (const double each : sorted) sum += each;
    std::printf("%.3f %.3f %.3f\n", microseconds_.front(), sorted[sorted.size() / 2],
                sum / static_cast<double>(sorted.size()));
  }

 private:
  std::vector<double> microseconds_;
};

}  // namespace certfs::bench
