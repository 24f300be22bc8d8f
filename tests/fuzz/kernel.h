// How the kernel frames its requests (linux/fuse.h): for each kind what of its body is fixed, and what
// follows.

#pragma once

#include <linux/fuse.h>

#include <cstring>
#include <span>
#include <string>

#include "crypto/base/bytes.h"

namespace certfs::fuzz {

struct KernelRequest {
  std::uint32_t opcode;
  std::size_t fixed_bytes;
  int handle_at;  // Where in these an open file's number stands, and so on; below 0: nowhere.
  int node_at;
  int size_at;
  int names;  // Texts that follow, each with its NUL.
  bool data;  // Whether bytes follow, as many as stand at `size_at`.
};

inline std::span<const KernelRequest> KernelRequests() {
  // Often what leads on, once what does not.
  static constexpr KernelRequest kRequests[] = {
      {FUSE_LOOKUP, 0, -1, -1, -1, 1, false},
      {FUSE_LOOKUP, 0, -1, -1, -1, 1, false},
      {FUSE_LOOKUP, 0, -1, -1, -1, 1, false},
      {FUSE_LOOKUP, 0, -1, -1, -1, 1, false},
      {FUSE_OPEN, sizeof(fuse_open_in), -1, -1, -1, 0, false},
      {FUSE_OPEN, sizeof(fuse_open_in), -1, -1, -1, 0, false},
      {FUSE_CREATE, sizeof(fuse_create_in), -1, -1, -1, 1, false},
      {FUSE_CREATE, sizeof(fuse_create_in), -1, -1, -1, 1, false},
      {FUSE_WRITE, sizeof(fuse_write_in), 0, -1, 16, 0, true},
      {FUSE_WRITE, sizeof(fuse_write_in), 0, -1, 16, 0, true},
      {FUSE_READ, sizeof(fuse_read_in), 0, -1, 16, 0, false},
      {FUSE_READ, sizeof(fuse_read_in), 0, -1, 16, 0, false},
      {FUSE_FLUSH, sizeof(fuse_flush_in), 0, -1, -1, 0, false},
      {FUSE_RELEASE, sizeof(fuse_release_in), 0, -1, -1, 0, false},
      {FUSE_FSYNC, sizeof(fuse_fsync_in), 0, -1, -1, 0, false},
      {FUSE_GETATTR, sizeof(fuse_getattr_in), 8, -1, -1, 0, false},
      {FUSE_SETATTR, sizeof(fuse_setattr_in), 8, -1, -1, 0, false},
      {FUSE_MKDIR, sizeof(fuse_mkdir_in), -1, -1, -1, 1, false},
      {FUSE_RMDIR, 0, -1, -1, -1, 1, false},
      {FUSE_UNLINK, 0, -1, -1, -1, 1, false},
      {FUSE_RENAME2, sizeof(fuse_rename2_in), -1, 0, -1, 2, false},
      {FUSE_RENAME, sizeof(fuse_rename_in), -1, 0, -1, 2, false},
      {FUSE_LINK, sizeof(fuse_link_in), -1, 0, -1, 1, false},
      {FUSE_SYMLINK, 0, -1, -1, -1, 2, false},
      {FUSE_MKNOD, sizeof(fuse_mknod_in), -1, -1, -1, 1, false},
      {FUSE_READLINK, 0, -1, -1, -1, 0, false},
      {FUSE_OPENDIR, sizeof(fuse_open_in), -1, -1, -1, 0, false},
      {FUSE_READDIR, sizeof(fuse_read_in), 0, -1, 16, 0, false},
      {FUSE_READDIRPLUS, sizeof(fuse_read_in), 0, -1, 16, 0, false},
      {FUSE_RELEASEDIR, sizeof(fuse_release_in), 0, -1, -1, 0, false},
      {FUSE_FSYNCDIR, sizeof(fuse_fsync_in), 0, -1, -1, 0, false},
      {FUSE_STATFS, 0, -1, -1, -1, 0, false},
      {FUSE_GETXATTR, sizeof(fuse_getxattr_in), -1, -1, 0, 1, false},
      {FUSE_LISTXATTR, sizeof(fuse_getxattr_in), -1, -1, 0, 0, false},
      {FUSE_SETXATTR, FUSE_COMPAT_SETXATTR_IN_SIZE, -1, -1, 0, 1, true},
      {FUSE_REMOVEXATTR, 0, -1, -1, -1, 1, false},
      {FUSE_ACCESS, sizeof(fuse_access_in), -1, -1, -1, 0, false},
      {FUSE_FORGET, sizeof(fuse_forget_in), -1, -1, -1, 0, false},
      {FUSE_BATCH_FORGET, sizeof(fuse_batch_forget_in) + sizeof(fuse_forget_one), -1, 8, -1, 0, false},
      {FUSE_POLL, sizeof(fuse_poll_in), 0, -1, -1, 0, false},
      {FUSE_LSEEK, sizeof(fuse_lseek_in), 0, -1, -1, 0, false},
      {FUSE_FALLOCATE, sizeof(fuse_fallocate_in), 0, -1, -1, 0, false},
      {FUSE_COPY_FILE_RANGE, sizeof(fuse_copy_file_range_in), 0, 16, -1, 0, false},
  };
  return kRequests;
}

template <typename T>
Bytes BytesOf(const T& value) {
  const auto* const from = reinterpret_cast<const std::uint8_t*>(&value);
  return {from, from + sizeof value};
}

template <typename T>
void Put(Bytes& body, std::size_t at, T value) {
  std::memcpy(body.data() + at, &value, sizeof value);
}

inline void Append(Bytes& body, const std::string& name) {
  body.insert(body.end(), name.begin(), name.end());
  body.push_back(0);
}

}  // namespace certfs::fuzz
