// Goal: what mount(8) says reaches `certfs mount` in its words, and what nobody knows is refused by name.
// Method: a table of helper command lines.

#include "tools/fstab_mount.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"
#include "tools/mount_options.h"

namespace certfs {
namespace {

using Words = std::vector<std::string>;

Result<Words> Translate(const Words& options, bool sloppy = false) {
  FstabMount mount;
  mount.source = "/ks";
  mount.directory = "/m";
  mount.options = options;
  mount.sloppy = sloppy;
  return CertfsArguments(mount);
}

TEST(FstabMount, SaysItInTheWordsOfCertfs) {
  EXPECT_EQ(Must(Translate({})), (Words{"certfs", "mount", "--", "/ks", "/m"}));
  EXPECT_EQ(Must(Translate({"rw,keyfile=/k,subtree=stores,ro"})),
            (Words{"certfs", "mount", "-o", "rw", "--keyfile=/k", "-o", "subtree=stores", "-o", "ro", "--",
                   "/ks", "/m"}));
  EXPECT_EQ(
      Must(Translate({"defaults,nofail,_netdev,noauto,x-systemd.requires=a.service,user,comment=mine"})),
      (Words{"certfs", "mount", "--", "/ks", "/m"}));
  EXPECT_EQ(Must(Translate({"passphrase-file=/p,settings=/s,log-level=debug"})),
            (Words{"certfs", "mount", "--passphrase-file=/p", "--settings=/s", "--log-level=debug", "--",
                   "/ks", "/m"}));
  EXPECT_EQ(Must(Translate({"keyfile=\"/a,b\""}))[2], "--keyfile=/a,b");
}

// Whatever mount(8) has for all file systems, and `defaults` stands for, is taken.
TEST(FstabMount, TakesWhatAnyFileSystemTakes) {
  EXPECT_EQ(Must(Translate({"rw,suid,dev,exec,auto,nouser,async"})),
            (Words{"certfs", "mount", "-o", "rw", "--", "/ks", "/m"}));
  EXPECT_EQ(Must(Translate({"sync,dirsync,nosuid,nodev,noexec"})),
            (Words{"certfs", "mount", "-o", "sync", "-o", "dirsync", "-o", "nosuid", "-o", "nodev", "-o",
                   "noexec", "--", "/ks", "/m"}));
  EXPECT_EQ(Must(Translate({"atime,noatime,diratime,nodiratime,relatime,norelatime,strictatime,"
                            "nostrictatime,lazytime,nolazytime,silent,loud"})),
            (Words{"certfs", "mount", "--", "/ks", "/m"}));
}

// What is known depends on who asks.
TEST(MountOptions, NamesWhatTheReaderTakes) {
  const std::string fstab = FindMountOption("frobnicate", MountOptionsOf::kMount8).error().message();
  const std::string own = FindMountOption("frobnicate", MountOptionsOf::kCertfsMount).error().message();
  for (const char* name : {"subtree=stores", "ro", "audit-mib=NUMBER"}) {
    EXPECT_NE(fstab.find(name), std::string::npos) << fstab;
    EXPECT_NE(own.find(name), std::string::npos) << own;
  }
  for (const char* name :
       {"keyfile=FILE", "passphrase-file=FILE", "recovery-key=FILE", "log-level=LEVEL", "settings=FILE"}) {
    EXPECT_NE(fstab.find(name), std::string::npos) << fstab;
    EXPECT_EQ(own.find(name), std::string::npos) << own;
  }
}

TEST(FstabMount, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"frobnicate", "-o frobnicate: there is no such option"},
      {"keyfle=/k", "-o keyfle=/k: there is no such option; did you mean 'keyfile'?"},
      {"keyfile", "-o keyfile: needs a value: keyfile=FILE"},
      {"keyfile=", "needs a value"},
      {"ro=1", "-o ro=1: takes no value"},
      {"suid=1", "-o suid=1: takes no value"},
      {"nosymfollow", "-o nosymfollow: there is no such option"},
      {"remount", "-o remount: what is mounted keeps its options; unmount it, and mount it anew"},
  };
  for (const auto& [option, words] : cases) {
    const auto end = Translate({option});
    ASSERT_FALSE(end.has_value()) << option;
    EXPECT_NE(end.error().message().find(words), std::string::npos) << end.error().message();
  }
  EXPECT_TRUE(Translate({"frobnicate,ro"}, true).has_value()) << "mount -s";
  FstabMount mount;
  mount.type = "ext4";
  EXPECT_FALSE(CertfsArguments(mount).has_value());
  mount.type = "certfs";
  mount.name_space = "/proc/1/ns/mnt";
  EXPECT_FALSE(CertfsArguments(mount).has_value());
}

TEST(FstabMount, IsCalledAsMountCallsHelpers) {
  FstabMount mount;
  const auto parser = MakeFstabParser(mount);
  const char* line[] = {"mount.certfs", "/ks", "/m",        "-s", "-f",    "-n",
                        "-v",           "-o",  "rw,nofail", "-t", "certfs"};
  parser->parse(std::size(line), line);
  EXPECT_EQ(mount.source, "/ks");
  EXPECT_EQ(mount.directory, "/m");
  EXPECT_EQ(mount.options, Words{"rw,nofail"});
  EXPECT_TRUE(mount.sloppy && mount.fake && mount.no_mtab && mount.verbose);
}

}  // namespace
}  // namespace certfs
