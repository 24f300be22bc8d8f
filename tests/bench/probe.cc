// Times what users of a certificate store do, in several places in turn, so that whatever else the machine is
// doing meets all of them alike.
//
// Usage: bench_probe reread COUNT FILE...          open, read to the end, close; again and again
//        bench_probe stat COUNT FILE...            stat, again and again
//        bench_probe first ENTRIES NAME DIR...     reads DIR/eNNNNNN/NAME of every entry once
//        bench_probe list COUNT DIR...             lists DIR, COUNT times
//        bench_probe rewrite COUNT FILE...         writes the bytes of FILE over themselves, durably
//
// Prints a line for each place: the first, the median and the mean time, in microseconds.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/samples.h"

namespace certfs::bench {

namespace {

// So many operations in one place before the next has its turn: long enough that each is warm, short enough
// that a disturbance of some milliseconds meets all.
constexpr unsigned long kTurn = 200;

void ReadFile(const std::string& path) {
  std::array<char, 65536> buffer;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) DieOfErrno(path);
  std::size_t total = 0;
  ssize_t got = 0;
  while ((got = read(file, buffer.data(), buffer.size())) > 0) total += static_cast<std::size_t>(got);
  if (got < 0) DieOfErrno(path);
  if (total == 0) Die(path, "is empty");
  close(file);
}

std::string ContentsOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (content.empty()) Die(path, "cannot be read, or is empty");
  return content;
}

// As cp does it, with the fsync that certfs does not need.
void Rewrite(const std::string& path, const std::string& content) {
  const int file = open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (file < 0) DieOfErrno(path);
  if (write(file, content.data(), content.size()) != static_cast<ssize_t>(content.size())) DieOfErrno(path);
  if (fsync(file) != 0 || close(file) != 0) DieOfErrno(path);
}

void Stat(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) DieOfErrno(path);
}

// Returns how many names there are.
std::size_t ListDirectory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (!directory) DieOfErrno(path);
  std::size_t names = 0;
  errno = 0;
  while (readdir(directory.get()) != nullptr) ++names;
  if (errno != 0) DieOfErrno(path);
  return names;
}

std::string EntryName(unsigned long index) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "e%06lu", index);
  return name.data();
}

// Runs `operation` `count` times in each place, by turns.
using Operation = std::function<void(const std::string& place, unsigned long index)>;
void Measure(unsigned long count, unsigned long turn, const std::vector<std::string>& places,
             const Operation& operation) {
  std::vector<Samples> samples(places.size());
  for (unsigned long start = 0; start < count; start += turn) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      for (unsigned long index = start; index < std::min(start + turn, count); ++index) {
        samples[i].Time([&] { operation(places[i], index); });
      }
    }
  }
  for (const Samples& each : samples) each.Print();
}

[[noreturn]] void Usage() {
  Die("usage", "bench_probe reread|stat|first|list|rewrite COUNT [NAME] PLACE...");
}

void Run(std::vector<std::string> words) {
  if (words.size() < 3) Usage();
  const std::string operation = words[0];
  const unsigned long count = std::strtoul(words[1].c_str(), nullptr, 10);
  words.erase(words.begin(), words.begin() + 2);
  if (operation == "reread") {
    Measure(count, kTurn, words, [](const std::string& path, unsigned long) { ReadFile(path); });
  } else if (operation == "stat") {
    Measure(count, kTurn, words, [](const std::string& path, unsigned long) { Stat(path); });
  } else if (operation == "first" && words.size() > 1) {
    const std::string name = words[0];
    words.erase(words.begin());
    Measure(count, kTurn, words, [&](const std::string& directory, unsigned long index) {
      ReadFile(directory + "/" + EntryName(index) + "/" + name);
    });
  } else if (operation == "list") {
    Measure(count, 1, words, [](const std::string& path, unsigned long) {
      if (ListDirectory(path) == 0) Die(path, "lists nothing");
    });
  } else if (operation == "rewrite") {
    std::map<std::string, std::string> contents;
    for (const std::string& path : words) contents[path] = ContentsOf(path);
    Measure(count, 1, words,
            [&](const std::string& path, unsigned long) { Rewrite(path, contents.at(path)); });
  } else {
    Usage();
  }
}

}  // namespace

}  // namespace certfs::bench

int main(int count, char** words) {
  certfs::bench::Run(std::vector<std::string>(words + 1, words + count));
  return 0;
}
