// vecs-cli, as far as no mount is needed: its table of errors, and what it says of wrong command lines.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/tools/program.h"
#include "tests/tools/scratch_directory.h"
#include "tools/vecs/errors.h"

namespace certfs::vecs {
namespace {

End VecsCli(const std::string& arguments) { return RunTool(VECS_CLI_PROGRAM, arguments); }

std::string TextOf(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Goal: exit codes are small, from 1 on without a gap, and one for each number; each is documented. Method:
// the table, --help and README.md.
TEST(VecsErrors, EachHasASmallExitCodeThatIsDocumented) {
  const std::string readme = TextOf(std::filesystem::path(CERTFS_SOURCE_DIR) / "tools" / "README.md");
  const End help = VecsCli("--help");
  std::set<int> numbers;
  int exit_code = 0;
  for (const ErrorRow& row : ErrorRows()) {
    EXPECT_EQ(row.exit_code, ++exit_code);
    EXPECT_LT(row.exit_code, 64);
    EXPECT_TRUE(numbers.insert(row.number).second) << row.number;
    EXPECT_TRUE(Has(help, "(" + std::to_string(row.number) + ")")) << help.words;
    const std::string line = "| " + std::to_string(row.exit_code) + " | " + std::to_string(row.number) +
                             " `" + std::string(row.name) + "` |";
    EXPECT_NE(readme.find(line), std::string::npos) << line;
  }
}

// Goal: every failure has a row. Method: all codes, and all rules of vecs-cli's own.
TEST(VecsErrors, EveryFailureHasARow) {
  for (int number = 0; number <= static_cast<int>(ErrorCode::kInternal); ++number) {
    const ErrorRow& row = RowOf(Error(static_cast<ErrorCode>(number), "x"));
    EXPECT_GT(row.exit_code, 0);
    EXPECT_FALSE(row.name.empty());
  }
  struct Case {
    Error error;
    int number;
  };
  for (const Case& each :
       {Case{Error(ErrorCode::kNotFound, kNoSuchObject, "x"), 4312},
        Case{Error(ErrorCode::kNotFound, kNoSuchFile, "x"), 2},
        Case{Error(ErrorCode::kNotFound, kNoMount, "x"), 1021},
        Case{Error(ErrorCode::kNotFound, kNoSuchUser, "x"), 1317},
        Case{Error(ErrorCode::kRejected, kKeyMismatch, "x"), 90018},
        Case{Error(ErrorCode::kAccessDenied, kWrongPassword, "x"), 1323},
        Case{Error(ErrorCode::kInvalidArgument, kInvalidState, "x"), 5023},
        Case{Error(ErrorCode::kNotPermitted, kNotOwner, "x"), 5},
        Case{Error(ErrorCode::kRejected, "weak-key", "x"), 11}, Case{Error(ErrorCode::kNoSpace, "x"), 112},
        Case{Error(ErrorCode::kBusy, "x"), 170}, Case{Error(ErrorCode::kCorrupt, "x"), 4313},
        Case{Error(ErrorCode::kCancelled, "x"), 1223}}) {
    EXPECT_EQ(RowOf(each.error).number, each.number);
  }
  EXPECT_EQ(AboutFile(Error(ErrorCode::kNotFound, "x")).rule(), kNoSuchFile);
  EXPECT_EQ(AboutFile(Error(ErrorCode::kTooLarge, "x")).rule(), "");
}

// Goal: the object of a failure names it. Method: one.
TEST(VecsErrors, AreJson) {
  EXPECT_EQ(ErrorJson(Error(ErrorCode::kAlreadyExists, "it exists")).dump(),
            R"({"error":{"name":"ERROR_ALREADY_EXISTS","number":183,"exit_code":6,"message":"it exists"}})");
}

// Goal: help and version everywhere, 0, on stdout. Method: every command.
TEST(VecsCli, HelpsAndTellsItsVersion) {
  for (const char* command : {"", "store", "store create", "store list", "store delete", "store permission",
                              "store get-permissions", "entry", "entry create", "entry list", "entry getcert",
                              "entry getkey", "entry replace", "entry delete", "force-refresh"}) {
    const End help = VecsCli(std::string(command) + " --help");
    EXPECT_TRUE(help.code == 0 && Has(help, "Usage") && Has(help, "Example")) << command << help.words;
    EXPECT_EQ(VecsCli(std::string(command) + " --version").words, "vecs-cli " CERTFS_VERSION "\n") << command;
  }
  const End all = VecsCli("help");
  EXPECT_EQ(all.code, 0);
  for (const char* words : {"get-permissions", "--if-exists", "--expiring", "--revoke", "force-refresh"})
    EXPECT_TRUE(Has(all, words)) << words;
}

// Goal: wrong usage is 2 and 87, and names what is wrong. Method: a table of command lines.
TEST(VecsCli, RefusesWrongUsage) {
  struct Case {
    const char* line;
    const char* words;
  };
  for (const Case& each :
       {Case{"", "a command is missing"}, Case{"store", "a command is missing"},
        Case{"store create", "--name"}, Case{"entry list", "--store"},
        Case{"entry delete --store x", "--alias"}, Case{"frob", "'frob'"},
        Case{"entry list --store x --alises", "did you mean '--aliases'"},
        Case{"store permission --name x --user root --grant execute", "execute"},
        Case{"store permission --name x --user root --grant read --revoke read", "--revoke"},
        Case{"store permission --name x --user root --server localhost --upn a --grant read", "--server"},
        Case{"entry create --store x --alias a --text", "--text"},
        Case{"entry list --store x --expiring ''", "--expiring: is empty"},
        Case{"entry list --store x --expiring=''", "--expiring"},
        Case{"entry create --store x --cert c --alias ''", "--alias: is empty"},
        Case{"entry create --store x --alias a --key k --cert ''", "--cert: is empty"},
        Case{"entry replace --store x --alias a --cert c --key ''", "--key: is empty"},
        Case{"entry create --store x --key k --password-file ''", "--password-file: is empty"},
        Case{"entry getkey --store x --alias a --output ''", "--output: is empty"}}) {
    const End end = VecsCli(each.line);
    EXPECT_EQ(end.code, 2) << each.line << end.words;
    EXPECT_TRUE(Has(end, "vecs-cli failed. Error 87: ") && Has(end, each.words)) << end.words;
  }
  EXPECT_EQ(VecsCli("store list --server vcenter.example.com --upn a").code, 18);
  EXPECT_EQ(VecsCli("store list --upn a").code, 17);
}

// Goal: with --json a failure is one object on standard output, whatever failed. Method: a wrong option, and
// a mount that is none.
TEST(VecsCli, FailsInJson) {
  for (const auto& [line, name] : {std::pair{"entry list --store x --frob --json", "ERROR_INVALID_PARAMETER"},
                                   std::pair{"store list --mount / --json", "ERROR_CANNOT_CONNECT_VMAFD"}}) {
    const ScratchDirectory scratch;
    const std::string out = (scratch / "out").string();
    VecsCli(std::string(line) + " >" + Quoted(out) + " 2>/dev/null; true");
    const auto json = nlohmann::json::parse(TextOf(out), nullptr, false);
    ASSERT_FALSE(json.is_discarded());
    EXPECT_EQ(json["error"]["name"], name);
  }
}

}  // namespace
}  // namespace certfs::vecs
