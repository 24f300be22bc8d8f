// Goal: mounts are found, and their paths are those that a user would type. Method: a mountinfo as proc(5)
// describes it, broken ones, and this process's own.

#include "fs/fuse/mount_table.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <algorithm>

namespace certfs {
namespace {

TEST(MountTable, ReadsWhatTheKernelWrites) {
  const auto mounts = ParseMountTable(
      "22 27 0:20 / /proc rw,nosuid shared:12 - proc proc rw\n"
      "90 27 0:50 / /mnt/my\\040certs\\134x rw,nosuid,nodev shared:5 master:3 - fuse.certfs "
      "/var/lib/key\\040store rw\n"
      "92 27 0:50 /stores /srv/bound rw - fuse.certfs /var/lib/key\\040store rw\n");
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[0].type, "proc");
  EXPECT_EQ(mounts[1].id, 90);
  EXPECT_EQ(mounts[1].mountpoint, "/mnt/my certs\\x");
  EXPECT_EQ(mounts[1].type, kMountType);
  EXPECT_EQ(mounts[1].source, "/var/lib/key store");
  EXPECT_EQ(mounts[1].root, "/");
  EXPECT_EQ(mounts[1].device, makedev(0, 50));
  EXPECT_EQ(mounts[2].root, "/stores");
}

TEST(MountTable, PassesOverOddLines) {
  EXPECT_TRUE(ParseMountTable("").empty());
  EXPECT_TRUE(ParseMountTable("\n1 2 3\n").empty());
  const auto mounts = ParseMountTable("1 2 3\n93 27 0:52 / /a rw - fuse.certfs s rw\n");
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].mountpoint, "/a");
}

TEST(MountTable, HasTheKernelsOwn) {
  const auto mounts = ReadMountTable();
  ASSERT_TRUE(mounts.has_value());
  EXPECT_TRUE(std::any_of(mounts.value().begin(), mounts.value().end(),
                          [](const MountTableEntry& mount) { return mount.mountpoint == "/proc"; }));
}

}  // namespace
}  // namespace certfs
