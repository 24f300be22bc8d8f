// A directory in memory, where there is one, and a file, for the targets whose reader takes such; gone with
// the process, or with its object.

#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "crypto/base/descriptor.h"
#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::error_code none;
    const bool in_memory = std::filesystem::is_directory("/dev/shm", none);
    path_ = std::string(in_memory ? "/dev/shm" : "/tmp") + "/certfs_fuzz.XXXXXX";
    PROPERTY(mkdtemp(path_.data()) != nullptr);
  }
  ~ScratchDirectory() {
    std::error_code none;
    std::filesystem::remove_all(path_, none);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  std::filesystem::path path() const { return path_; }

 private:
  std::string path_;
};

class MemoryFile {
 public:
  explicit MemoryFile(BytesView bytes) : file_(memfd_create("certfs-fuzz", MFD_CLOEXEC)) {
    PROPERTY(file_.open());
    PROPERTY(pwrite(file_.number(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  }
  int number() const { return file_.number(); }
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(number()); }

 private:
  const Descriptor file_;
};

}  // namespace certfs::fuzz
