// A directory in memory, where there is one, for the targets whose reader takes files; gone with the process.

#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

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

}  // namespace certfs::fuzz
