#include "tests/store/call_tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <list>
#include <map>
#include <mutex>
#include <utility>

namespace certfs {

namespace {

// What is watched; nothing where that is null. A thread may look at one that is no longer watched: none goes.
std::list<std::string> roots;
std::atomic<const std::string*> root = nullptr;
std::mutex planning;
TapPlan planned;  // Guarded by planning.
std::atomic<std::size_t> applicable = 0;
std::atomic<std::size_t> happened = 0;
std::atomic<bool> skip_syncs = false;

// Held across a call and its note, so that the record is in the order of the calls.
std::mutex recording;
std::atomic<std::vector<DiskEvent>*> events = nullptr;
std::map<std::uint64_t, std::uint64_t> numbers;  // By inode, which a later file may get again.
std::uint64_t next_number = 1;

bool Opens(Call call) { return call == Call::kOpen || call == Call::kOpenToWrite || call == Call::kMake; }
bool Changes(Call call) {
  using enum Call;
  return call != kOpen && call != kOpenToWrite && call != kRead && call != kMap;
}

bool CanHappen(const TapPlan& plan, Call call) {
  using enum Call;
  switch (plan.act) {
    case TapPlan::Act::kShorten:
      return call == kWrite;
    case TapPlan::Act::kDieBefore:
    case TapPlan::Act::kDieAfter:
      return Changes(call);
    case TapPlan::Act::kFail:
      break;
  }
  switch (plan.error) {
    case EIO:
      return plan.lasting ? Changes(call) : call != kReserve && call != kMap;
    case ENOSPC:
    case EDQUOT:
      return Changes(call) && call != kTruncate && call != kUnlink;
    case EROFS:
      return call == kOpenToWrite || (Changes(call) && call != kSync);
    case EMFILE:
    case ENFILE:
      return Opens(call);
    case ENOMEM:
      return Opens(call) || call == kMap;
    default:
      return false;
  }
}

enum class Fate { kGoes, kFails, kShort, kLast };

[[noreturn]] void Die() {
  syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
  for (;;) pause();
}

TapPlan PlanNow() {
  const std::lock_guard lock(planning);
  return planned;
}

Fate FateOf(Call call) {
  const TapPlan plan = PlanNow();
  if (!CanHappen(plan, call)) return Fate::kGoes;
  const std::size_t count = ++applicable;
  if (plan.at == 0 || count < plan.at || (count > plan.at && !plan.lasting)) return Fate::kGoes;
  ++happened;
  switch (plan.act) {
    case TapPlan::Act::kFail:
      errno = plan.error;
      return Fate::kFails;
    case TapPlan::Act::kShorten:
      return Fate::kShort;
    case TapPlan::Act::kDieBefore:
      Die();
    case TapPlan::Act::kDieAfter:
      return Fate::kLast;
  }
  return Fate::kGoes;
}

// The path below the watched directory; nothing if it is not there. "" is the directory itself.
bool Below(const char* path, std::string& below) {
  const std::string* const watched = root;
  if (watched == nullptr || path == nullptr) return false;
  const std::string_view whole(path);
  if (!whole.starts_with(*watched)) return false;
  if (whole.size() == watched->size()) {
    below.clear();
    return true;
  }
  if (whole[watched->size()] != '/') return false;
  below = whole.substr(watched->size() + 1);
  return true;
}

bool Below(int file, std::string& below) {
  if (root == nullptr || file < 0) return false;
  std::array<char, 64> link{};
  std::array<char, PATH_MAX + 1> target{};
  snprintf(link.data(), link.size(), "/proc/self/fd/%d", file);
  const ssize_t size = readlink(link.data(), target.data(), target.size() - 1);
  return size > 0 && Below(target.data(), below);
}

// Of locks nothing outlives the machine.
bool IsRecorded(const std::string& name) { return events != nullptr && name != "lock.mdb"; }

std::uint64_t NumberOf(int file) {
  struct stat status {};
  if (fstat(file, &status) != 0) return 0;
  const auto [found, is_new] = numbers.emplace(status.st_ino, next_number);
  if (is_new) ++next_number;
  return found->second;
}

std::uint64_t NumberOf(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return 0;
  const auto [found, is_new] = numbers.emplace(status.st_ino, next_number);
  if (is_new) ++next_number;
  return found->second;
}

// Does a call that `note` describes if it went well. Its result is that of the system call.
template <typename Do, typename Note>
auto Through(Call call, const std::string& name, Do&& call_it, Note&& note) -> decltype(call_it()) {
  const Fate fate = FateOf(call);
  if (fate == Fate::kFails) return -1;
  decltype(call_it()) outcome = -1;
  if (IsRecorded(name)) {
    const std::lock_guard lock(recording);
    outcome = call_it();
    const int code = errno;
    if (outcome >= 0) note();
    errno = code;
  } else {
    outcome = call_it();
  }
  if (fate == Fate::kLast) Die();
  return outcome;
}

long Open(int directory, const char* path, int flags, mode_t mode) {
  const auto open_it = [&] { return syscall(SYS_openat, directory, path, flags, mode); };
  std::string name;
  if (!Below(path, name)) return open_it();
  struct stat there {};
  if ((flags & O_CREAT) == 0 || lstat(path, &there) == 0) {
    const bool reads = (flags & O_ACCMODE) == O_RDONLY;
    if (FateOf(reads ? Call::kOpen : Call::kOpenToWrite) == Fate::kFails) return -1;
    return open_it();
  }
  long opened = -1;
  return Through(
      Call::kMake, name,
      [&] {
        opened = open_it();
        return opened;
      },
      [&] {
        struct stat status {};
        if (fstat(static_cast<int>(opened), &status) != 0) return;
        numbers[status.st_ino] = next_number++;
        events.load()->push_back({DiskEvent::Kind::kMake, numbers[status.st_ino], name, {}, 0, {}, false});
      });
}

// Writes at `offset`, or where the file stands if that is negative.
ssize_t Write(int file, const iovec* parts, int count, off_t offset) {
  std::string name;
  const bool watched = Below(file, name);
  const auto write_it = [&](const iovec* what, int how_many) -> ssize_t {
    if (offset >= 0) return syscall(SYS_pwrite64, file, what->iov_base, what->iov_len, offset);
    return syscall(SYS_writev, file, what, how_many);
  };
  if (!watched) return write_it(parts, count);
  Fate fate = FateOf(Call::kWrite);
  if (fate == Fate::kFails) return -1;
  iovec half{parts->iov_base, (parts->iov_len + 1) / 2};
  const bool is_short = fate == Fate::kShort;
  const iovec* const what = is_short ? &half : parts;
  const int how_many = is_short ? 1 : count;
  ssize_t written = -1;
  if (IsRecorded(name)) {
    const std::lock_guard lock(recording);
    const int flags = fcntl(file, F_GETFL);
    struct stat status {};
    off_t at = offset;
    if ((flags & O_APPEND) != 0) {
      at = fstat(file, &status) == 0 ? status.st_size : 0;
    } else if (at < 0) {
      at = lseek(file, 0, SEEK_CUR);
    }
    written = write_it(what, how_many);
    const int code = errno;
    DiskEvent event{DiskEvent::Kind::kWrite, NumberOf(file), name, {}, static_cast<std::uint64_t>(at), {},
                    (flags & O_DSYNC) != 0};
    auto left = static_cast<std::size_t>(written > 0 ? written : 0);
    for (int i = 0; i < how_many && left > 0; ++i) {
      const std::size_t size = std::min(left, what[i].iov_len);
      const auto* const bytes = static_cast<const std::uint8_t*>(what[i].iov_base);
      event.bytes.insert(event.bytes.end(), bytes, bytes + size);
      left -= size;
    }
    if (written > 0) events.load()->push_back(std::move(event));
    errno = code;
  } else {
    written = write_it(what, how_many);
  }
  if (fate == Fate::kLast) Die();
  return written;
}

ssize_t Read(int file, void* bytes, std::size_t size, off_t offset) {
  std::string name;
  if (Below(file, name) && FateOf(Call::kRead) == Fate::kFails) return -1;
  if (offset >= 0) return syscall(SYS_pread64, file, bytes, size, offset);
  return syscall(SYS_read, file, bytes, size);
}

int Sync(int file, long number) {
  const auto sync_it = [&]() -> int { return skip_syncs ? 0 : static_cast<int>(syscall(number, file)); };
  std::string name;
  if (!Below(file, name)) return sync_it();
  return Through(Call::kSync, name, sync_it, [&] {
    if (name.empty()) {
      events.load()->push_back({DiskEvent::Kind::kSyncNames, 0, {}, {}, 0, {}, false});
    } else {
      events.load()->push_back({DiskEvent::Kind::kSync, NumberOf(file), name, {}, 0, {}, false});
    }
  });
}

int Truncate(int file, off_t size) {
  const auto truncate_it = [&]() -> int { return static_cast<int>(syscall(SYS_ftruncate, file, size)); };
  std::string name;
  if (!Below(file, name)) return truncate_it();
  return Through(Call::kTruncate, name, truncate_it, [&] {
    events.load()->push_back(
        {DiskEvent::Kind::kTruncate, NumberOf(file), name, {}, static_cast<std::uint64_t>(size), {}, false});
  });
}

int Reserve(int file, int mode, off_t offset, off_t size) {
  const auto reserve_it = [&]() -> int {
    return static_cast<int>(syscall(SYS_fallocate, file, mode, offset, size));
  };
  std::string name;
  if (!Below(file, name)) return reserve_it();
  return Through(Call::kReserve, name, reserve_it, [] {});
}

// Of a name, and where it is another one's too, of that.
int Rename(const char* from, const char* to) {
  const auto rename_it = [&]() -> int { return static_cast<int>(syscall(SYS_rename, from, to)); };
  std::string name;
  std::string before;
  if (!Below(from, before) || !Below(to, name)) return rename_it();
  return Through(Call::kRename, name, rename_it, [&] {
    events.load()->push_back(
        {DiskEvent::Kind::kRename, NumberOf(std::string(to)), name, before, 0, {}, false});
  });
}

int Link(const char* from, const char* to) {
  const auto link_it = [&]() -> int { return static_cast<int>(syscall(SYS_link, from, to)); };
  std::string name;
  if (!Below(to, name)) return link_it();
  return Through(Call::kLink, name, link_it, [&] {
    events.load()->push_back({DiskEvent::Kind::kLink, NumberOf(std::string(to)), name, {}, 0, {}, false});
  });
}

int Unlink(const char* path) {
  const auto unlink_it = [&]() -> int { return static_cast<int>(syscall(SYS_unlink, path)); };
  std::string name;
  if (!Below(path, name)) return unlink_it();
  struct stat there {};
  if (lstat(path, &there) != 0) return unlink_it();  // What is not there changes nothing.
  return Through(Call::kUnlink, name, unlink_it, [&] {
    events.load()->push_back({DiskEvent::Kind::kUnlink, 0, name, {}, 0, {}, false});
  });
}

}  // namespace

void CallTap::Watch(const std::filesystem::path& directory, std::vector<DiskEvent>* record) {
  Ignore();
  events = record;
  numbers.clear();
  next_number = 1;
  Arm({});
  roots.push_back(std::filesystem::canonical(directory).string());
  root = &roots.back();
}

void CallTap::Ignore() {
  root = nullptr;
  const std::lock_guard lock(recording);
  events = nullptr;
}

void CallTap::Arm(const TapPlan& what) {
  const std::lock_guard lock(planning);
  planned = what;
  applicable = 0;
  happened = 0;
}

std::size_t CallTap::calls() { return applicable; }
std::size_t CallTap::met() { return happened; }
void CallTap::SkipSyncs(bool skip) { skip_syncs = skip; }

void CallTap::Mark(std::uint64_t mark) {
  const std::lock_guard lock(recording);
  if (events != nullptr) events.load()->push_back({DiskEvent::Kind::kMark, 0, {}, {}, mark, {}, false});
}

std::uint64_t CallTap::FileNumber(const std::filesystem::path& file) {
  const std::lock_guard lock(recording);
  return NumberOf(file.string());
}

}  // namespace certfs

// --- The symbols themselves. They have names of their own here, because <fcntl.h> and others declare, and
// with _FORTIFY_SOURCE define, those of the library.

// NOLINTBEGIN(cert-dcl50-cpp): open(2) is variadic.
#define TAPPED(symbol) __asm__(symbol) __attribute__((visibility("default"), used))

extern "C" {

int TappedOpen(const char* path, int flags, ...) TAPPED("open");
int TappedOpen(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  const mode_t mode = makes ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return static_cast<int>(certfs::Open(AT_FDCWD, path, flags, mode));
}
int TappedOpenFortified(const char* path, int flags) TAPPED("__open_2");
int TappedOpenFortified(const char* path, int flags) {
  return static_cast<int>(certfs::Open(AT_FDCWD, path, flags, 0));
}
ssize_t TappedRead(int file, void* bytes, std::size_t size) TAPPED("read");
ssize_t TappedRead(int file, void* bytes, std::size_t size) { return certfs::Read(file, bytes, size, -1); }
ssize_t TappedReadAt(int file, void* bytes, std::size_t size, off_t offset) TAPPED("pread");
ssize_t TappedReadAt(int file, void* bytes, std::size_t size, off_t offset) {
  return certfs::Read(file, bytes, size, offset);
}
ssize_t TappedWrite(int file, const void* bytes, std::size_t size) TAPPED("write");
ssize_t TappedWrite(int file, const void* bytes, std::size_t size) {
  const iovec part{const_cast<void*>(bytes), size};
  return certfs::Write(file, &part, 1, -1);
}
ssize_t TappedWriteAt(int file, const void* bytes, std::size_t size, off_t offset) TAPPED("pwrite");
ssize_t TappedWriteAt(int file, const void* bytes, std::size_t size, off_t offset) {
  const iovec part{const_cast<void*>(bytes), size};
  return certfs::Write(file, &part, 1, offset);
}
ssize_t TappedWriteParts(int file, const iovec* parts, int count) TAPPED("writev");
ssize_t TappedWriteParts(int file, const iovec* parts, int count) {
  return certfs::Write(file, parts, count, -1);
}
int TappedSync(int file) TAPPED("fsync");
int TappedSync(int file) { return certfs::Sync(file, SYS_fsync); }
int TappedSyncData(int file) TAPPED("fdatasync");
int TappedSyncData(int file) { return certfs::Sync(file, SYS_fdatasync); }
int TappedTruncate(int file, off_t size) TAPPED("ftruncate");
int TappedTruncate(int file, off_t size) { return certfs::Truncate(file, size); }
int TappedReserve(int file, int mode, off_t offset, off_t size) TAPPED("fallocate");
int TappedReserve(int file, int mode, off_t offset, off_t size) {
  return certfs::Reserve(file, mode, offset, size);
}
int TappedReserveByName(int file, off_t offset, off_t size) TAPPED("posix_fallocate");
int TappedReserveByName(int file, off_t offset, off_t size) {
  const int before = errno;
  const int code = certfs::Reserve(file, 0, offset, size) == 0 ? 0 : errno;
  errno = before;
  return code;
}
int TappedRename(const char* from, const char* to) TAPPED("rename");
int TappedRename(const char* from, const char* to) { return certfs::Rename(from, to); }
int TappedLink(const char* from, const char* to) TAPPED("link");
int TappedLink(const char* from, const char* to) { return certfs::Link(from, to); }
int TappedUnlink(const char* path) TAPPED("unlink");
int TappedUnlink(const char* path) { return certfs::Unlink(path); }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// A sanitizer keeps account of maps.
void* TappedMap(void* at, std::size_t size, int protection, int flags, int file, off_t offset) TAPPED("mmap");
void* TappedMap(void* at, std::size_t size, int protection, int flags, int file, off_t offset) {
  std::string name;
  if (certfs::Below(file, name) && certfs::FateOf(certfs::Call::kMap) == certfs::Fate::kFails)
    return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, size, protection, flags, file, offset));
}
#endif

}  // extern "C"
// NOLINTEND(cert-dcl50-cpp)
