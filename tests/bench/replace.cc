// Times the durable replacement of one certificate, and LMDB's own commit of a record of 2 KiB on the same
// disk, one after the other: a disk's speed changes from one moment to the next.
//
// Usage: bench_replace COUNT LMDB_DIRECTORY FILE CONTENT CONTENT
//        FILE, a live cert.pem, becomes the one content and the other by turns, as cp does it.
//
// Prints two lines, of the commit and of the replacement: the first, the median and the mean time, in
// microseconds.

#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "tests/bench/samples.h"

namespace certfs::bench {

namespace {

constexpr std::size_t kRecordBytes = 2048;
constexpr std::size_t kMapBytes = std::size_t{64} << 20;

void Check(int code, const char* what) {
  if (code != 0) Die(what, mdb_strerror(code));
}

// One record in an LMDB of its own, with the durability that LMDB has by default.
class Record {
 public:
  explicit Record(const char* directory) {
    Check(mdb_env_create(&environment_), "mdb_env_create");
    Check(mdb_env_set_mapsize(environment_, kMapBytes), "mdb_env_set_mapsize");
    Check(mdb_env_open(environment_, directory, 0, 0600), directory);
  }
  ~Record() { mdb_env_close(environment_); }
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  void Commit(char fill) {
    std::array<char, kRecordBytes> bytes;
    bytes.fill(fill);
    char name = 'r';
    MDB_val key{sizeof name, &name};
    MDB_val value{bytes.size(), bytes.data()};
    MDB_txn* transaction = nullptr;
    MDB_dbi table = 0;
    Check(mdb_txn_begin(environment_, nullptr, 0, &transaction), "mdb_txn_begin");
    Check(mdb_dbi_open(transaction, nullptr, 0, &table), "mdb_dbi_open");
    Check(mdb_put(transaction, table, &key, &value, 0), "mdb_put");
    Check(mdb_txn_commit(transaction), "mdb_txn_commit");
  }

 private:
  MDB_env* environment_ = nullptr;
};

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
  Record record(directory);
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
