// Goal: what was fuzzed once stays as it was found to be, in every build. Method: every file of each target's
// corpus, which has what was found beside the seeds, and each file cut short, is read by that target.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <vector>

#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

// How a failure names one.
void PrintTo(const Target& target, std::ostream* out) { *out << target.name; }

namespace {

namespace fs = std::filesystem;

const fs::path& CorpusDirectory() {
  static const fs::path path = fs::path(CERTFS_SOURCE_DIR) / "tests/fuzz/corpus";
  return path;
}

std::vector<fs::path> FilesOf(const std::string& target) {
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(CorpusDirectory() / target)) files.push_back(file.path());
  std::ranges::sort(files);
  return files;
}

Bytes ContentOf(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// From the heap, as large as it is: a sanitizer sees what is read behind its end.
void Read(const Target& target, BytesView bytes) {
  const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
  EXPECT_LE(RunTarget(target.run, input.data(), input.size()), 0);
}

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, IsReadAgain) {
  const Target& target = GetParam();
  const auto files = FilesOf(target.name);
  ASSERT_FALSE(files.empty());
  const std::uint64_t before = HowOftenRead();
  for (const fs::path& file : files) {
    // A target that fails ends the process: the last name is the one.
    std::fprintf(stderr, "%s/%s\n", target.name, file.filename().c_str());
    Read(target, ContentOf(file));
  }
  // A corpus that is refused at its first byte would hold nothing to anything.
  EXPECT_GT(HowOftenRead(), before);
  Read(target, {});
  for (const fs::path& file : files) {
    const Bytes bytes = ContentOf(file);
    for (const std::size_t part : {1U, 2U, 3U}) Read(target, BytesView(bytes).first(bytes.size() * part / 4));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Corpus, testing::ValuesIn(Targets().begin(), Targets().end()),
                         [](const auto& test) { return std::string(test.param.name); });

// Goal: no corpus without its target, and none that a clone would be heavy with.
TEST(Corpora, BelongToTargets) {
  std::uintmax_t bytes = 0;
  for (const auto& folder : fs::directory_iterator(CorpusDirectory())) {
    const std::string name = folder.path().filename();
    EXPECT_TRUE(std::ranges::any_of(Targets(), [&](const Target& each) { return each.name == name; }))
        << name;
    for (const fs::path& file : FilesOf(name)) bytes += fs::file_size(file);
  }
  EXPECT_LT(bytes, std::uintmax_t{1500} << 10);
}

}  // namespace
}  // namespace certfs::fuzz
