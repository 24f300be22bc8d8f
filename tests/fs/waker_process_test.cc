// The process that wakes watchers, and what it does not do for a daemon that was taken over.
//
// Goal: it touches nothing but a mount of certfs where it was told that one is, and no name leads it
// elsewhere. Method: orders about a directory that is none, with a file of the name that it renames. What it
// does for a mount tests/mount/watch_test.py has.

#include "fs/fuse/waker_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/fs/hung_filesystem.h"
#include "tests/support/in_child.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace certfs::test {
namespace {

class WakerProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    waker_ = Must(WakerProcess::Start(directory_.Path("mnt")));
    std::filesystem::create_directory(directory_.Path("mnt"));
    directory_.Write(std::string("mnt/") + kWakerName, AsBytes("new"));
    directory_.Write("mnt/cert.pem", AsBytes("old"));
    struct stat status {};
    ASSERT_EQ(stat(directory_.Path("mnt").c_str(), &status), 0);
    device_ = status.st_dev;
  }
  void TearDown() override {
    const pid_t process = waker_.process();
    waker_ = WakerProcess();
    waitpid(process, nullptr, 0);
  }

  // The errno.
  int Order(WakerAction action, const std::string& directory, const std::string& name) {
    EXPECT_TRUE(waker_.Send({action, device_, directory, name}));
    return Must(waker_.Receive());
  }
  std::string Content(const std::string& name) const {
    std::ifstream file(directory_.Path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const TemporaryDirectory directory_;
  WakerProcess waker_;
  dev_t device_ = 0;
};

TEST_F(WakerProcessTest, WhereNoCertfsIsMountedNothingIsRenamed) {
  for (const char* const directory : {".", "..", "", "/"}) {
    EXPECT_EQ(Order(WakerAction::kRename, directory, "cert.pem"), ESTALE) << directory;
    EXPECT_EQ(Order(WakerAction::kAttribute, directory, "."), ESTALE) << directory;
  }
  EXPECT_EQ(Content("mnt/cert.pem"), "old");
  EXPECT_EQ(Content(std::string("mnt/") + kWakerName), "new");
}

TEST_F(WakerProcessTest, NamesThatLeadElsewhereAreRefused) {
  for (const char* const name : {"", "..", "../cert.pem", "/etc/passwd", "mnt/cert.pem"}) {
    EXPECT_EQ(Order(WakerAction::kRename, ".", name), EINVAL) << name;
    EXPECT_EQ(Order(WakerAction::kAttribute, ".", name), EINVAL) << name;
  }
  EXPECT_EQ(Order(WakerAction::kRename, ".", "."), EINVAL);
  EXPECT_EQ(Order(static_cast<WakerAction>(7), ".", "cert.pem"), EINVAL);
}

// It goes on after whatever it was sent.
TEST_F(WakerProcessTest, WhatIsTooLongIsNoOrder) {
  const std::string longest(9000, 'x');
  EXPECT_EQ(Order(WakerAction::kRename, longest, "cert.pem"), EINVAL);
  EXPECT_EQ(Order(WakerAction::kRename, ".", "cert.pem"), ESTALE);
}

// Without asking the filesystem that is mounted there.
dev_t DeviceAt(const std::string& path) {
  struct statx found {};
  EXPECT_EQ(statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC, 0, &found), 0);
  return makedev(found.stx_dev_major, found.stx_dev_minor);
}

// Where one is mounted, no way leads out of it. Nobody answers there: whatever is asked about is refused
// before.
TEST(WakerProcessOfAMount, StaysWithinIt) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may mount";
  const TemporaryDirectory directory;
  const std::string said = InChild([&] {
    const std::string mountpoint = directory.Path("mnt");
    std::filesystem::create_directory(mountpoint);
    HungFilesystem mounted;
    const std::string failure = mounted.Mount(mountpoint, "fuse.certfs");
    if (!failure.empty()) return "cannot hang: " + failure;
    struct stat beside {};
    if (stat(directory.Path("").c_str(), &beside) != 0) return std::string("no directory");
    WakerProcess waker = Must(WakerProcess::Start(mountpoint));
    std::string outcomes;
    for (const dev_t device : {DeviceAt(mountpoint), beside.st_dev}) {
      for (const std::string& path :
           {std::string(".."), std::string("../mnt"), std::string("/"), directory.Path("")}) {
        if (!waker.Send({WakerAction::kRename, device, path, "cert.pem"})) return std::string("not sent");
        outcomes += strerrorname_np(Must(waker.Receive())) + std::string(" ");
      }
    }
    return outcomes;
  });
  if (said.starts_with("cannot hang: ")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "EXDEV EXDEV EXDEV EXDEV ESTALE ESTALE ESTALE ESTALE ");
}

}  // namespace
}  // namespace certfs::test
