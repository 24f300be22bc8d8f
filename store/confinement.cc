#include "store/confinement.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/landlock.h>
#include <linux/securebits.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include "crypto/base/sanitized.h"
#include "store/files.h"

namespace certfs {

void DropBoundingSet(std::uint64_t kept) noexcept {
  constexpr int kMost = 64;
  for (int each = 0; each < kMost && prctl(PR_CAPBSET_READ, each, 0, 0, 0) >= 0; ++each) {
    if ((kept >> each & 1) == 0) prctl(PR_CAPBSET_DROP, each, 0, 0, 0);
  }
}

namespace {

std::string Words(int error) { return std::generic_category().message(error); }

// --- Privileges

// Returns what failed.
std::vector<std::string> DropCapabilities(std::uint64_t kept) {
  std::vector<std::string> failed;
  // Neither of these is granted to whoever has no privileges, and it has nothing to give up there.
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  DropBoundingSet(kept);
  // Nor does a program that root starts get them back.
  if (kept == 0) prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) return {"capabilities: " + Words(errno)};
  for (__user_cap_data_struct& each : data) {
    const auto part = static_cast<std::uint32_t>(kept);
    each.effective &= part;
    each.permitted &= part;
    each.inheritable = 0;
    kept >>= 32;
  }
  if (syscall(SYS_capset, &header, data.data()) != 0) failed.push_back("capabilities: " + Words(errno));
  return failed;
}

// --- Paths (landlock(7)). What is newer than the headers that certfs is built with stands here by number.

constexpr std::uint64_t kExecute = 1ULL << 0;
constexpr std::uint64_t kWriteFile = 1ULL << 1;
constexpr std::uint64_t kReadFile = 1ULL << 2;
constexpr std::uint64_t kReadDirectory = 1ULL << 3;
constexpr std::uint64_t kRemoveFile = 1ULL << 5;
constexpr std::uint64_t kMakeRegular = 1ULL << 8;
constexpr std::uint64_t kAllOfVersion1 = (1ULL << 13) - 1;
constexpr std::uint64_t kRefer = 1ULL << 13;          // Version 2.
constexpr std::uint64_t kTruncate = 1ULL << 14;       // Version 3.
constexpr std::uint64_t kDeviceControl = 1ULL << 15;  // Version 5.
constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kDeviceControl;
constexpr std::uint64_t kTcp = 3;     // Version 4: to bind and to connect.
constexpr std::uint64_t kScopes = 3;  // Version 6: abstract sockets, and signals.

// As in version 6; the kernel takes a shorter one, of a version that it knows.
struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scopes = 0;
};

std::size_t SizeFor(int version) {
  if (version < 4) return sizeof(std::uint64_t);
  return version < 6 ? 2 * sizeof(std::uint64_t) : sizeof(Ruleset);
}

std::uint64_t FileRightsOf(int version) {
  std::uint64_t rights = kAllOfVersion1;
  if (version >= 2) rights |= kRefer;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kDeviceControl;
  return rights;
}

std::uint64_t RightsOf(Reach reach) {
  std::uint64_t rights = kReadFile | kReadDirectory;
  if (reach != Reach::kRead) rights |= kWriteFile | kTruncate;
  if (reach == Reach::kKeep) rights |= kMakeRegular | kRemoveFile | kRefer;
  return rights;
}

// A path of the plan, opened.
struct OpenPath {
  std::unique_ptr<Descriptor> descriptor;
  std::uint64_t rights = 0;
  std::string name;
};

Result<std::vector<OpenPath>> OpenPaths(const ConfinementPlan& plan) {
  std::vector<OpenPath> paths;
  for (const ReachablePath& each : plan.paths) {
    // Whoever put a link where something is to be written would say what that is.
    const int follow = each.reach == Reach::kWrite ? O_NOFOLLOW : 0;
    auto descriptor = std::make_unique<Descriptor>(open(each.path.c_str(), O_PATH | O_CLOEXEC | follow));
    const int error = descriptor->open() ? 0 : errno;
    if (error != 0 && each.reach != Reach::kKeep) continue;
    if (error != 0)
      return Error(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                   each.path.string() + ": " + Words(error));
    struct stat status {};
    if (fstat(descriptor->number(), &status) != 0) return SystemFailure(each.path.string(), errno);
    if (S_ISLNK(status.st_mode)) continue;
    const std::uint64_t rights = RightsOf(each.reach) & (S_ISDIR(status.st_mode) ? ~0ULL : kOfFiles);
    paths.push_back({std::move(descriptor), rights, each.path.string()});
  }
  return paths;
}

// Returns what failed; nothing was restricted then.
std::optional<std::string> RestrictPaths(const std::vector<OpenPath>& paths, int& version) {
  const long found = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (found < 1) return "landlock: the kernel has none, or it is off (" + Words(errno) + ")";
  Ruleset ruleset;
  ruleset.files = FileRightsOf(static_cast<int>(found));
  ruleset.network = kTcp;
  ruleset.scopes = kScopes;
  const Descriptor rules(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &ruleset, SizeFor(static_cast<int>(found)), 0)));
  if (!rules.open()) return "landlock: " + Words(errno);
  for (const OpenPath& each : paths) {
    landlock_path_beneath_attr rule{};
    rule.allowed_access = each.rights & ruleset.files;
    rule.parent_fd = each.descriptor->number();
    if (syscall(SYS_landlock_add_rule, rules.number(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
      return "landlock: " + each.name + ": " + Words(errno);
  }
  if (syscall(SYS_landlock_restrict_self, rules.number(), 0) != 0) return "landlock: " + Words(errno);
  version = static_cast<int>(found);
  return std::nullopt;
}

// --- System calls

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

constexpr std::uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);

// Newer than the library's table; their numbers are the same for every processor.
struct NewCall {
  std::string_view name;
  int number;
};
constexpr std::array<NewCall, 4> kNewCalls{
    {{"fchmodat2", 452}, {"setxattrat", 463}, {"removexattrat", 466}, {"file_setattr", 469}}};

// __NR_SCMP_ERROR where this machine's processor has no such call.
int NumberOf(const char* name) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number != __NR_SCMP_ERROR) return number;
  for (const NewCall& each : kNewCalls) {
    if (each.name == name) return each.number;
  }
  return number;
}

// Refuses `name` where its arguments are as `arguments` say. A call that this machine's processor has not is
// none to refuse.
int Refuse(void* filter, const char* name, std::vector<scmp_arg_cmp> arguments,
           std::uint32_t action = kRefuse) {
  const int number = NumberOf(name);
  if (number == __NR_SCMP_ERROR) return 0;
  const int failed = seccomp_rule_add_array(filter, action, number, static_cast<unsigned>(arguments.size()),
                                            arguments.data());
  return failed == -EDOM ? 0 : failed;
}

// The kernel reads 32 bits of such an argument, and a filter sees 64.
scmp_arg_cmp IsInt(unsigned argument, std::uint64_t value) {
  constexpr scmp_datum_t kInt = 0xFFFFFFFF;
  return {argument, SCMP_CMP_MASKED_EQ, kInt, value & kInt};
}

// Of ioctl(2): to type into the terminal that the process was started from, and to put there what was copied;
// to have the kernel send signals; and to change attributes of a file, for which it need not be open for
// writing.
constexpr std::array<unsigned long, 11> kRefusedControls{TIOCSTI,
                                                         TIOCLINUX,
                                                         FIOSETOWN,
                                                         SIOCSPGRP,
                                                         FS_IOC_SETFLAGS,
                                                         FS_IOC32_SETFLAGS,
                                                         FS_IOC_SETVERSION,
                                                         FS_IOC32_SETVERSION,
                                                         FS_IOC_FSSETXATTR,
                                                         FS_IOC_SET_ENCRYPTION_POLICY,
                                                         FS_IOC_ENABLE_VERITY};

// What depends on arguments.
int RefuseByArgument(void* filter) {
  int failed = 0;
  const auto refuse = [&](const char* name, std::vector<scmp_arg_cmp> arguments) {
    if (failed == 0) failed = Refuse(filter, name, std::move(arguments));
  };
  // The families of the network, of netlink, of the kernel's ciphers …
  refuse("socket", {SCMP_A0(SCMP_CMP_NE, AF_UNIX)});
  refuse("socketpair", {SCMP_A0(SCMP_CMP_NE, AF_UNIX)});
  for (const auto each : {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                          CLONE_NEWPID, CLONE_NEWNET}) {
    const auto flag = static_cast<scmp_datum_t>(each);
    refuse("clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)});
  }
  // Whoever ends this process ends all of it: it makes threads, and no processes.
  refuse("clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)});
  // Its flags lie in memory, where a filter does not see them; the C library then goes on with clone.
  if (failed == 0) failed = Refuse(filter, "clone3", {}, SCMP_ACT_ERRNO(ENOSYS));
  // Signals to others. That there is a thread is asked by the signal 0.
  const auto self = static_cast<scmp_datum_t>(getpid());
  refuse("kill", {SCMP_A0(SCMP_CMP_NE, self), SCMP_A1(SCMP_CMP_NE, 0)});
  refuse("tgkill", {SCMP_A0(SCMP_CMP_NE, self), SCMP_A2(SCMP_CMP_NE, 0)});
  // … and those that the kernel sends to whoever a descriptor's owner is said to be; and to keep others
  // waiting who open a file.
  for (const auto each : {F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE})
    refuse("fcntl", {IsInt(1, static_cast<unsigned>(each))});
  // To be dumped, and looked into, again.
  refuse("prctl", {IsInt(0, PR_SET_DUMPABLE), SCMP_A1(SCMP_CMP_NE, 0)});
  refuse("prctl", {IsInt(0, PR_SET_PTRACER)});
  refuse("prlimit64", {SCMP_A2(SCMP_CMP_NE, 0)});
  for (const auto each : kRefusedControls) refuse("ioctl", {IsInt(1, each)});
  return failed;
}

// Returns what failed; nothing is filtered then.
std::optional<std::string> FilterCalls(const ConfinementPlan& plan) {
  const Filter filter(seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) return "filter of system calls: no memory";
  // Calls by the numbers of another architecture are not looked at one by one.
  int failed = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, kRefuse);
  // For the threads that are there, too.
  if (failed == 0) failed = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  for (const std::string_view each : RefusedCalls()) {
    const std::string name(each);
    if (std::find(plan.calls.begin(), plan.calls.end(), name) != plan.calls.end()) continue;
    if (failed == 0) failed = Refuse(filter.get(), name.c_str(), {});
  }
  if (failed == 0) failed = RefuseByArgument(filter.get());
  if (failed == 0) failed = seccomp_load(filter.get());
  if (failed == 0) return std::nullopt;
  return "filter of system calls: " + Words(-failed);
}

ConfinementReport& MutableReport() {
  static ConfinementReport report;
  return report;
}

}  // namespace

const std::vector<std::string_view>& RefusedCalls() {
  static const std::vector<std::string_view> calls{
      // Into other processes.
      "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise",
      "move_pages", "migrate_pages", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal",
      "process_mrelease", "sched_setscheduler", "sched_setparam", "sched_setattr", "sched_setaffinity",
      "setpriority", "ioprio_set",
      // Other processes, other programs, and other users.
      "fork", "vfork", "execve", "execveat", "setuid", "setgid", "setreuid", "setregid", "setresuid",
      "setresgid", "setfsuid", "setfsgid", "setgroups", "capset", "personality", "setrlimit",
      // Namespaces and mounts.
      "mount", "umount", "umount2", "pivot_root", "chroot", "unshare", "setns", "fsopen", "fsconfig",
      "fsmount", "fspick", "move_mount", "open_tree", "mount_setattr", "quotactl", "quotactl_fd",
      // Files past their names.
      "open_by_handle_at", "fanotify_init", "mknod", "mknodat", "symlink", "symlinkat",
      // What landlock leaves to the owner of any file: who may read it, and as whom it is executed.
      "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat", "setxattr",
      "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat",
      "file_setattr", "utime", "utimes", "futimesat", "utimensat", "truncate",
      // Memory, semaphores and messages of others.
      "shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd", "msgrcv",
      "msgctl", "mq_open", "mq_unlink",
      // What in the kernel has been broken most.
      "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
      "add_key", "keyctl", "request_key", "modify_ldt", "vmsplice", "remap_file_pages", "lookup_dcookie",
      "uselib", "sysfs", "nfsservctl",
      // The machine.
      "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module",
      "reboot", "swapon", "swapoff", "acct", "syslog", "iopl", "ioperm", "settimeofday", "clock_settime",
      "clock_settime64", "stime", "adjtimex", "clock_adjtime", "clock_adjtime64", "sethostname",
      "setdomainname", "vhangup", "set_mempolicy", "mbind"};
  return calls;
}

std::string ConfinementReport::Text() const {
  std::string text;
  const auto add = [&](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
  if (no_new_privileges) add("no-new-privileges");
  if (without_capabilities) add("no-capabilities");
  if (landlock != 0) add("landlock=" + std::to_string(landlock));
  if (filtered) add("filter");
  return text;
}

Result<ConfinementReport> Confine(const ConfinementPlan& plan) {
  for (const std::string& each : plan.calls) {
    if (seccomp_syscall_resolve_name(each.c_str()) == __NR_SCMP_ERROR)
      return Error(ErrorCode::kInvalidArgument, each + ": there is no such system call");
  }
  const std::vector<OpenPath> paths = TRY(OpenPaths(plan));
  ConfinementReport report;
  report.missing = DropCapabilities(plan.capabilities);
  report.without_capabilities = report.missing.empty();
  report.no_new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  if (!report.no_new_privileges) report.missing.push_back("no_new_privs: " + Words(errno));
  if (auto failed = RestrictPaths(paths, report.landlock)) report.missing.push_back(*failed);
  if (plan.filters) {
    // Last: it refuses what the others take.
    const auto unfiltered = FilterCalls(plan);
    report.filtered = !unfiltered;
    if (unfiltered) report.missing.push_back(*unfiltered);
  }
  MutableReport() = report;
  return report;
}

const ConfinementReport& OwnConfinement() { return MutableReport(); }

ConfinementPlan PlanForKeystore(const std::filesystem::path& directory, Reach reach) {
  ConfinementPlan plan;
  plan.paths = {
      {directory, reach},
      {"/dev/null", Reach::kWrite},
      {"/dev/urandom", Reach::kRead},
      // Who asks, what is mounted, how much memory there is. Of other processes it shows what it shows to
      // everybody.
      {"/proc", Reach::kRead},
      {"/sys/devices/system/cpu", Reach::kRead},
      // Shared objects that are loaded late (OpenSSL's providers, what unwinds a stack), locales, time zones.
      {"/usr", Reach::kRead},
      {"/lib", Reach::kRead},
      {"/lib64", Reach::kRead},
      {"/etc/ld.so.cache", Reach::kRead},
      {"/etc/localtime", Reach::kRead},
      {"/etc/ssl/openssl.cnf", Reach::kRead},
  };
  return plan;
}

}  // namespace certfs

#if CERTFS_ADDRESS_SANITIZED
// LeakSanitizer's own hook. It looks for leaks by ptrace(2), which a confined process has given up.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the name is its own.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() { return certfs::OwnConfinement().Text().empty() ? 0 : 1; }
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
#endif
