#include "fs/fuse/mount_table.h"

#include <libmount/libmount.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace certfs {

namespace {

constexpr const char* kMountinfo = "/proc/self/mountinfo";

struct Release {
  void operator()(libmnt_table* table) const { mnt_unref_table(table); }
  void operator()(libmnt_iter* iterator) const { mnt_free_iter(iterator); }
  void operator()(FILE* file) const { static_cast<void>(fclose(file)); }
};
using FilePointer = std::unique_ptr<FILE, Release>;

std::string TextOf(const char* text) { return text != nullptr ? text : ""; }

// By default libmount says what it makes of a broken line on stderr, and goes on behind it when told so.
int PassOver(libmnt_table*, const char*, int) { return 1; }

std::vector<MountTableEntry> Parse(FILE* mountinfo) {
  std::vector<MountTableEntry> entries;
  const std::unique_ptr<libmnt_table, Release> table(mnt_new_table());
  const std::unique_ptr<libmnt_iter, Release> forward(mnt_new_iter(MNT_ITER_FORWARD));
  if (!table || !forward) return entries;
  mnt_table_set_parser_errcb(table.get(), PassOver);
  if (mnt_table_parse_stream(table.get(), mountinfo, kMountinfo) != 0) return entries;
  libmnt_fs* fs = nullptr;
  while (mnt_table_next_fs(table.get(), forward.get(), &fs) == 0) {
    entries.push_back({mnt_fs_get_id(fs), TextOf(mnt_fs_get_target(fs)), TextOf(mnt_fs_get_fstype(fs)),
                       TextOf(mnt_fs_get_source(fs)), TextOf(mnt_fs_get_root(fs)), mnt_fs_get_devno(fs),
                       TextOf(mnt_fs_get_options(fs))});
  }
  return entries;
}

}  // namespace

std::vector<MountTableEntry> ParseMountTable(std::string_view mountinfo) {
  std::string text(mountinfo);
  if (text.empty()) return {};
  const FilePointer file(fmemopen(text.data(), text.size(), "r"));
  return file ? Parse(file.get()) : std::vector<MountTableEntry>();
}

Result<std::vector<MountTableEntry>> ReadMountTable() {
  const FilePointer file(fopen(kMountinfo, "re"));
  if (!file) return Error(ErrorCode::kIo, std::string(kMountinfo) + ": " + std::strerror(errno));
  return Parse(file.get());
}

}  // namespace certfs
