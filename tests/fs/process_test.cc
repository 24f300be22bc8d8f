// What a daemon finds out about its callers by itself.
//
// Goal: confined, so that it can send nobody a signal, it tells whose thread a thread is as before. Method: a
// child that asks about both threads of this process.

#include "fs/fuse/process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "store/confinement.h"
#include "tests/support/in_child.h"

namespace certfs {
namespace {

TEST(ProcessTable, TellsTheProcessOfAThread) {
  std::promise<pid_t> second;
  std::promise<void> done;
  std::thread thread([&] {
    second.set_value(gettid());
    done.get_future().wait();
  });
  const pid_t number = second.get_future().get();
  const pid_t process = getpid();
  ASSERT_NE(number, process);
  for (const bool confined : {false, true}) {
    const std::string said = InChild([&] {
      ConfinementPlan plan;
      plan.paths = {{"/proc", Reach::kRead}};
      if (confined && !Confine(plan).has_value()) return std::string("not confined");
      const ProcessTable& processes = RealProcesses();
      return std::to_string(processes.ProcessOf(process)) + " " + std::to_string(processes.ProcessOf(number));
    });
    EXPECT_EQ(said, std::to_string(process) + " " + std::to_string(process)) << "confined: " << confined;
  }
  done.set_value();
  thread.join();
}

}  // namespace
}  // namespace certfs
