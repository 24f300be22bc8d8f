// The process that wakes watchers, and what it does not do for a daemon that was taken over.
//
// Goal: it touches nothing but a mount of certfs where it was told that one is, and no name leads it
// elsewhere. Method: orders about a directory that is none, with a file of the name that it renames. What it
// does for a mount tests/mount/watch_test.py has.

#include "fs/fuse/waker_process.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

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

}  // namespace
}  // namespace certfs::test
