// Goal: what was mistyped leads to what was meant, and nothing is guessed where nothing is near. Method:
// words and what they may be taken for; then command lines of the programs themselves.

#include "tools/suggestion.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/tools/program.h"

namespace certfs {
namespace {

TEST(Suggestion, CountsWhatHasToChange) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("mount", "mount"), 0u);
  EXPECT_EQ(EditDistance("mount", "MOUNT"), 0u);
  EXPECT_EQ(EditDistance("mont", "mount"), 1u) << "left out";
  EXPECT_EQ(EditDistance("mouunt", "mount"), 1u) << "put in";
  EXPECT_EQ(EditDistance("moint", "mount"), 1u) << "replaced";
  EXPECT_EQ(EditDistance("muont", "mount"), 1u) << "exchanged";
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(Suggestion, IsTheNearest) {
  const std::vector<std::string> known{"mount",   "umount",          "import", "init",
                                       "--mount", "--password-file", "--Name"};
  EXPECT_EQ(Nearest("moutn", known), "mount");
  EXPECT_EQ(Nearest("unmount", known), "umount");
  EXPECT_EQ(Nearest("imprt", known), "import");
  EXPECT_EQ(Nearest("--pasword-file", known), "--password-file");
  EXPECT_EQ(Nearest("-password-file", known), "--password-file") << "a hyphen too few";
  EXPECT_EQ(Nearest("--name", known), "--Name");
  EXPECT_EQ(Nearest("--pass", known), "--password-file") << "the only one that begins so";
  EXPECT_EQ(Nearest("frobnicate", known), std::nullopt);
  EXPECT_EQ(Nearest("x", known), std::nullopt);
  EXPECT_EQ(Nearest("", known), std::nullopt);
  EXPECT_EQ(Nearest("--", known), std::nullopt);
}

TEST(Suggestion, IsMadeByEachProgram) {
  const std::string programs[] = {CERTFS_PROGRAM, CERTOOL_PROGRAM, VECS_CLI_PROGRAM};
  const std::vector<std::tuple<int, std::string, std::string>> lines{
      {0, "moutn", "certfs: there is no command 'moutn'; did you mean 'mount'? See: certfs --help"},
      {0, "ca revke x",
       "certfs ca: there is no command 'revke'; did you mean 'revoke'? See: certfs ca --help"},
      {0, "renew --al", "there is no option '--al'; did you mean '--all'? See: certfs renew --help"},
      {0, "verify --rots=x y", "there is no option '--rots'; did you mean '--roots'?"},
      {0, "why mount", "'mount' is one argument too many; did you mean '--mount'?"},
      {0, "frobnicate", "certfs: there is no command 'frobnicate'. See: certfs --help"},
      {0, "key add k --new-pasphrase", "did you mean '--new-passphrase'?"},
      {0, "ca", "certfs ca: a command is missing: one of init, import, show"},
      {0, "ca issue", "certfs ca issue: FILE is required. See: certfs ca issue --help"},
      {1, "--gencrt", "there is no option '--gencrt'; did you mean '--gencert'? See: certool --help"},
      {1, "genkey", "did you mean '--genkey'?"},
      {2, "stoer list", "there is no command 'stoer'; did you mean 'store'?"},
      {2, "entry lst", "there is no command 'lst'; did you mean 'list'?"},
  };
  for (const auto& [program, line, words] : lines) {
    const End end = RunTool(programs[program], line);
    EXPECT_NE(end.code, 0) << line;
    EXPECT_TRUE(Has(end, words)) << line << "\n" << end.words;
    EXPECT_EQ(end.words.find('\x1b'), std::string::npos) << "colour where no terminal is";
  }
}

}  // namespace
}  // namespace certfs
