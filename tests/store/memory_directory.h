// A directory in memory, where there is some: for thousands of commits, and nothing that has to outlive the
// test.

#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "tests/store/table_fixture.h"

namespace certfs {

class MemoryDirectory {
 public:
  MemoryDirectory() {
    std::string name = "/dev/shm/certfs-store-XXXXXX";
    path_ = mkdtemp(name.data()) != nullptr ? std::filesystem::path(name) : fallback_.path();
  }
  ~MemoryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  MemoryDirectory(const MemoryDirectory&) = delete;
  MemoryDirectory& operator=(const MemoryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  TemporaryDirectory fallback_;
  std::filesystem::path path_;
};

}  // namespace certfs
