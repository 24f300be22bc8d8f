// Runs the programs that people have, and hands them files.

#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "crypto/base/bytes.h"

namespace certfs::test {

// What one run of a command said, and its exit code.
struct Outcome {
  int code;
  std::string output;
};

inline Outcome RunProgram(const std::string& line) {
  FILE* const pipe = popen((line + " 2>&1 </dev/null").c_str(), "r");
  Outcome run{-1, {}};
  if (pipe == nullptr) return run;
  std::array<char, 4096> part{};
  while (const std::size_t size = fread(part.data(), 1, part.size(), pipe)) {
    run.output.append(part.data(), size);
  }
  run.code = WEXITSTATUS(pclose(pipe));
  return run;
}

// A directory that is gone with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "certfs_test.XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  // Writes a file and returns its path.
  std::string Write(const std::string& name, BytesView content) const {
    const std::string path = Path(name);
    std::ofstream(path, std::ios::binary) << AsText(content);
    return path;
  }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace certfs::test
