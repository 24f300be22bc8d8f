#include "store/second_thread.h"

#include <pthread.h>

#include <csignal>

namespace certfs {

std::jthread StartThread(std::function<void()> work) {
  // A thread inherits its maker's mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::jthread thread(std::move(work));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace certfs
