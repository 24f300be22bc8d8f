// Goal: what a confined process gave up it does not get, and what it works with it keeps. Method: children
// that confine themselves and try; each attempt is made before as well, where it must come to something else.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <functional>
#include <future>
#include <sstream>
#include <thread>

#include "crypto/base/descriptor.h"
#include "store/audit_log.h"
#include "store/confinement.h"
#include "store/examiner.h"
#include "store/high_water.h"
#include "tests/store/keystore_fixture.h"
#include "tests/support/in_child.h"

namespace certfs {
namespace {

namespace filesystem = std::filesystem;

// "" for a success, else the name of errno.
std::string Outcome(long returned) {
  if (returned >= 0) return "done";
  const char* const name = strerrorname_np(errno);
  return name != nullptr ? name : "errno " + std::to_string(errno);
}

std::string Opened(const filesystem::path& path, int flags) {
  const int file = open(path.c_str(), flags | O_CLOEXEC, 0600);
  const std::string outcome = Outcome(file);
  if (file >= 0) close(file);
  return outcome;
}

// The value of a line of /proc/self/status.
std::string StatusLine(const std::string& label) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(label + ":\t")) return line.substr(label.size() + 2);
  }
  return "none";
}

ConfinementReport Confined(const ConfinementPlan& plan) {
  auto report = Confine(plan);
  if (report.has_value()) return std::move(report).value();
  ConfinementReport failed;
  failed.missing.push_back(report.error().message());
  return failed;
}

// To be looked at.
ConfinementPlan WithProc() {
  ConfinementPlan plan;
  plan.paths = {{"/proc", Reach::kRead}};
  return plan;
}

bool HasLandlock() {
  return syscall(SYS_landlock_create_ruleset, nullptr, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */) > 0;
}

TEST(Confinement, PrivilegesAreGoneForGood) {
  const std::string said = InChild([] {
    const ConfinementReport report = Confined(WithProc());
    return StatusLine("CapEff") + " " + StatusLine("CapPrm") + " " + StatusLine("CapBnd") + " " +
           StatusLine("CapAmb") + " " + StatusLine("NoNewPrivs") + " " + StatusLine("Seccomp") + " " +
           (report.Text() == OwnConfinement().Text() ? "told" : "untold");
  });
  const std::string none(16, '0');
  const std::string bounding = geteuid() == 0 ? none : StatusLine("CapBnd");
  EXPECT_EQ(said, none + " " + none + " " + bounding + " " + none + " 1 2 told");
  EXPECT_EQ(OwnConfinement().Text(), "");
}

TEST(Confinement, ACapabilityThatIsNeededStays) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has any";
  const std::string said = InChild([] {
    ConfinementPlan plan = WithProc();
    plan.capabilities = 1ULL << CAP_CHOWN;
    Confined(plan);
    return StatusLine("CapEff") + " " + StatusLine("CapBnd");
  });
  EXPECT_EQ(said, "0000000000000001 0000000000000001");
}

// With all capabilities, so that it is the filter which refuses, and with arguments that no call takes.
TEST(Confinement, EveryRefusedCallIsRefused) {
  const std::string said = InChild([] {
    ConfinementPlan plan;
    plan.capabilities = ~std::uint64_t{0};
    if (!Confined(plan).filtered || Outcome(syscall(SYS_ptrace, -1, -1, -1, -1)) != "EPERM")
      return std::string("no filter");
    std::string wrong;
    int tried = 0;
    for (const std::string_view each : RefusedCalls()) {
      const int number = seccomp_syscall_resolve_name(std::string(each).c_str());
      if (number < 0) continue;  // Of another processor.
      ++tried;
      const std::string outcome = Outcome(syscall(number, -1L, -1L, -1L, -1L, -1L, -1L));
      if (outcome != "EPERM") wrong += std::string(each) + ": " + outcome + "\n";
    }
    // fchmodat2, setxattrat, removexattrat and file_setattr, which the library may not know by name.
    for (const int number : {452, 463, 466, 469}) {
      const std::string outcome = Outcome(syscall(number, -1L, -1L, -1L, -1L, -1L, -1L));
      if (outcome != "EPERM") wrong += std::to_string(number) + ": " + outcome + "\n";
    }
    return wrong + (tried > 60 ? "" : "only " + std::to_string(tried) + " calls");
  });
  EXPECT_EQ(said, "");
}

TEST(Confinement, WhatDependsOnArgumentsIsRefusedByThem) {
  const auto attempt = [](bool confined) {
    return InChild([confined] {
      if (confined) Confined({});
      std::string said;
      const auto say = [&](const std::string& what) { said += what + "\n"; };
      say("inet " + Outcome(socket(AF_INET, SOCK_STREAM, 0)));
      say("netlink " + Outcome(socket(AF_NETLINK, SOCK_RAW, 0)));
      say("unix " + Outcome(socket(AF_UNIX, SOCK_STREAM, 0)));
      say("dumpable " + Outcome(prctl(PR_SET_DUMPABLE, 1)));
      // The kernel takes the lower half.
      say("dumpable by a long word " + Outcome(syscall(SYS_prctl, (1L << 32) | PR_SET_DUMPABLE, 1, 0, 0, 0)));
      say("tracer " + Outcome(syscall(SYS_prctl, PR_SET_PTRACER, getppid(), 0, 0, 0)));
      say("undumpable " + Outcome(prctl(PR_SET_DUMPABLE, 0)));
      rlimit limit{};
      say("getrlimit " + Outcome(getrlimit(RLIMIT_NOFILE, &limit)));
      say("setrlimit " + Outcome(setrlimit(RLIMIT_NOFILE, &limit)));
      const long child = syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
      if (child == 0) _exit(0);
      say("namespace " + Outcome(child));
      say("clone3 " + Outcome(syscall(SYS_clone3, nullptr, 0)));
      const pid_t process = fork();
      if (process == 0) _exit(0);
      say("process " + Outcome(process));
      std::thread([&] { say("thread done"); }).join();
      say("signal to another " + Outcome(kill(getppid(), SIGCONT)));
      say("signal to a thread of another " + Outcome(syscall(SYS_tgkill, getppid(), getppid(), SIGCONT)));
      std::array<int, 2> ends{};
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
      const int parent = getppid();
      const f_owner_ex owner{F_OWNER_PID, parent};
      say("owner " + Outcome(fcntl(ends[0], F_SETOWN, parent)));
      say("owner by a long word " + Outcome(syscall(SYS_fcntl, ends[0], (1L << 32) | F_SETOWN, parent)));
      say("owner of a kind " + Outcome(fcntl(ends[0], F_SETOWN_EX, &owner)));
      say("owner of a file " + Outcome(ioctl(ends[0], FIOSETOWN, &parent)));
      say("owner of a socket " + Outcome(ioctl(ends[0], SIOCSPGRP, &parent)));
      say("other signal " + Outcome(fcntl(ends[0], F_SETSIG, SIGKILL)));
      say("flags " + Outcome(fcntl(ends[0], F_SETFL, O_NONBLOCK)));
      say("own signal " + Outcome(kill(getpid(), SIGCONT)));
      say("own thread " + Outcome(syscall(SYS_tgkill, getpid(), gettid(), SIGCONT)));
      return said;
    });
  };
  if (geteuid() == 0) {
    // EINVAL where there is no Yama.
    const std::string tracer = InChild([] { return Outcome(prctl(PR_SET_PTRACER, getppid(), 0, 0, 0)); });
    EXPECT_EQ(attempt(false),
              "inet done\nnetlink done\nunix done\ndumpable done\ndumpable by a long word done\ntracer " +
                  tracer +
                  "\nundumpable done\ngetrlimit done\n"
                  "setrlimit done\nnamespace done\nclone3 EINVAL\nprocess done\nthread done\n"
                  "signal to another done\nsignal to a thread of another done\n"
                  "owner done\nowner by a long word done\nowner of a kind done\nowner of a file done\nowner "
                  "of a socket done\n"
                  "other signal done\nflags done\nown signal done\nown thread done\n");
  }
  EXPECT_EQ(
      attempt(true),
      "inet EPERM\nnetlink EPERM\nunix done\ndumpable EPERM\ndumpable by a long word EPERM\ntracer EPERM\n"
      "undumpable done\ngetrlimit done\n"
      "setrlimit EPERM\nnamespace EPERM\nclone3 ENOSYS\nprocess EPERM\nthread done\n"
      "signal to another EPERM\nsignal to a thread of another EPERM\n"
      "owner EPERM\nowner by a long word EPERM\nowner of a kind EPERM\nowner of a file EPERM\nowner of a "
      "socket EPERM\n"
      "other signal EPERM\nflags done\nown signal done\nown thread done\n");
}

TEST(Confinement, TheFilterReachesThreadsThatAreThereAndThoseThatCome) {
  const std::string said = InChild([] {
    std::promise<void> confined;
    std::string earlier;
    std::thread before([&] {
      confined.get_future().wait();
      earlier = Outcome(socket(AF_INET, SOCK_STREAM, 0));
    });
    const ConfinementReport report = Confined({});
    confined.set_value();
    before.join();
    std::string later;
    std::thread([&] { later = Outcome(socket(AF_INET, SOCK_STREAM, 0)); }).join();
    return (report.filtered ? "" : "no filter ") + earlier + " " + later;
  });
  EXPECT_EQ(said, "EPERM EPERM");
}

TEST(Confinement, OnlyThePathsOfThePlanCanBeOpened) {
  if (!HasLandlock()) GTEST_SKIP() << "this kernel has no landlock";
  const TemporaryDirectory kept;
  const TemporaryDirectory shown;
  const TemporaryDirectory other;
  for (const TemporaryDirectory* each : {&kept, &shown, &other}) std::ofstream(each->path() / "file") << "x";
  // Whoever makes the link would choose what it leads to.
  const filesystem::path link = other.path() / "link";
  filesystem::create_symlink(other.path() / "file", link);
  const auto attempt = [&](bool confined) {
    return InChild([&, confined] {
      const int open_before = open((other.path() / "file").c_str(), O_RDONLY);
      ConfinementPlan plan;
      plan.paths = {{kept.path(), Reach::kKeep},
                    {shown.path(), Reach::kRead},
                    {"/dev/null", Reach::kWrite},
                    {link, Reach::kWrite},
                    {"/there/is/no/such", Reach::kRead}};
      if (confined && Confined(plan).landlock == 0) return std::string("no landlock");
      std::string said;
      const auto say = [&](const std::string& what) { said += what + "\n"; };
      say("write kept " + Opened(kept.path() / "file", O_RDWR | O_TRUNC));
      say("make kept " + Opened(kept.path() / "new", O_WRONLY | O_CREAT));
      say("unnamed kept " + Opened(kept.path(), O_RDWR | O_TMPFILE));
      say("rename kept " + Outcome(rename((kept.path() / "new").c_str(), (kept.path() / "newer").c_str())));
      say("unlink kept " + Outcome(unlink((kept.path() / "newer").c_str())));
      say("mkdir kept " + Outcome(mkdir((kept.path() / "directory").c_str(), 0700)));
      rmdir((kept.path() / "directory").c_str());
      say("read shown " + Opened(shown.path() / "file", O_RDONLY));
      say("write shown " + Opened(shown.path() / "file", O_WRONLY));
      say("make shown " + Opened(shown.path() / "new", O_WRONLY | O_CREAT));
      unlink((shown.path() / "new").c_str());
      say("read other " + Opened(other.path() / "file", O_RDONLY));
      say("write link " + Opened(link, O_WRONLY));
      say("list other " + Opened(other.path(), O_RDONLY | O_DIRECTORY));
      say("unlink other " + Outcome(unlink((other.path() / "file").c_str())));
      say("null " + Opened("/dev/null", O_WRONLY));
      say("zero " + Opened("/dev/zero", O_RDONLY));
      say("passwd " + Opened("/etc/passwd", O_RDONLY));
      char byte = 0;
      say("open before " + Outcome(read(open_before, &byte, 1)));
      return said;
    });
  };
  EXPECT_EQ(
      attempt(true),
      "write kept done\nmake kept done\nunnamed kept done\nrename kept done\nunlink kept done\n"
      "mkdir kept EACCES\nread shown done\nwrite shown EACCES\nmake shown EACCES\nread other EACCES\n"
      "write link EACCES\nlist other EACCES\nunlink other EACCES\nnull done\nzero EACCES\npasswd EACCES\n"
      "open before done\n");
  EXPECT_EQ(attempt(false),
            "write kept done\nmake kept done\nunnamed kept done\nrename kept done\nunlink kept done\n"
            "mkdir kept done\nread shown done\nwrite shown done\nmake shown done\nread other done\n"
            "write link done\nlist other done\nunlink other done\nnull done\nzero done\npasswd done\nopen "
            "before done\n");
}

// Whoever owns a file may say who reads it, and have it executed as himself: landlock lets him.
TEST(Confinement, NoFileGetsAnotherModeOrOwnerOrTime) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "file";
  std::ofstream(path) << "x";
  const auto attempt = [&](bool confined) {
    return InChild([&, confined] {
      const int file = open(path.c_str(), O_RDONLY);
      // Also not where it may make and remove files.
      if (confined) Confined({{{directory.path(), Reach::kKeep}}, {}, 0});
      std::string said;
      const auto say = [&](const std::string& what) { said += what + "\n"; };
      say("chmod " + Outcome(chmod(path.c_str(), 04755)));
      say("fchmod " + Outcome(fchmod(file, 0666)));
      say("fchmodat " + Outcome(fchmodat(AT_FDCWD, path.c_str(), 0600, 0)));
      say("chown " + Outcome(chown(path.c_str(), geteuid(), getegid())));
      say("fchown " + Outcome(fchown(file, geteuid(), getegid())));
      say("utimensat " + Outcome(utimensat(AT_FDCWD, path.c_str(), nullptr, 0)));
      // Whether the filesystem has these or not.
      const auto is_refused = [&](unsigned long control, void* argument) {
        return ioctl(file, control, argument) != 0 && errno == EPERM ? "refused" : "not refused";
      };
      int flags = 0;
      fsxattr attributes{};
      fsverity_enable_arg verity{};
      say(std::string("flags ") + is_refused(FS_IOC_SETFLAGS, &flags));
      say(std::string("attributes ") + is_refused(FS_IOC_FSSETXATTR, &attributes));
      say(std::string("version ") + is_refused(FS_IOC_SETVERSION, &flags));
      say(std::string("verity ") + is_refused(FS_IOC_ENABLE_VERITY, &verity));
      say("lease " + Outcome(fcntl(file, F_SETLEASE, F_RDLCK)));
      return said;
    });
  };
  EXPECT_EQ(attempt(true),
            "chmod EPERM\nfchmod EPERM\nfchmodat EPERM\nchown EPERM\nfchown EPERM\nutimensat EPERM\n"
            "flags refused\nattributes refused\nversion refused\nverity refused\nlease EPERM\n");
  EXPECT_EQ(
      attempt(false),
      "chmod done\nfchmod done\nfchmodat done\nchown done\nfchown done\nutimensat done\n"
      "flags not refused\nattributes not refused\nversion not refused\nverity not refused\nlease done\n");
}

TEST(Confinement, OtherProcessesGetNoSignal) {
  const auto attempt = [](bool confined) {
    return InChild([confined] {
      const bool scoped = !confined || Confined({}).landlock >= 6;
      const std::string of_parent = Outcome(kill(getppid(), 0));
      return (scoped ? "" : "older ") + of_parent + " " + Outcome(kill(getpid(), 0));
    });
  };
  const std::string confined = attempt(true);
  if (confined.starts_with("older")) GTEST_SKIP() << "this kernel's landlock knows no signals";
  EXPECT_EQ(confined, "EPERM done");
  EXPECT_EQ(attempt(false), "done done");
}

// Landlock's other scope: who listens there has no file that says who may come.
TEST(Confinement, NobodyIsReachedByAnAbstractSocket) {
  sockaddr_un address{AF_UNIX, {}};
  const std::string name = "certfs-confinement-" + std::to_string(getpid());
  std::copy(name.begin(), name.end(), address.sun_path + 1);  // Behind a zero.
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const auto* const given = reinterpret_cast<const sockaddr*>(&address);
  const Descriptor listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(listening.number(), given, size), 0) << std::strerror(errno);
  ASSERT_EQ(listen(listening.number(), 2), 0);
  const auto attempt = [&](bool confined) {
    return InChild([&] {
      const bool scoped = !confined || Confined({}).landlock >= 6;
      const int line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      return (scoped ? "" : "older ") + Outcome(connect(line, given, size));
    });
  };
  EXPECT_EQ(attempt(false), "done");
  const std::string confined = attempt(true);
  if (confined.starts_with("older")) GTEST_SKIP() << "this kernel's landlock knows no sockets";
  EXPECT_EQ(confined, "EPERM");
}

TEST(Confinement, AKeystoreIsServedAllTheSame) {
  const TemporaryDirectory parent;
  const filesystem::path directory = parent.path() / "keystore";
  FixedClock clock;
  Must(Keystore::Create(directory, TestSecret(), kRoot, clock.get()));
  const Bytes key = VectorOf("leaf.key");
  const Bytes certificate = VectorOf("leaf.pem");
  const filesystem::path high_water = parent.path() / "elsewhere" / "high-water";
  filesystem::create_directory(high_water.parent_path());
  const auto serve_as = [&](const std::string& alias) -> std::string {
    ConfinementPlan plan = PlanForKeystore(directory, Reach::kKeep);
    plan.paths.push_back(PathOfHighWater(high_water));
    if (!StartExaminer().has_value()) return "no examiner";  // Nothing confined starts a process.
    if (!Confined(plan).filtered) return "no filter";
    const auto serve = [&]() -> Result<std::string> {
      const auto keystore = TRY(Keystore::Open(directory, TestSecret(), clock.get()));
      const auto kept = TRY(HighWater::Keep(*keystore, high_water));
      const auto store = TRY(TRY(keystore->Snapshot())->FindStore(NameOf("machine")));
      const Entry entry = TRY(keystore->CreateEntry(store->number, AliasOf(alias), kRoot, 0755));
      TRY(keystore->WriteFile(entry.number, Member::kKey, key, kRoot, {}));
      const auto written =
          TRY(keystore->WriteFile(entry.number, Member::kCertificate, certificate, kRoot, {}));
      return ReadText(*TRY(keystore->Snapshot()), written.entry, Member::kCertificate);
    };
    const auto served = serve();
    return served.has_value() ? served.value() : served.error().message();
  };
  // The first one makes the high-water file.
  EXPECT_EQ(InChild([&] { return serve_as("www"); }), AsText(certificate));
  EXPECT_TRUE(filesystem::exists(high_water));
  EXPECT_EQ(InChild([&] { return serve_as("copy"); }), AsText(certificate));
}

TEST(Confinement, AMistakeInThePlanGivesUpNothing) {
  const auto attempt = [](const ConfinementPlan& plan) {
    return InChild([&] {
      const auto report = Confine(plan);
      return std::string(report.has_value() ? "confined" : ToString(report.error().code())) + " " +
             StatusLine("NoNewPrivs") + " " + StatusLine("Seccomp");
    });
  };
  ConfinementPlan plan;
  plan.paths = {{"/there/is/no/such", Reach::kKeep}};
  EXPECT_EQ(attempt(plan), "not-found 0 0");
  plan.paths.clear();
  plan.calls = {"umuont2"};
  EXPECT_EQ(attempt(plan), "invalid-argument 0 0");
}

TEST(Confinement, ACallThatIsNeededIsLeft) {
  ConfinementPlan plan;
  plan.calls = {"umount2"};
  plan.capabilities = ~std::uint64_t{0};
  const std::string said = InChild([&] {
    Confined(plan);
    return Outcome(syscall(SYS_umount2, "/there/is/no/such", -1)) + " " +
           Outcome(syscall(SYS_mount, nullptr, nullptr, nullptr, -1, nullptr));
  });
  EXPECT_EQ(said, geteuid() == 0 ? "EINVAL EPERM" : "EPERM EPERM");
}

}  // namespace
}  // namespace certfs
