// Mounter: what becomes of a mount whose next daemon cannot be started, seen or ended.
//
// Goal: what passes is passed over, what does not gives the mount up in time, and there are never two
// daemons. Method: a mounter in a process of its own, over a mount that it never makes; its daemons do what
// each test has them do.

#include "fs/fuse/mounter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "tests/fs/hung_filesystem.h"
#include "tests/support/in_child.h"
#include "tests/support/program.h"

namespace certfs::test {
namespace {

using std::chrono::milliseconds;

// What the process of a mounter does at each attempt to have a daemon, the first being 1.
struct Story {
  // In the mounter: why there is no secret, if there is none.
  std::function<Result<void>(int)> secret = [](int) { return Result<void>(); };
  // In the daemon, which ends with what it returns.
  std::function<int(int, MounterLine&)> daemon;
  // In the mounter, when a daemon answers.
  std::function<void()> ready = [] {};
};

// Returns "CODE, attempts: N, ready: N", with the error in the place of the code if there is one.
std::string Keep(const Story& story, MounterPatience patience = {}) {
  int attempts = 0;
  int ready = 0;
  MounterHooks hooks;
  hooks.secret = [&](const auto& by) -> Result<Descriptor> {
    // Nobody is hurried before he keeps somebody waiting.
    if (by.has_value() != (ready > 0)) return Error(ErrorCode::kInternal, "another deadline");
    TRY(story.secret(++attempts));
    return Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
  };
  hooks.serve = [&](DaemonParts parts) -> Result<int> { _exit(story.daemon(attempts, parts.line)); };
  hooks.ready = [&](const MountPoint&) {
    ++ready;
    story.ready();
  };
  Mounter mounter(std::make_unique<MountPoint>(MountOptions()), std::move(hooks), patience);
  const auto end = mounter.Run();
  const std::string said = end.has_value() ? std::to_string(end.value()) : end.error().message();
  return said + ", attempts: " + std::to_string(attempts) + ", ready: " + std::to_string(ready);
}

// A daemon that serves and is then killed, as often as anybody likes.
[[noreturn]] void ServeAndBeKilled(MounterLine& line) {
  line.Ready();
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

TEST(Mounter, WhatPassesIsTriedAgain) {
  const std::string said = InChild([] {
    Story story;
    story.secret = [](int attempt) -> Result<void> {
      if (attempt == 2) return Error(ErrorCode::kIo, "no process");
      if (attempt == 3) return Error(ErrorCode::kNoMemory, "no descriptor");
      return {};
    };
    story.daemon = [](int attempt, MounterLine& line) {
      if (attempt == 1) ServeAndBeKilled(line);
      line.Ready();
      return 0;
    };
    return Keep(story);
  });
  EXPECT_EQ(said, "0, attempts: 4, ready: 2");
}

TEST(Mounter, FiveFailuresInARowAreTheEnd) {
  const std::string said = InChild([] {
    Story story;
    story.secret = [](int attempt) -> Result<void> {
      if (attempt > 1) return Error(ErrorCode::kIo, "no process");
      return {};
    };
    story.daemon = [](int, MounterLine& line) -> int { ServeAndBeKilled(line); };
    return Keep(story);
  });
  EXPECT_EQ(said, "the mount is given up: 5 daemons in a row failed, attempts: 6, ready: 1");
}

TEST(Mounter, WhatDoesNotPassIsTheEndAtOnce) {
  const std::string said = InChild([] {
    Story story;
    story.secret = [](int attempt) -> Result<void> {
      if (attempt > 1) return Error(ErrorCode::kNotFound, "no key");
      return {};
    };
    story.daemon = [](int, MounterLine& line) -> int { ServeAndBeKilled(line); };
    return Keep(story);
  });
  EXPECT_EQ(said, "no key, attempts: 2, ready: 1");
}

TEST(Mounter, WhereNobodyIsServedYetEveryFailureIsTheEnd) {
  const std::string said = InChild([] {
    Story story;
    story.secret = [](int) -> Result<void> { return Error(ErrorCode::kIo, "no process"); };
    return Keep(story);
  });
  EXPECT_EQ(said, "no process, attempts: 1, ready: 0");
}

// Typing a passphrase may take longer than callers wait.
TEST(Mounter, WhoeverGivesTheFirstSecretMayTakeHisTime) {
  const std::string said = InChild([] {
    constexpr milliseconds kPatience{3000};
    Story story;
    story.secret = [&](int) -> Result<void> {
      std::this_thread::sleep_for(kPatience + milliseconds(100));
      return {};
    };
    story.daemon = [](int, MounterLine& line) {
      // The mounter looks at the time after each question.
      static_cast<void>(line.processes().ExecutableOf(getpid()));
      line.Ready();
      return 0;
    };
    MounterPatience patience;
    patience.successor = kPatience;
    return Keep(story, patience);
  });
  EXPECT_EQ(said, "0, attempts: 1, ready: 1");
}

// Where the mounter has no descriptor left to look with, its daemon lives all the same.
TEST(Mounter, ADaemonThatCannotBeSeenIsNotTakenForDead) {
  const std::string said = InChild([] {
    Story story;
    story.ready = [] {
      // Of the standard ones none is free.
      const rlimit standard{STDERR_FILENO + 1, STDERR_FILENO + 1};
      if (setrlimit(RLIMIT_NOFILE, &standard) != 0 || open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) abort();
    };
    story.daemon = [](int, MounterLine& line) {
      line.Ready();
      // So that the mounter looks some times, which it does twice a second where nothing happens.
      std::this_thread::sleep_for(milliseconds(2000));
      return 0;
    };
    return Keep(story);
  });
  EXPECT_EQ(said, "0, attempts: 1, ready: 1");
}

// Nor is one that is stopped left to keep its callers waiting: it is ended, and another one takes over.
TEST(Mounter, ADaemonThatIsStoppedForTooLongIsEnded) {
  const std::string said = InChild([] {
    Story story;
    story.daemon = [](int attempt, MounterLine& line) {
      line.Ready();
      if (attempt > 1) return 0;
      const pid_t mounter = getppid();
      const pid_t daemon = getpid();
      if (fork() == 0) {
        // Where nobody ends the daemon this does, and its mounter, so that the test has an end, too.
        constexpr unsigned int kGivenUpSeconds = 30;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != daemon) _exit(0);
        sleep(kGivenUpSeconds);
        kill(mounter, SIGTERM);
        kill(daemon, SIGCONT);
        _exit(0);
      }
      raise(SIGSTOP);
      return 7;  // It went on.
    };
    MounterPatience patience;
    patience.stopped = milliseconds(500);
    return Keep(story, patience);
  });
  EXPECT_EQ(said, "0, attempts: 2, ready: 2");
}

// What is said of a mount whose first daemon is `first`, which may look for what never answers by looking at
// the path that it is given; as its successors do.
std::string KeepWhereItHangs(const std::function<void(const std::string&, MounterLine&)>& first) {
  const TemporaryDirectory directory;
  return InChild([&] {
    HungFilesystem hung;
    const std::string failure = hung.Mount(directory.Path(""));
    if (!failure.empty()) return "cannot hang: " + failure;
    Story story;
    story.daemon = [&](int attempt, MounterLine& line) {
      const std::string path = directory.Path("file");
      if (attempt == 1) first(path, line);
      struct stat status {};
      return stat(path.c_str(), &status);
    };
    MounterPatience patience;
    patience.successor = milliseconds(2000);
    patience.end = milliseconds(500);
    return Keep(story, patience);
  });
}

TEST(Mounter, ASuccessorThatCannotBeEndedKeepsNobodyWaiting) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may mount what hangs";
  const std::string said =
      KeepWhereItHangs([](const std::string&, MounterLine& line) { ServeAndBeKilled(line); });
  if (said.starts_with("cannot hang: ")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "the mount is given up: its daemon cannot be ended, attempts: 2, ready: 1");
}

// Not even where it served, and it was somebody else who killed it.
TEST(Mounter, ADaemonThatCannotBeEndedKeepsNobodyWaiting) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may mount what hangs";
  const std::string said = KeepWhereItHangs([](const std::string& path, MounterLine& line) {
    line.Ready();
    const pid_t daemon = getpid();
    if (fork() == 0) {
      std::this_thread::sleep_for(milliseconds(300));  // By then it waits.
      kill(daemon, SIGKILL);
      _exit(0);
    }
    struct stat status {};
    stat(path.c_str(), &status);
  });
  if (said.starts_with("cannot hang: ")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "the mount is given up: its daemon cannot be ended, attempts: 1, ready: 1");
}

}  // namespace
}  // namespace certfs::test
