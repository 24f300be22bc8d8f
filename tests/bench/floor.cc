// The floor: the least that a filesystem on libfuse's low-level interface can cost. It serves constant bytes,
// and lets the kernel keep everything for a day.
//
// Usage: bench_floor ENTRIES CERTIFICATE KEY MOUNTPOINT. Runs in the foreground until it is unmounted.
//
// The tree is as deep as ours, because a path costs a permission check for each of its names, even when the
// kernel knows all of them: /stores/machine/e000000/cert.pem, which the page cache keeps, and key.pem beside
// it, which is read with direct_io. Only the directory `machine` can be listed.

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/samples.h"

namespace certfs::bench {

namespace {

constexpr double kTimeoutSeconds = 86400;

constexpr fuse_ino_t kStores = 2;
constexpr fuse_ino_t kMachine = 3;
// Of the inodes of an entry, the last three bits say which.
constexpr fuse_ino_t kSlotMask = 7;
constexpr fuse_ino_t kDirectorySlot = 0;
constexpr fuse_ino_t kCertificateSlot = 1;
constexpr fuse_ino_t kKeySlot = 2;

struct Floor {
  unsigned long entries = 0;
  std::string certificate;
  std::string key;
};

const Floor& FloorOf(fuse_req_t request) { return *static_cast<const Floor*>(fuse_req_userdata(request)); }

fuse_ino_t DirectoryOf(unsigned long index) { return (index + 1) << 3 | kDirectorySlot; }

// The bytes of a file; null for a directory.
const std::string* ContentOf(const Floor& floor, fuse_ino_t inode) {
  if (inode <= kSlotMask) return nullptr;
  if ((inode & kSlotMask) == kCertificateSlot) return &floor.certificate;
  if ((inode & kSlotMask) == kKeySlot) return &floor.key;
  return nullptr;
}

fuse_entry_param EntryOf(const Floor& floor, fuse_ino_t inode) {
  fuse_entry_param entry{};
  entry.ino = entry.attr.st_ino = inode;
  entry.attr_timeout = entry.entry_timeout = kTimeoutSeconds;
  entry.attr.st_uid = getuid();
  entry.attr.st_gid = getgid();
  if (const std::string* content = ContentOf(floor, inode)) {
    entry.attr.st_mode = S_IFREG | ((inode & kSlotMask) == kKeySlot ? 0600 : 0644);
    entry.attr.st_nlink = 1;
    entry.attr.st_size = static_cast<off_t>(content->size());
  } else {
    entry.attr.st_mode = S_IFDIR | 0755;
    entry.attr.st_nlink = 2;
  }
  return entry;
}

std::optional<fuse_ino_t> Find(const Floor& floor, fuse_ino_t parent, std::string_view name) {
  if (parent == FUSE_ROOT_ID && name == "stores") return kStores;
  if (parent == kStores && name == "machine") return kMachine;
  if (parent == kMachine && name.starts_with('e')) {
    const unsigned long index = std::strtoul(name.data() + 1, nullptr, 10);
    if (index < floor.entries) return DirectoryOf(index);
  }
  if (parent > kSlotMask && (parent & kSlotMask) == kDirectorySlot) {
    if (name == "cert.pem") return parent | kCertificateSlot;
    if (name == "key.pem") return parent | kKeySlot;
  }
  return std::nullopt;
}

void OnLookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  const Floor& floor = FloorOf(request);
  const std::optional<fuse_ino_t> inode = Find(floor, parent, name);
  if (!inode) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  const fuse_entry_param entry = EntryOf(floor, *inode);
  fuse_reply_entry(request, &entry);
}

void OnGetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  const fuse_entry_param entry = EntryOf(FloorOf(request), inode);
  fuse_reply_attr(request, &entry.attr, kTimeoutSeconds);
}

void OnOpen(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  const bool direct = (inode & kSlotMask) == kKeySlot;
  file->direct_io = direct ? 1 : 0;
  file->keep_cache = direct ? 0 : 1;
  file->noflush = 1;
  fuse_reply_open(request, file);
}

void OnRead(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  const std::string* content = ContentOf(FloorOf(request), inode);
  const auto start = static_cast<std::size_t>(offset);
  if (content == nullptr || start >= content->size()) {
    fuse_reply_buf(request, nullptr, 0);
    return;
  }
  fuse_reply_buf(request, content->data() + start, std::min(size, content->size() - start));
}

void OnOpenDirectory(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  file->cache_readdir = 1;
  file->keep_cache = 1;
  fuse_reply_open(request, file);
}

void List(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, bool plus) {
  const Floor& floor = FloorOf(request);
  std::vector<char> buffer(size);
  std::size_t used = 0;
  for (auto index = static_cast<unsigned long>(offset); inode == kMachine && index < floor.entries; ++index) {
    std::array<char, 32> name{};
    std::snprintf(name.data(), name.size(), "e%06lu", index);
    const fuse_entry_param entry = EntryOf(floor, DirectoryOf(index));
    const off_t next = static_cast<off_t>(index + 1);
    char* const at = buffer.data() + used;
    const std::size_t needed =
        plus ? fuse_add_direntry_plus(request, at, size - used, name.data(), &entry, next)
             : fuse_add_direntry(request, at, size - used, name.data(), &entry.attr, next);
    if (needed > size - used) break;
    used += needed;
  }
  fuse_reply_buf(request, buffer.data(), used);
}

void OnReadDirectory(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  List(request, inode, size, offset, false);
}
void OnReadDirectoryPlus(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                         fuse_file_info*) {
  List(request, inode, size, offset, true);
}

std::string ContentsOf(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (content.empty()) Die(path, "cannot be read, or is empty");
  return content;
}

int Serve(Floor& floor, const char* mountpoint) {
  fuse_lowlevel_ops operations{};
  operations.lookup = OnLookup;
  operations.getattr = OnGetAttributes;
  operations.open = OnOpen;
  operations.read = OnRead;
  operations.opendir = OnOpenDirectory;
  operations.readdir = OnReadDirectory;
  operations.readdirplus = OnReadDirectoryPlus;

  // The options of our own mounts that the kernel acts upon.
  std::string program = "bench_floor";
  std::string flag = "-o";
  std::string options = "allow_other,default_permissions,nosuid,nodev,noexec,fsname=bench_floor";
  std::array<char*, 3> words{program.data(), flag.data(), options.data()};
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(words.size()), words.data());
  const std::unique_ptr<fuse_session, decltype(&fuse_session_destroy)> session(
      fuse_session_new(&arguments, &operations, sizeof operations, &floor), fuse_session_destroy);
  fuse_opt_free_args(&arguments);
  if (!session || fuse_set_signal_handlers(session.get()) != 0)
    Die("bench_floor", "libfuse refused to start");
  if (fuse_session_mount(session.get(), mountpoint) != 0) Die(mountpoint, "cannot mount here");
  const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(fuse_loop_cfg_create(),
                                                                                   fuse_loop_cfg_destroy);
  const int outcome = fuse_session_loop_mt(session.get(), config.get());
  fuse_session_unmount(session.get());
  fuse_remove_signal_handlers(session.get());
  return outcome < 0 ? 1 : 0;
}

}  // namespace

}  // namespace certfs::bench

int main(int count, char** words) {
  using namespace certfs::bench;
  if (count != 5) Die("usage", "bench_floor ENTRIES CERTIFICATE KEY MOUNTPOINT");
  Floor floor{std::strtoul(words[1], nullptr, 10), ContentsOf(words[2]), ContentsOf(words[3])};
  return Serve(floor, words[4]);
}
