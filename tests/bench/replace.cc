// Times the durable replacement of one certificate, and LMDB's own commit of a record of 2 KiB on the same
// disk, one after the other: a disk's speed changes from one moment to the next.
//
// Usage: bench_replace COUNT LMDB_DIRECTORY FILE CONTENT CONTENT
//        FILE, a live cert.pem, becomes the one content and the other by turns, as cp does it.
//
// Prints two lines, of the commit and of the replacement: the first, the median and the mean time, in
// microseconds.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "tests/bench/lmdb_record.h"
#include "tests/bench/samples.h"

namespace certfs::bench {

namespace {

constexpr std::size_t kRecordBytes = 2048;

std::string ContentsOf(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (content.empty()) Die(path, "cannot be read, or is empty");
  return content;
}

// As cp does it. The verdict is close's, and so is the promise that the change is durable.
void Replace(const char* path, const std::string& content) {
  const int file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (file < 0) DieOfErrno(path);
  if (write(file, content.data(), content.size()) != static_cast<ssize_t>(content.size())) DieOfErrno(path);
  if (close(file) != 0) DieOfErrno(path);
}

void Run(unsigned long count, const char* directory, const char* path, std::array<std::string, 2> contents) {
  LmdbRecord record(directory, kRecordBytes);
  Samples commits;
  Samples replacements;
  for (unsigned long i = 0; i < count; ++i) {
    commits.Time([&] { record.Commit(static_cast<char>(i)); });
    // The content that is live already would change nothing.
    if (ContentsOf(path) == contents[0]) std::swap(contents[0], contents[1]);
    replacements.Time([&] { Replace(path, contents[0]); });
  }
  if (ContentsOf(path) != contents[0]) Die(path, "is not what was written last");
  commits.Print();
  replacements.Print();
}

}  // namespace

}  // namespace certfs::bench

int main(int count, char** words) {
  using namespace certfs::bench;
  if (count != 6) Die("usage", "bench_replace COUNT LMDB_DIRECTORY FILE CONTENT CONTENT");
  Run(std::strtoul(words[1], nullptr, 10), words[2], words[3], {ContentsOf(words[4]), ContentsOf(words[5])});
  return 0;
}
