// Goal: the services of a change are found and told, and what cannot be told is said. Method: files of
// services, right and wrong; commands that write down what they see, fail, or never end.

#include "tools/certificate_manager/services.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "tests/support/must.h"
#include "tests/tools/scratch_directory.h"
#include "tools/system.h"

namespace certfs {
namespace {

constexpr auto kFile = R"(
reload = ["service-control", "--restart"]
timeout_seconds = 7
[[service]]
name = "vpxd"
entries = ["vpxd", "MACHINE_SSL_CERT/__MACHINE_CERT"]
[[service]]
name = "nginx"
entries = ["machine_ssl_cert"]
command = ["systemctl", "reload", "nginx"]
timeout_seconds = 3
[[service]]
name = "all"
entries = ["*"]
command = "true && true"
)";

std::string Names(const std::vector<Service>& services, const std::vector<std::string>& changed) {
  std::string names;
  for (const Service* each : ServicesOf(services, changed)) names += each->name + " ";
  return names;
}

TEST(Services, AreReadInTheirOrder) {
  const std::vector<Service> services = Must(ParseServices(kFile));
  ASSERT_EQ(services.size(), 3u);
  EXPECT_EQ(services[0].command, (std::vector<std::string>{"service-control", "--restart", "vpxd"}));
  EXPECT_EQ(services[0].timeout, std::chrono::seconds(7));
  EXPECT_EQ(services[1].command, (std::vector<std::string>{"systemctl", "reload", "nginx"}));
  EXPECT_EQ(services[1].timeout, std::chrono::seconds(3));
  EXPECT_EQ(services[2].command, (std::vector<std::string>{"/bin/sh", "-c", "true && true"}));
  EXPECT_TRUE(Must(ParseServices("")).empty());
}

TEST(Services, OfAChange) {
  const std::vector<Service> services = Must(ParseServices(kFile));
  EXPECT_EQ(Names(services, {"MACHINE_SSL_CERT/__MACHINE_CERT"}), "vpxd nginx all ");
  EXPECT_EQ(Names(services, {"machine_ssl_cert/__machine_cert"}), "vpxd nginx all ") << "case is no matter";
  EXPECT_EQ(Names(services, {"MACHINE_SSL_CERT/other"}), "nginx all ");
  EXPECT_EQ(Names(services, {"vpxd-extension/vpxd-extension"}), "all ");
  EXPECT_EQ(Names(services, {"vpxd/vpxd", "hvc/hvc"}), "vpxd all ");
  EXPECT_EQ(Names(services, {}), "");
}

TEST(Services, WrongFilesNameTheLine) {
  struct Case {
    std::string file;
    std::string words;
  };
  const std::string service = "[[service]]\nname = \"x\"\n";
  for (const Case& each : {
           Case{"x = ", "line 1"},
           Case{"reload = \"x\"", "line 1: reload is a list of words"},
           Case{"reload = []", "reload is a list of words"},
           Case{"reload = [1]", "reload is a list of words"},
           Case{"\nother = 1", "line 2: 'other' is not a key that is known"},
           Case{"service = 1", "services are tables"},
           Case{"service = [1]", "a service is a table"},
           Case{"[[service]]\nentries = [\"x\"]", "a service has a name"},
           Case{service, "x: names no entries"},
           Case{service + "entries = \"*\"", "line 3: entries is a list of words"},
           Case{service + "entries = [\"a/b/c\"]", "'a/b/c' is neither STORE nor STORE/ALIAS nor *"},
           Case{service + "entries = [\"*\"]", "x: has no command, and there is no 'reload' for all"},
           Case{service + "entries = [\"*\"]\ncommand = \"\"", "command is empty"},
           Case{service + "entries = [\"*\"]\ncommand = [\"\"]", "command is a list of words"},
           Case{service + "entries = [\"*\"]\ncommand = 1", "command is a list of words"},
           Case{service + "entries = [\"*\"]\ncommand = \"x\"\nuser = 1", "line 5: 'user' is not a key"},
           Case{"timeout_seconds = 0", "a number from 1 to 3600"},
           Case{"timeout_seconds = 3601", "a number from 1 to 3600"},
           Case{"timeout_seconds = \"1\"", "a number from 1 to 3600"},
       }) {
    const auto services = ParseServices(each.file);
    ASSERT_FALSE(services.has_value()) << each.file;
    EXPECT_EQ(services.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(services.error().message().find(each.words), std::string::npos) << services.error().message();
  }
}

TEST(Services, AFileThatOthersMayWriteIsNotRun) {
  const ScratchDirectory scratch;
  const auto file = scratch.Write("services.toml", kFile);
  EXPECT_EQ(Must(ReadServices(file)).size(), 3u);
  std::filesystem::permissions(file, std::filesystem::perms::group_write, std::filesystem::perm_options::add);
  const auto refused = ReadServices(file);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message().find("others may write it"), std::string::npos);
  EXPECT_EQ(ReadServices(scratch / "none").error().code(), ErrorCode::kInvalidArgument);
  const auto wrong = ReadServices(scratch.Write("wrong.toml", "x"));
  EXPECT_NE(wrong.error().message().find("wrong.toml: line 1"), std::string::npos) << wrong.error().message();
}

TEST(Services, ACommandSeesWhatChanged) {
  const ScratchDirectory scratch;
  const std::string seen = (scratch / "seen").string();
  Service service{"web", {"vpxd", "machine/a"}, {}, std::chrono::seconds(60)};
  service.command = {"/bin/sh", "-c", "echo \"$CERTFS_SERVICE|$CERTFS_ENTRY|$CERTFS_MOUNT\" > " + seen};
  const std::vector<std::string> changed{"vpxd/x", "machine/b", "machine/a"};
  Must(Reload(service, changed, "/mnt"));
  std::ifstream in(seen);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "web|vpxd/x\nmachine/a|/mnt\n");
}

TEST(Services, WhatFailsIsSaid) {
  struct Case {
    std::vector<std::string> command;
    std::string words;
  };
  const std::vector<std::string> changed{"vpxd/x"};
  for (const Case& each :
       {Case{{"/bin/sh", "-c", "exit 7"}, "exit code 7"}, Case{{"/bin/sh", "-c", "kill -9 $$"}, "signal 9"},
        Case{{"no-such-command-anywhere"}, "exit code 127"}, Case{{"/"}, "exit code 126"}}) {
    const auto failed = Reload({"web", {"*"}, each.command, std::chrono::seconds(60)}, changed, "/mnt");
    ASSERT_FALSE(failed.has_value()) << each.words;
    EXPECT_EQ(failed.error().code(), ErrorCode::kRejected);
    EXPECT_EQ(failed.error().message(), "web: was not reloaded: its command ended with " + each.words);
  }
}

// What it started ends with it: nothing of it writes any more.
TEST(Services, WhatNeverEndsIsEnded) {
  const ScratchDirectory scratch;
  const std::string pid = (scratch / "pid").string();
  Service service{"web", {"*"}, {}, std::chrono::seconds(5)};
  service.command = {"/bin/sh", "-c", "sleep 600 & echo $! > " + pid + "; wait"};
  const std::vector<std::string> changed{"vpxd/x"};
  const auto failed = Reload(service, changed, "/mnt");
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().message(), "web: took longer than 5 seconds");
  std::ifstream in(pid);
  pid_t sleeper = 0;
  in >> sleeper;
  ASSERT_GT(sleeper, 0);
  const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, sleeper, 0)));
  if (!process.open()) return;  // It is gone already.
  pollfd ended{process.number(), POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, 60'000), 1) << "it goes on";
}

TEST(Services, ACommandOfTheCommandLineIsForEverything) {
  const std::vector<Service> services{ServiceOfCommand("exit 3")};
  EXPECT_EQ(Names(services, {"any/thing"}), "reload command ");
  const std::vector<std::string> changed{"any/thing"};
  EXPECT_NE(Reload(services.front(), changed, "/mnt").error().message().find("exit code 3"),
            std::string::npos);
}

}  // namespace
}  // namespace certfs
