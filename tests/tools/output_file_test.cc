// Goal: a file is written whole, with its mode from the first byte, and a key never over another file.
// Method: each kind of thing that may be there already.

#include "tools/output_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/must.h"
#include "tests/support/vectors.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

namespace fs = std::filesystem;

std::string TextIn(const fs::path& path) { return std::string(AsText(test::ReadAll(path))); }

unsigned ModeOf(const fs::path& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

std::size_t CountIn(const fs::path& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

TEST(OutputFile, HasItsModeLessTheUmask) {
  const ScratchDirectory scratch;
  const mode_t mask = umask(0);
  Must(WriteOutputFile(scratch / "key", AsBytes("k"), kPrivateMode, Existing::kRefuse));
  umask(027);
  Must(WriteOutputFile(scratch / "cert", AsBytes("c"), kPublicMode, Existing::kReplace));
  umask(mask);
  EXPECT_EQ(ModeOf(scratch / "key"), 0600U);
  EXPECT_EQ(ModeOf(scratch / "cert"), 0640U);
}

TEST(OutputFile, ReplacesOrRefusesAndLeavesNothingBehind) {
  const ScratchDirectory scratch;
  Must(WriteOutputFile(scratch / "a", AsBytes("one"), kPublicMode, Existing::kReplace));
  Must(WriteOutputFile(scratch / "a", AsBytes("two"), kPublicMode, Existing::kReplace));
  const auto refused = WriteOutputFile(scratch / "a", AsBytes("three"), kPublicMode, Existing::kRefuse);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(TextIn(scratch / "a"), "two");
  EXPECT_EQ(CountIn(scratch / ""), 1U);
  EXPECT_FALSE(
      WriteOutputFile(scratch / "none" / "a", AsBytes("x"), kPublicMode, Existing::kReplace).has_value());
}

TEST(OutputFile, FollowsLinksAndWritesToDevices) {
  const ScratchDirectory scratch;
  scratch.Write("real", "old");
  fs::create_symlink("real", scratch / "link");
  Must(WriteOutputFile(scratch / "link", AsBytes("new"), kPublicMode, Existing::kReplace));
  EXPECT_TRUE(fs::is_symlink(scratch / "link"));
  EXPECT_EQ(TextIn(scratch / "real"), "new");
  Must(WriteOutputFile("/dev/null", AsBytes("x"), kPublicMode, Existing::kReplace));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  // A directory is neither.
  EXPECT_FALSE(WriteOutputFile(scratch / "", AsBytes("x"), kPublicMode, Existing::kReplace).has_value());
}

}  // namespace
}  // namespace certfs
