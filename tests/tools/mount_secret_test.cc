// How the secret comes to one daemon after the other.
//
// Goal: each has it, from wherever it comes; nobody who reads it holds up the mounter for ever. Method: key
// files, and FIFOs, which are to be had once, and which hang where nobody writes to them.

#include "tools/mount_secret.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <thread>

#include "tests/support/in_child.h"
#include "tests/support/must.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

using Clock = std::chrono::steady_clock;

std::string TextOf(Descriptor pipe) {
  const auto secret = ReceiveSecret(pipe.number());
  return secret.has_value() ? std::string(AsText(secret.value().bytes.Reveal())) : secret.error().message();
}

UnlockOptions WithKeyFile(const std::filesystem::path& file) {
  UnlockOptions unlock;
  unlock.key_file = file.string();
  return unlock;
}

UnlockOptions WithPassphraseFile(const std::filesystem::path& file) {
  UnlockOptions unlock;
  unlock.passphrase_file = file.string();
  return unlock;
}

// A child of this process; 0 while there is none.
pid_t FirstChild() {
  pid_t child = 0;
  std::ifstream("/proc/" + std::to_string(getpid()) + "/task/" + std::to_string(getpid()) + "/children") >>
      child;
  return child;
}

TEST(MountSecret, AKeyFileIsReadForEachDaemon) {
  const ScratchDirectory scratch;
  const std::string first(32, 'k');
  const std::string second(32, 'l');
  MountSecret secret(scratch / "keystore", WithKeyFile(scratch.Write("key", first)), Descriptor());
  EXPECT_EQ(TextOf(Must(secret.Get({}))), first);
  scratch.Write("key", second);
  EXPECT_EQ(TextOf(Must(secret.Get({}))), second);
  EXPECT_EQ(secret.kept(), -1);
  std::filesystem::remove(scratch / "key");
  const auto gone = secret.Get({});
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code(), ErrorCode::kNotFound);
}

TEST(MountSecret, WhatCanBeReadOnceIsKept) {
  const ScratchDirectory scratch;
  const std::filesystem::path fifo = scratch / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  MountSecret secret(scratch / "keystore", WithPassphraseFile(fifo), Descriptor());
  const pid_t writer = fork();
  if (writer == 0) {
    std::ofstream(fifo) << "open sesame\n";
    _exit(0);
  }
  EXPECT_EQ(TextOf(Must(secret.Get({}))), "open sesame");
  waitpid(writer, nullptr, 0);
  EXPECT_NE(secret.kept(), -1);
  // Nobody writes any more.
  for (int daemon = 0; daemon < 3; ++daemon) EXPECT_EQ(TextOf(Must(secret.Get(Clock::now()))), "open sesame");
}

TEST(MountSecret, WhatHangsIsLeftBehindInTime) {
  const std::string said = InChild([] {
    const ScratchDirectory scratch;
    const std::filesystem::path fifo = scratch / "fifo";
    if (mkfifo(fifo.c_str(), 0600) != 0) return std::string("no FIFO");
    MountSecret secret(scratch / "keystore", WithPassphraseFile(fifo), Descriptor());
    for (int i = 0; i < 2; ++i) {
      const auto late = secret.Get(Clock::now() + std::chrono::milliseconds(100));
      if (late.has_value() || late.error().code() != ErrorCode::kIo) return std::string("not kIo");
    }
    // Whoever was left behind was ended as well.
    int ended = 0;
    while (waitpid(-1, nullptr, 0) > 0) ++ended;
    return std::to_string(ended) + " ended";
  });
  EXPECT_EQ(said, "2 ended");
}

// Whoever has a mount's device keeps the mount from ending.
TEST(MountSecret, WhatHangsHasNothingOfTheMounters) {
  const std::string said = InChild([] {
    const ScratchDirectory scratch;
    const std::filesystem::path fifo = scratch / "fifo";
    std::array<int, 2> device{};
    if (mkfifo(fifo.c_str(), 0600) != 0 || pipe(device.data()) != 0) return std::string("no FIFO");
    MountSecret secret(scratch / "keystore", WithPassphraseFile(fifo), Descriptor());
    pollfd other_end{device[0], POLLIN, 0};
    std::thread looks([&] {
      // Until the reader has been made, and has closed it; this process's own goes with it.
      while (FirstChild() == 0) usleep(1000);
      close(device[1]);
      poll(&other_end, 1, 30'000);
      kill(FirstChild(), SIGTERM);
    });
    const auto none = secret.Get(Clock::now() + std::chrono::minutes(1), {device[1], -1});
    looks.join();
    return std::string((other_end.revents & POLLHUP) != 0 ? "closed" : "open");
  });
  EXPECT_EQ(said, "closed");
}

TEST(MountSecret, WhoIsToldToEndDoesNotWaitForASecret) {
  const std::string said = InChild([] {
    const ScratchDirectory scratch;
    const std::filesystem::path fifo = scratch / "fifo";
    if (mkfifo(fifo.c_str(), 0600) != 0) return std::string("no FIFO");
    sigset_t told;
    sigemptyset(&told);
    sigaddset(&told, SIGTERM);
    sigprocmask(SIG_BLOCK, &told, nullptr);
    kill(getpid(), SIGTERM);
    MountSecret secret(scratch / "keystore", WithPassphraseFile(fifo), Descriptor());
    const auto none = secret.Get({});
    // It holds them back, its reader does not.
    int status = 0;
    waitpid(-1, &status, 0);
    return std::string(ToString(none.has_value() ? ErrorCode::kInternal : none.error().code())) +
           (WIFSIGNALED(status) ? ", " + std::to_string(WTERMSIG(status)) : "");
  });
  EXPECT_EQ(said, std::string(ToString(ErrorCode::kCancelled)) + ", " + std::to_string(SIGTERM));
}

}  // namespace
}  // namespace certfs
