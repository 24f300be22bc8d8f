#include "tools/interruption.h"

namespace certfs {

namespace {

volatile std::sig_atomic_t noted = 0;
void Note(int) { noted = 1; }

}  // namespace

SignalsNoted::SignalsNoted() {
  noted = 0;
  struct sigaction action {};
  action.sa_handler = Note;
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) sigaction(kSignals[i], &action, nullptr);
  }
}

SignalsNoted::~SignalsNoted() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

bool SignalsNoted::Any() { return noted != 0; }

}  // namespace certfs
