// Goal: each key of the settings does what its row says, and what is wrong is refused with its line. Method:
// whole files, right and wrong; the example that is installed.

#include "tools/settings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <regex>

#include "tests/support/must.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

constexpr auto kWhole = R"([mount.web]
keystore = "/var/lib/certfs/web"
mountpoint = "/certs"
keyfile = "/k"
subtree = "stores"
read_only = true
log_level = "debug"
audit_mib = 3
audit_files = 4
high_water = "/h"
[mount."a b"]
keystore = "/ks"
passphrase_file = "/p"
[mount.sealed]
keystore = "/ks"
credential = "certfs.key"
[mount.lost]
keystore = "/ks"
recovery_key = "/r"
[renew]
within = "10d"
mount = "/certs"
[watch.nginx]
entries = ["machine/web", "/certs/stores/vpxd/vpxd"]
command = ["systemctl", "reload", "nginx"]
mount = "/certs"
[watch.shell]
entries = ["machine/web"]
command = "a && b"
)";

TEST(SettingsFile, IsReadWhole) {
  const MachineSettings settings = Must(ParseMachineSettings(kWhole));
  const MountSettings* const web = settings.FindMount("web");
  ASSERT_NE(web, nullptr);
  EXPECT_EQ(web->keystore, "/var/lib/certfs/web");
  EXPECT_EQ(web->mountpoint, "/certs");
  EXPECT_EQ(web->unlock.key_file, "/k");
  EXPECT_TRUE(web->stores_only && web->read_only);
  EXPECT_EQ(web->log_level, "debug");
  EXPECT_TRUE(web->audit_mib == 3 && web->audit_files == 4);
  EXPECT_EQ(web->high_water, "/h");
  const MountSettings* const plain = settings.FindMount("a b");
  ASSERT_NE(plain, nullptr);
  EXPECT_TRUE(plain->mountpoint.empty() && plain->log_level.empty());
  EXPECT_FALSE(plain->stores_only || plain->read_only);
  EXPECT_EQ(plain->unlock.passphrase_file, "/p");
  EXPECT_EQ(settings.FindMount("sealed")->unlock.credential, "certfs.key");
  EXPECT_EQ(settings.FindMount("lost")->unlock.recovery_key, "/r");
  EXPECT_EQ(settings.FindMount("we"), nullptr);
  EXPECT_EQ(settings.renew.within, "10d");
  EXPECT_EQ(settings.renew.mount, "/certs");
  const WatchSettings* const nginx = settings.FindWatch("nginx");
  ASSERT_NE(nginx, nullptr);
  EXPECT_EQ(nginx->entries, (std::vector<std::string>{"machine/web", "/certs/stores/vpxd/vpxd"}));
  EXPECT_EQ(nginx->command, (std::vector<std::string>{"systemctl", "reload", "nginx"}));
  EXPECT_EQ(nginx->mount, "/certs");
  EXPECT_EQ(settings.FindWatch("shell")->command, (std::vector<std::string>{"/bin/sh", "-c", "a && b"}));
}

TEST(SettingsFile, MayBeEmpty) {
  const MachineSettings settings = Must(ParseMachineSettings("# nothing\n"));
  EXPECT_TRUE(settings.mounts.empty() && settings.watches.empty() && settings.renew.within.empty());
}

TEST(SettingsFile, RefusesWithTheLine) {
  const std::string mount = "[mount.web]\nkeystore = \"/k\"\n";
  const std::string watch = "[watch.web]\n";
  const std::pair<std::string, std::string> cases[] = {
      {"\nmounts = 1\n", "line 2: 'mounts' is not a key that is known; did you mean 'mount'?"},
      {mount + "keyfle = \"/x\"\n", "line 3: 'keyfle' is not a key that is known; did you mean 'keyfile'?"},
      {mount + "frobnicate = 1\n", "line 3: 'frobnicate' is not a key that is known"},
      {"[renew]\nfrob = 1\n", "line 2: 'frob'"},
      {watch + "comand = \"x\"\n", "line 2: 'comand' is not a key that is known; did you mean 'command'?"},
      {"[mount.web]\nmountpoint = \"/m\"\n", "line 1: [mount.web] has no keystore"},
      {"[mount.web]\nkeystore = 1\n", "line 2: keystore is a text"},
      {"[mount.web]\nkeystore = \"\"\n", "line 2: keystore is a text"},
      {"[mount.web]\nkeystore = \"ks\"\n", "line 2: keystore is an absolute path"},
      {mount + "mountpoint = \"m\"\n", "line 3: mountpoint is an absolute path"},
      {mount + "keyfile = \"k\"\n", "line 3: keyfile is an absolute path"},
      {mount + "passphrase_file = \"p\"\n", "line 3: passphrase_file is an absolute path"},
      {mount + "recovery_key = \"p\"\n", "line 3: recovery_key is an absolute path"},
      {mount + "credential = 7\n", "line 3: credential is a text"},
      {mount + "keyfile = \"/k\"\ncredential = \"c\"\n", "line 4: credential stands beside keyfile"},
      {mount + "subtree = \"export\"\n", "line 3: subtree can only be \"stores\""},
      {mount + "read_only = \"yes\"\n", "line 3: read_only is true or false"},
      {mount + "log_level = \"loud\"\n", "line 3: log_level is error, warning, info or debug"},
      {mount + "audit_mib = 0\n", "line 3: audit_mib is a number from 1 to 1024"},
      {mount + "audit_files = \"4\"\n", "line 3: audit_files is a number from 2 to 200"},
      {"mount = 3\n", "line 1: mount has tables: [mount.NAME]"},
      {"[mount]\nweb = 3\n", "line 2: mount.web is a table"},
      {"[mount.\"a/b\"]\nkeystore = \"/k\"\n", "line 1: 'a/b': a name has no '/'"},
      {"[renew]\nwithin = \"soon\"\n", "line 2: within is a number of days"},
      {"[renew]\nwithin = \"30\"\n", "line 2: within is a number of days"},
      {"[renew]\nwithin = 30\n", "line 2: within is a text"},
      {"[renew]\nmount = \"m\"\n", "line 2: mount is an absolute path"},
      {"renew = 1\n", "line 1: renew is a table"},
      {watch + "command = \"x\"\n", "line 1: [watch.web] has no entries"},
      {watch + "entries = [\"a/b\"]\n", "line 1: [watch.web] has no command"},
      {watch + "entries = \"a/b\"\ncommand = \"x\"\n", "line 2: entries is a list of words"},
      {watch + "entries = [\"a/b\"]\ncommand = \"\"\n", "line 3: command is empty"},
      {watch + "entries = [\"a/b\"]\ncommand = []\n", "line 3: command is a list of words"},
      {watch + "entries = [\"a/b\"]\ncommand = \"x\"\nmount = \"m\"\n", "line 4: mount is an absolute path"},
      {mount + "keystore = \"/l\"\n", "line 3: "},
      {"[mount.web\n", "line 1: "},
      {"\xff", "not UTF-8"},
  };
  for (const auto& [text, words] : cases) {
    const auto settings = ParseMachineSettings(text);
    ASSERT_FALSE(settings.has_value()) << text;
    EXPECT_EQ(settings.error().code(), ErrorCode::kInvalidArgument) << text;
    EXPECT_NE(settings.error().message().find(words), std::string::npos)
        << text << settings.error().message();
  }
}

TEST(SettingsFile, NamesTheFile) {
  const ScratchDirectory scratch;
  const std::filesystem::path file = scratch.Write("certfs.toml", "[renew]\nfrob = 1\n");
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  const auto wrong = ReadMachineSettings(file.string());
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().message().find(file.string() + ": line 2: "), 0u) << wrong.error().message();
  EXPECT_FALSE(ReadMachineSettings((scratch / "none").string()).has_value());
  ASSERT_EQ(chmod(file.c_str(), 0666), 0);
  const auto open = ReadMachineSettings(file.string());
  ASSERT_FALSE(open.has_value());
  EXPECT_NE(open.error().message().find("others may write it"), std::string::npos);
}

TEST(SettingsFile, SaysWhichTablesThereAre) {
  MachineSettings settings = Must(ParseMachineSettings(kWhole));
  settings.file = "/s.toml";
  EXPECT_EQ(NoSuchTable(settings, "mount", "wbe").message(),
            "/s.toml: has no [mount.wbe]; did you mean 'web'?; a path would have a '/' in it");
  EXPECT_EQ(NoSuchTable(settings, "watch", "ngnix").message(),
            "/s.toml: has no [watch.ngnix]; did you mean 'nginx'?; a path would have a '/' in it");
  EXPECT_NE(NoSuchTable({}, "mount", "web").message().find("is not there"), std::string::npos);
}

// Goal: the file that is installed explains every key, and is right once its comment signs are gone.
TEST(SettingsFile, TheExampleHasAllKeys) {
  std::ifstream in(std::string(CERTFS_SOURCE_DIR) + "/tools/examples/certfs.toml");
  const std::string example{std::istreambuf_iterator<char>(in), {}};
  EXPECT_TRUE(Must(ParseMachineSettings(example)).mounts.empty());
  std::string whole = std::regex_replace(example, std::regex("#([a-z\\[])"), "$1");
  for (const SettingRow& row : SettingRows())
    EXPECT_NE(whole.find("\n" + std::string(row.key) + " = "), std::string::npos) << row.key;
  // One way to unlock is enough.
  whole = std::regex_replace(whole, std::regex("(passphrase_file|credential|recovery_key) = [^\n]*"), "");
  const MachineSettings settings = Must(ParseMachineSettings(whole));
  EXPECT_NE(settings.FindMount("web"), nullptr);
  EXPECT_NE(settings.FindWatch("nginx"), nullptr);
}

}  // namespace
}  // namespace certfs
