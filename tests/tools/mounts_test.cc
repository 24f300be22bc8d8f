#include "tools/mounts.h"

#include <gtest/gtest.h>

namespace certfs {
namespace {

// Goal: certfs mounts are found among others, and escaped paths are read. Method: a mountinfo as proc(5)
// describes it.
TEST(Mounts, AreFoundInMountinfo) {
  const auto mounts = ParseMounts(
      "22 27 0:20 / /proc rw,nosuid shared:12 - proc proc rw\n"
      "90 27 0:50 / /mnt/my\\040certs\\134x rw,nosuid,nodev shared:5 master:3 - fuse.certfs "
      "/var/lib/key\\040store rw\n"
      "91 27 0:51 / /mnt/other rw - fuse.sshfs host:/ rw\n"
      "92 27 0:50 /stores /srv/bound rw - fuse.certfs /var/lib/key\\040store rw\n"
      "93 27 0:52 / /certs rw - fuse.certfs /k rw\n");
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_EQ(mounts[0].mountpoint, "/mnt/my certs\\x");
  EXPECT_EQ(mounts[0].source, "/var/lib/key store");
  EXPECT_EQ(mounts[1].mountpoint, "/certs");
}

// Goal: broken lines are passed over. Method: lines cut short, and an escape that is none.
TEST(Mounts, SurviveOddLines) {
  EXPECT_TRUE(ParseMounts("").empty());
  EXPECT_TRUE(ParseMounts("\n1 2 3\n90 27 0:50 / /x rw -\n").empty());
  const auto mounts = ParseMounts("93 27 0:52 / /a\\09 rw - fuse.certfs s\\ rw\n");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].mountpoint, "/a\\09");
}

}  // namespace
}  // namespace certfs
