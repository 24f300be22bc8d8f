#include "store/second_thread.h"

#include <csignal>
#include <memory>
#include <system_error>

namespace certfs {

namespace {

// Holds all signals back while it lives; a thread inherits its maker's mask.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

extern "C" void* RunWork(void* given) {
  const std::unique_ptr<std::function<void()>> work(static_cast<std::function<void()>*>(given));
  (*work)();
  return nullptr;
}

}  // namespace

SecondThread::SecondThread(std::function<void()> work) {
  auto given = std::make_unique<std::function<void()>>(std::move(work));
  const SignalsBlocked blocked;
  const int code = pthread_create(&thread_, nullptr, RunWork, given.get());
  if (code == 0) {
    running_ = true;
    static_cast<void>(given.release());  // RunWork has it now.
    return;
  }
  failure_ = Error(ErrorCode::kNoMemory, "no thread can be made: " + std::generic_category().message(code));
}

void SecondThread::Join() {
  if (running_) pthread_join(thread_, nullptr);
  running_ = false;
}

}  // namespace certfs
