// What counts as a change of an entry's content.

#include "tools/entry_state.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

EntryState Of(std::initializer_list<std::pair<Member, const char*>> files) {
  EntryState state;
  for (const auto& [member, content] : files) state.files[member] = {0, content};
  return state;
}

constexpr Member kC = Member::kCertificate;
constexpr Member kK = Member::kKey;
constexpr Member kL = Member::kRevocationList;
constexpr Member kS = Member::kSecret;

// Goal: each change is news once, a removal never, a key by its certificate. Method: a table of states.
TEST(EntryState, TellsNews) {
  const struct {
    const char* what;
    EntryState before, now;
    bool news;
  } cases[] = {
      {"nothing", {}, {}, false},
      {"the same", Of({{kC, "a"}, {kK, "1"}}), Of({{kC, "a"}, {kK, "1"}}), false},
      {"a first file", {}, Of({{kK, "1"}}), true},
      {"a partner", Of({{kK, "1"}}), Of({{kC, "a"}, {kK, "2"}}), true},
      {"a key for a certificate", Of({{kC, "a"}}), Of({{kC, "a"}, {kK, "2"}}), true},
      {"a renewal", Of({{kC, "a"}, {kK, "1"}}), Of({{kC, "b"}, {kK, "2"}}), true},
      {"another revision of the same pair", Of({{kC, "a"}, {kK, "1"}}), Of({{kC, "a"}, {kK, "2"}}), false},
      {"another lone key", Of({{kK, "1"}}), Of({{kK, "2"}}), true},
      {"the certificate removed", Of({{kC, "a"}, {kK, "1"}}), Of({{kK, "2"}}), false},
      {"the key removed", Of({{kC, "a"}, {kK, "1"}}), Of({{kC, "a"}}), false},
      {"back without its key, but renewed", Of({{kC, "a"}, {kK, "1"}}), Of({{kC, "b"}}), true},
      {"all removed", Of({{kC, "a"}, {kK, "1"}}), {}, false},
      {"another CRL", Of({{kL, "a"}}), Of({{kL, "b"}}), true},
      {"another secret", Of({{kS, "1"}}), Of({{kS, "2"}}), true},
      {"another kind", Of({{kS, "1"}}), Of({{kC, "1"}}), true},
  };
  for (const auto& each : cases) EXPECT_EQ(IsNews(each.before, each.now), each.news) << each.what;
}

// Goal: public files count by their bytes, others by their inode, and what is known is not read again.
// Method: plain files stand in for those of a mount.
TEST(EntryState, ReadsPublicFilesAlone) {
  const ScratchDirectory scratch;
  const std::filesystem::path certificate = scratch.Write("cert.pem", "one");
  const std::filesystem::path key = scratch.Write("key.pem", "secret");
  const auto first = ReadEntryState(scratch / "", {});
  ASSERT_TRUE(first.has_value());
  ASSERT_EQ(first.value().files.size(), 2u);
  EXPECT_NE(first.value().files.at(kC).content.find("sha256"), std::string::npos);
  struct stat status {};
  ASSERT_EQ(stat(key.c_str(), &status), 0);
  EXPECT_EQ(first.value().files.at(kK).content, "inode " + std::to_string(status.st_ino));

  // Same inode: by contract the same bytes.
  scratch.Write("cert.pem", "two");
  const auto again = ReadEntryState(scratch / "", first.value());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again.value().files.at(kC).content, first.value().files.at(kC).content);

  // Another inode, other bytes; then the first bytes return under yet another.
  std::filesystem::rename(scratch.Write("new", "two"), certificate);
  const auto replaced = ReadEntryState(scratch / "", again.value());
  ASSERT_TRUE(replaced.has_value());
  EXPECT_TRUE(IsNews(first.value(), replaced.value()));
  std::filesystem::rename(scratch.Write("new", "one"), certificate);
  const auto returned = ReadEntryState(scratch / "", replaced.value());
  ASSERT_TRUE(returned.has_value());
  EXPECT_FALSE(IsNews(first.value(), returned.value()));
}

// Goal: an entry that is not there is empty, not a failure. Method: a path that leads nowhere.
TEST(EntryState, IsEmptyWhereNothingIs) {
  const ScratchDirectory scratch;
  const auto state = ReadEntryState(scratch / "none", {});
  ASSERT_TRUE(state.has_value());
  EXPECT_TRUE(state.value().files.empty());
}

}  // namespace
}  // namespace certfs
