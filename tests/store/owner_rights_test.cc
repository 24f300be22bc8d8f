// Goal: root in somebody else's directory opens what that one could open and nothing else, for as long as it
// is meant to, in that thread alone. Method: a directory of another user beneath one that is closed to him,
// with a file of root's and a way to another one.

#include "store/owner_rights.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "store/opened_keystore.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {
namespace {

namespace filesystem = std::filesystem;

constexpr uid_t kUser = 65534;
constexpr gid_t kGroup = 12345;

// "" for one that can be opened for writing.
std::string Outcome(const filesystem::path& file) {
  const Descriptor opened(open(file.c_str(), O_RDWR | O_CLOEXEC));
  return opened.open() ? "" : strerrorname_np(errno);
}

class OwnerRightsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root has the rights of others";
    filesystem::create_directory(his());
    for (const filesystem::path& each : {his() / "his", his() / "roots", elsewhere()}) {
      std::ofstream(each) << "what stands in it";
      filesystem::permissions(each, filesystem::perms(0600));
    }
    filesystem::create_symlink(elsewhere(), his() / "link");
    for (const filesystem::path& each : {his(), his() / "his"})
      ASSERT_EQ(chown(each.c_str(), kUser, kGroup), 0);
  }
  filesystem::path his() const { return directory_.path() / "his"; }
  filesystem::path elsewhere() const { return directory_.path() / "elsewhere"; }

  TemporaryDirectory directory_;  // Closed to all but root.
};

TEST_F(OwnerRightsTest, AreThoseOfTheOwner) {
  std::promise<void> taken;
  std::string of_another_thread;
  std::thread other([&] {
    taken.get_future().wait();
    of_another_thread = Outcome(elsewhere());
  });
  {
    const auto rights = Must(OwnerRights::Take(his()));
    EXPECT_TRUE(rights->taken());
    taken.set_value();
    other.join();
    EXPECT_EQ(of_another_thread, "");
    EXPECT_EQ(Outcome(rights->directory() / "his"), "");
    EXPECT_EQ(Outcome(rights->directory() / "roots"), "EACCES");
    EXPECT_EQ(Outcome(rights->directory() / "link"), "EACCES");
    EXPECT_EQ(Outcome(elsewhere()), "EACCES");
    const Descriptor made(
        open((rights->directory() / "made").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    struct stat status {};
    ASSERT_EQ(fstat(made.number(), &status), 0);
    EXPECT_EQ(status.st_uid, kUser);
    EXPECT_EQ(status.st_gid, kGroup);
  }
  for (const filesystem::path& each : {his() / "his", his() / "roots", his() / "link", elsewhere()})
    EXPECT_EQ(Outcome(each), "") << each;
}

TEST_F(OwnerRightsTest, AreNotThoseOfRootsGroups) {
  constexpr gid_t kOther = 54321;
  ASSERT_EQ(chown(elsewhere().c_str(), 0, kOther), 0);
  filesystem::permissions(elsewhere(), filesystem::perms(0660));
  filesystem::permissions(directory_.path(), filesystem::perms(0711));
  std::vector<gid_t> before(static_cast<std::size_t>(getgroups(0, nullptr)));
  ASSERT_GE(getgroups(static_cast<int>(before.size()), before.data()), 0);
  ASSERT_EQ(setgroups(1, &kOther), 0);
  {
    const auto rights = Must(OwnerRights::Take(his()));
    EXPECT_EQ(Outcome(rights->directory() / "link"), "EACCES");
    EXPECT_EQ(getgroups(0, nullptr), 0);
  }
  gid_t now = 0;
  EXPECT_EQ(getgroups(1, &now), 1);
  EXPECT_EQ(now, kOther);
  ASSERT_EQ(setgroups(before.size(), before.data()), 0);
}

TEST_F(OwnerRightsTest, AreRootsWhereRootIsTheOwner) {
  const auto rights = Must(OwnerRights::Take(directory_.path()));
  EXPECT_FALSE(rights->taken());
  EXPECT_EQ(rights->directory(), directory_.path());
  EXPECT_EQ(Outcome(elsewhere()), "");
}

TEST(OwnerRights, OfADirectoryThatIsNotThere) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has the rights of others";
  EXPECT_EQ(CodeOf(OwnerRights::Take("/there/is/no/such")), ErrorCode::kIo);
}

// Root makes, opens and writes a keystore that is somebody else's as that one, who may open it all.
TEST_F(OwnerRightsTest, AreEnoughForAKeystore) {
  const filesystem::path directory = his() / "keystore";
  filesystem::create_directory(directory);
  ASSERT_EQ(chown(directory.c_str(), kUser, kGroup), 0);
  Must(Keystore::Create(directory, TestSecret(), kRoot, FixedClock().get()));
  const auto expect_owned = [&] {
    for (const auto& each : filesystem::directory_iterator(directory)) {
      struct stat status {};
      ASSERT_EQ(lstat(each.path().c_str(), &status), 0);
      EXPECT_EQ(status.st_uid, kUser) << each.path();
      EXPECT_EQ(status.st_gid, kGroup) << each.path();
      EXPECT_EQ(status.st_mode & 07777, 0600U) << each.path();
    }
  };
  expect_owned();
  filesystem::remove(directory / "lock.mdb");
  {
    const auto keystore = Must(Keystore::Open(directory, TestSecret(), FixedClock().get()));
    Must(keystore->CreateStore(NameOf("web"), kRoot, 0755));
  }
  Must(RewriteData(directory,
                   Must(Must(UnlockedHeader::Open(Must(Header::Load(directory)), TestSecret())).Keys())));
  Must(Keystore::Open(directory, TestSecret(), FixedClock().get()));
  expect_owned();
  // What he may not open himself is not opened for him.
  ASSERT_EQ(chown((directory / "lock.mdb").c_str(), 0, 0), 0);
  EXPECT_EQ(CodeOf(Keystore::Open(directory, TestSecret(), FixedClock().get())), ErrorCode::kIo);
}

}  // namespace
}  // namespace certfs
