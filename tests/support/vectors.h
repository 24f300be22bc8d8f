// Finds the files under tests/vectors, and the moment at which they are judged.

#pragma once

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>

#include "crypto/base/bytes.h"

namespace certfs::test {

using std::chrono::sys_days;
using namespace std::chrono_literals;
inline constexpr std::chrono::sys_seconds kVectorTime = sys_days{2026y / 3 / 1};

inline Bytes ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Returns a vector's bytes; an empty result means that it is missing, which every caller asserts against.
inline Bytes Vector(const std::string& name) {
  return ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki/" + name);
}

}  // namespace certfs::test
