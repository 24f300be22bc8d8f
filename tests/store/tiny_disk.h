// A filesystem of its own that is soon full.

#pragma once

#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tests/store/table_fixture.h"

namespace certfs {

class TinyDisk {
 public:
  explicit TinyDisk(const char* options) {
    if (mount("certfs-test", directory_.path().c_str(), "tmpfs", 0, options) != 0) why_ = strerror(errno);
  }
  ~TinyDisk() {
    if (why_.empty()) umount2(directory_.path().c_str(), MNT_DETACH);
  }
  TinyDisk(const TinyDisk&) = delete;
  TinyDisk& operator=(const TinyDisk&) = delete;
  // Why there is none; empty where there is one.
  const std::string& why() const { return why_; }
  const std::filesystem::path& path() const { return directory_.path(); }
  void Resize(const char* options) {
    EXPECT_EQ(mount("certfs-test", path().c_str(), "tmpfs", MS_REMOUNT, options), 0);
  }

 private:
  TemporaryDirectory directory_;
  std::string why_;
};

}  // namespace certfs
