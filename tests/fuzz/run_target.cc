#include <fstream>
#include <iterator>

#include "tests/fuzz/targets.h"

extern "C" unsigned long ERR_peek_error(void);

namespace certfs::fuzz {

namespace {

std::uint64_t read_to_the_end = 0;

}  // namespace

void NoteRead() { ++read_to_the_end; }
std::uint64_t HowOftenRead() { return read_to_the_end; }

int RunTarget(int (*target)(const std::uint8_t*, std::size_t), const std::uint8_t* data, std::size_t size) {
  const int outcome = target(data, size);
  PROPERTY(ERR_peek_error() == 0);
  return outcome;
}

Bytes TestFile(const std::string& path) {
  std::ifstream in(std::string(CERTFS_SOURCE_DIR) + "/tests/" + path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!bytes.empty()) return bytes;
  std::fprintf(stderr, "tests/%s is not there\n", path.c_str());
  std::abort();
}

}  // namespace certfs::fuzz
