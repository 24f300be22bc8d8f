// Goal: whatever a package's tar holds, nothing gets out of the directory, nothing but plain files and
// directories gets into it, and either all of it or nothing does.
// Method: tars written block by block, as no tar program writes them; directories that already hold things.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "tests/support/must.h"
#include "tests/tools/scratch_directory.h"
#include "tools/package/contents.h"
#include "tools/package/extraction.h"
#include "tools/package/placement.h"
#include "tools/package/sources.h"

namespace certfs::package {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 30;

// One member of a ustar archive (POSIX.1-2001, ustar Interchange Format).
struct Member {
  std::string name;
  char type = '0';
  std::string content{};
  std::string link{};
  unsigned mode = 0644;
  std::string size{};  // As it stands in the header, where it is not that of the content.
};

std::string Octal(unsigned long value, int digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%0*lo", digits, value);
  return text.data();
}

std::string Block(const Member& member) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  put(0, member.name);
  put(100, Octal(member.mode, 7));
  put(108, Octal(0, 7));
  put(116, Octal(0, 7));
  put(124, member.size.empty() ? Octal(member.content.size(), 11) : member.size);
  put(136, Octal(1'700'000'000, 11));
  block[156] = member.type;
  put(157, member.link);
  put(257, std::string("ustar\0"
                       "00",
                       8));
  put(148, std::string(8, ' '));
  unsigned sum = 0;
  for (const char each : block) sum += static_cast<unsigned char>(each);
  put(148, Octal(sum, 6) + std::string("\0 ", 2));
  return block;
}

std::string Tar(const std::vector<Member>& members) {
  std::string tar;
  for (const Member& member : members) {
    tar += Block(member) + member.content;
    tar.resize((tar.size() + 511) / 512 * 512);
  }
  return tar + std::string(1024, '\0');
}

// One record of a pax header ("%d %s=%s\n").
std::string PaxRecord(const std::string& key, const std::string& value) {
  std::size_t length = key.size() + value.size() + 3;
  length += std::to_string(length + std::to_string(length).size()).size();
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

Spool SpoolOf(const std::string& bytes) {
  Spool spool = Must(Spool::Make(fs::temp_directory_path()));
  Must(spool.Append(AsBytes(bytes)));
  return spool;
}

Result<std::vector<Item>> Contents(const std::string& tar, std::uint64_t bytes_max = kPlenty) {
  return ReadContents(SpoolOf(tar), bytes_max);
}

// "rejected: words", or "accepted".
std::string Verdict(const std::string& tar, std::uint64_t bytes_max = kPlenty) {
  const auto items = Contents(tar, bytes_max);
  if (items.has_value()) return "accepted";
  return std::string(ToString(items.error().code())) + ": " + items.error().message();
}

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Everything below `directory`, by name: its content, or "/" for a directory, "@" for a link.
std::map<std::string, std::string> Tree(const fs::path& directory) {
  std::map<std::string, std::string> tree;
  if (!fs::is_directory(directory)) return tree;
  for (const auto& each : fs::recursive_directory_iterator(directory)) {
    const std::string name = each.path().lexically_relative(directory).string();
    tree[name] = each.is_symlink() ? "@" : each.is_directory() ? "/" : ReadText(each.path());
  }
  return tree;
}
using Files = std::map<std::string, std::string>;

TEST(PackageContents, PlainFilesAndDirectories) {
  const auto items =
      Must(Contents(Tar({{"site/", '5', {}, {}, 0755}, {"site/index", '0', "hello"}, {"lone", '0', ""}})));
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(items[0].name, "site");
  EXPECT_TRUE(items[0].directory);
  EXPECT_EQ(items[1].name, "site/index");
  EXPECT_EQ(items[1].size, 5U);
  EXPECT_EQ(items[1].mode, 0644U);
  EXPECT_EQ(items[1].mtime, Time(std::chrono::seconds(1'700'000'000)));
  // As `tar -C dir -c .` makes it.
  const auto dotted =
      Must(Contents(Tar({{"./", '5', {}, {}, 0755}, {"./a", '0', "x"}, {"./b/", '5', {}, {}, 0755}})));
  ASSERT_EQ(dotted.size(), 2U);
  EXPECT_EQ(dotted[0].name, "a");
  EXPECT_EQ(dotted[1].name, "b");
}

TEST(PackageContents, RefusesPathsThatLeadElsewhere) {
  for (const char* const name : {"../evil", "a/../../evil", "..", "a/..", "/etc/evil", "//etc/evil", "a//b",
                                 "a/./b", "./../evil", "a/", "./", "."}) {
    const std::string verdict = Verdict(Tar({{name, '0', "x"}}));
    // Of a file with a slash behind its name libarchive makes a directory, and may stumble over its content.
    const bool stumbles = std::string_view(name).ends_with('/') && verdict.starts_with("malformed: ");
    EXPECT_TRUE(verdict.starts_with("rejected: ") || stumbles) << name << ": " << verdict;
  }
  for (const char* const name : {"../evil/", "/", "/etc/", "a/../b/"}) {
    const std::string verdict = Verdict(Tar({{name, '5', {}, {}, 0755}}));
    EXPECT_TRUE(verdict.starts_with("rejected: ")) << name << ": " << verdict;
  }
  EXPECT_NE(Verdict(Tar({{"../evil", '0', "x"}})).find("../evil: a path that leads out"), std::string::npos);
}

TEST(PackageContents, RefusesWhateverIsNoFileAndNoDirectory) {
  const std::vector<std::pair<Member, std::string>> cases{
      {{"l", '2', {}, "/etc"}, "a symbolic link"},
      {{"l", '1', {}, "a"}, "a hard link"},
      {{"d", '3', {}, {}}, "a device"},
      {{"d", '4', {}, {}}, "a device"},
      {{"f", '6', {}, {}}, "a FIFO"},
      {{"s", '0', "x", {}, 04755}, "setuid"},
      {{"s", '0', "x", {}, 02755}, "setgid"},
      {{"s/", '5', {}, {}, 01777}, "sticky"},
  };
  for (const auto& [member, words] : cases) {
    const std::string verdict = Verdict(Tar({{"a", '0', "x"}, member}));
    EXPECT_TRUE(verdict.starts_with("rejected: " + member.name)) << verdict;
    EXPECT_NE(verdict.find(words), std::string::npos) << verdict;
  }
  // A link, and a file through it.
  EXPECT_TRUE(Verdict(Tar({{"l", '2', {}, "/tmp"}, {"l/evil", '0', "x"}}))
                  .starts_with("rejected: l: a symbolic link"));
}

TEST(PackageContents, RefusesOneNameTwice) {
  const Member file{"a", '0', "x"};
  const Member directory{"a/", '5', {}, {}, 0755};
  EXPECT_EQ(Verdict(Tar({file, file})), "rejected: a: it stands in there twice");
  EXPECT_EQ(Verdict(Tar({directory, directory})), "rejected: a: it stands in there twice");
  EXPECT_EQ(Verdict(Tar({file, {"./a", '0', "y"}})), "rejected: a: it stands in there twice");
  EXPECT_EQ(Verdict(Tar({file, directory})), "rejected: a: both a file and a directory");
  EXPECT_EQ(Verdict(Tar({directory, file})), "rejected: a: both a file and a directory");
  EXPECT_EQ(Verdict(Tar({file, {"a/b", '0', "y"}})), "rejected: a: both a file and a directory");
  EXPECT_EQ(Verdict(Tar({{"a/b", '0', "y"}, file})), "rejected: a: both a file and a directory");
  EXPECT_EQ(Verdict(Tar({{"a/b", '0', "y"}, directory})), "accepted");
}

TEST(PackageContents, RefusesNamesThatCannotBeShown) {
  EXPECT_EQ(Verdict(Tar({{"a\x1B[2J", '0', "x"}})),
            "rejected: \"a\\u001b[2J\": a name with control characters, or not UTF-8");
  EXPECT_TRUE(Verdict(Tar({{"a\nb", '0', "x"}})).starts_with("rejected: "));
  EXPECT_TRUE(Verdict(Tar({{"a\xFF", '0', "x"}})).starts_with("rejected: "));
  // A NUL ends a name of ustar; in a pax header it stands among others.
  const std::string record = PaxRecord("path", std::string("a\0b", 3));
  const std::string verdict = Verdict(Tar({{"pax", 'x', record}, {"a", '0', "x"}}));
  EXPECT_TRUE(verdict.starts_with("rejected: ") || verdict.starts_with("malformed: ") ||
              verdict == "accepted")
      << verdict;
  if (verdict == "accepted") {
    EXPECT_EQ(Must(Contents(Tar({{"pax", 'x', record}, {"a", '0', "x"}})))[0].name, "a");
  }
}

TEST(PackageContents, TakesNamesBeyondAscii) {
  for (const std::string& header :
       {PaxRecord("path", "für/größe"), PaxRecord("hdrcharset", "BINARY") + PaxRecord("path", "für/größe")}) {
    const auto items = Must(Contents(Tar({{"pax", 'x', header}, {"a", '0', "x"}})));
    ASSERT_EQ(items.size(), 1U);
    EXPECT_EQ(items[0].name, "für/größe");
  }
}

TEST(PackageContents, BoundsWhatItUnpacksTo) {
  const std::string tar = Tar({{"a", '0', std::string(600, 'x')}, {"b", '0', std::string(400, 'x')}});
  EXPECT_EQ(Verdict(tar, 1000), "accepted");
  EXPECT_EQ(Verdict(tar, 999),
            "too-large: b: with this it unpacks to more than 999 bytes; --max-size allows more");
  // What is declared counts, whether it is there or not: 8 GiB less one in octal, 2^62 in binary.
  EXPECT_TRUE(Verdict(Tar({{"bomb", '0', "x", {}, 0644, "77777777777"}})).starts_with("too-large: bomb"));
  std::string binary(12, '\0');
  binary[0] = '\x80';
  binary[4] = '\x40';
  EXPECT_TRUE(Verdict(Tar({{"bomb", '0', "x", {}, 0644, binary}})).starts_with("too-large: bomb"));
  // And in a pax header.
  EXPECT_TRUE(Verdict(Tar({{"pax", 'x', PaxRecord("size", "4611686018427387904")}, {"bomb", '0', "x"}}))
                  .starts_with("too-large: bomb"));
}

TEST(PackageContents, RefusesMoreThanIsThere) {
  EXPECT_TRUE(Verdict(Tar({{"a", '0', "x", {}, 0644, Octal(100'000, 11)}})).starts_with("malformed: "));
  const std::string whole = Tar({{"a", '0', std::string(2000, 'x')}});
  for (const std::size_t size : {512, 513, 1000, 2047}) {
    EXPECT_TRUE(Verdict(whole.substr(0, size)).starts_with("malformed: ")) << size;
  }
}

TEST(PackageContents, RefusesSparseFiles) {
  // GNU's pax format 1.0 and 0.1: a terabyte out of one block.
  const std::string newer = PaxRecord("GNU.sparse.major", "1") + PaxRecord("GNU.sparse.minor", "0") +
                            PaxRecord("GNU.sparse.name", "bomb") +
                            PaxRecord("GNU.sparse.realsize", "1099511627776");
  std::string map = "1\n1099511627775\n1\n";
  map.resize(512);
  const std::string older = PaxRecord("GNU.sparse.size", "1099511627776") +
                            PaxRecord("GNU.sparse.numblocks", "1") +
                            PaxRecord("GNU.sparse.map", "1099511627775,1");
  for (const std::string& verdict : {Verdict(Tar({{"pax", 'x', newer}, {"bomb", '0', map + "x"}})),
                                     Verdict(Tar({{"pax", 'x', older}, {"bomb", '0', "x"}}))}) {
    EXPECT_TRUE(verdict.starts_with("rejected: bomb: a sparse file") ||
                verdict.starts_with("too-large: bomb"))
        << verdict;
  }
  // A small one as well: nothing in it is what was signed, as a person would see it.
  const std::string small = PaxRecord("GNU.sparse.size", "2000") + PaxRecord("GNU.sparse.numblocks", "1") +
                            PaxRecord("GNU.sparse.map", "1999,1");
  EXPECT_TRUE(Verdict(Tar({{"pax", 'x', small}, {"a", '0', "x"}})).starts_with("rejected: a: a sparse file"));
}

TEST(PackageContents, RefusesWhatIsNoTar) {
  EXPECT_TRUE(Verdict("").starts_with("rejected: ") || Verdict("").starts_with("malformed: "));
  EXPECT_TRUE(Verdict("no tar at all, but some words").starts_with("malformed: "));
  EXPECT_EQ(Verdict(std::string(1024, '\0')), "rejected: it holds nothing");
  EXPECT_TRUE(Verdict("\x1F\x8B\x08" + std::string(2000, 'x')).starts_with("malformed: "));
  std::string damaged = Tar({{"a", '0', "x"}});
  damaged[3] = 'b';
  EXPECT_TRUE(Verdict(damaged).starts_with("malformed: "));
}

TEST(PackageContents, NoChangedByteOfAHeaderBreaksOut) {
  const std::string tar = Tar({{"d/", '5', {}, {}, 0755}, {"d/a", '0', "hello"}});
  const ScratchDirectory scratch;
  std::size_t unpacked = 0;
  for (std::size_t at = 0; at < 1024; ++at) {
    std::string changed = tar;
    changed[at] = static_cast<char>(changed[at] ^ 0x5A);
    const Spool spool = SpoolOf(changed);
    const auto items = ReadContents(spool, kPlenty);
    if (!items.has_value()) continue;
    ++unpacked;
    const fs::path target = scratch / ("out" + std::to_string(at));
    EXPECT_TRUE(Place({spool, items.value(), target, false}).has_value()) << at;
  }
  for (const auto& each : fs::directory_iterator(scratch / ""))
    EXPECT_TRUE(each.path().filename().string().starts_with("out")) << each.path();
  // The checksum does not cover itself, nor what is behind the numbers.
  EXPECT_LT(unpacked, 64U);
}

// --- Unpacking

struct Unpacked {
  Result<std::size_t> outcome;
  Files tree;
};
Unpacked PlaceTar(const std::string& tar, const fs::path& directory, bool replace = false) {
  const Spool spool = SpoolOf(tar);
  const std::vector<Item> items = Must(ReadContents(spool, kPlenty));
  auto outcome = Place({spool, items, directory, replace});
  return {std::move(outcome), Tree(directory)};
}

const std::string& SiteTar() {
  static const std::string tar = Tar({{"site/", '5', {}, {}, 0750},
                                      {"site/index", '0', "hello", {}, 0640},
                                      {"site/deep/er/file", '0', "deep"},
                                      {"run", '0', "#!", {}, 0700}});
  return tar;
}
const Files& SiteTree() {
  static const Files tree{{"site", "/"},         {"site/index", "hello"},       {"site/deep", "/"},
                          {"site/deep/er", "/"}, {"site/deep/er/file", "deep"}, {"run", "#!"}};
  return tree;
}

TEST(PackagePlacement, MakesTheDirectory) {
  const ScratchDirectory scratch;
  const auto [outcome, tree] = PlaceTar(SiteTar(), scratch / "new");
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
  EXPECT_EQ(tree, SiteTree());
  struct stat status {};
  ASSERT_EQ(stat((scratch / "new/site/index").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  EXPECT_EQ(status.st_mtime, 1'700'000'000);
  ASSERT_EQ(stat((scratch / "new/site").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0750U);
  EXPECT_EQ(status.st_mtime, 1'700'000'000);
  // Nothing else is left beside it.
  EXPECT_EQ(std::distance(fs::directory_iterator(scratch / ""), fs::directory_iterator()), 1);
}

TEST(PackagePlacement, ADirectoryThatItsOwnerMayNotWriteTo) {
  const ScratchDirectory scratch;
  const std::string tar = Tar({{"d/", '5', {}, {}, 0555}, {"d/a", '0', "x", {}, 0444}});
  for (const char* const name : {"new", "there"}) {
    if (std::string_view(name) == "there") fs::create_directory(scratch / name);
    ASSERT_TRUE(PlaceTar(tar, scratch / name).outcome.has_value());
    struct stat status {};
    ASSERT_EQ(stat((scratch / name / "d").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0555U);
    fs::permissions(scratch / name / "d", fs::perms::owner_all);
  }
}

TEST(PackagePlacement, AddsToADirectory) {
  const ScratchDirectory scratch;
  fs::create_directories(scratch / "there/site");
  fs::permissions(scratch / "there/site", fs::perms::owner_all);
  scratch.Write("there/site/other", "other");
  const auto [outcome, tree] = PlaceTar(SiteTar(), scratch / "there");
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
  EXPECT_EQ(outcome.value(), 0U);
  Files expected = SiteTree();
  expected["site/other"] = "other";
  EXPECT_EQ(tree, expected);
  // What was there keeps its permissions.
  EXPECT_EQ(fs::status(scratch / "there/site").permissions(), fs::perms::owner_all);
}

TEST(PackagePlacement, RefusesWhatIsInTheWay) {
  const ScratchDirectory scratch;
  fs::create_directories(scratch / "there/site/deep");
  scratch.Write("there/site/index", "mine");
  scratch.Write("there/site/deep/er", "a file");
  const Files before = Tree(scratch / "there");
  const auto [outcome, tree] = PlaceTar(SiteTar(), scratch / "there");
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_NE(outcome.error().message().find("2 things are in the way"), std::string::npos)
      << outcome.error().message();
  EXPECT_NE(outcome.error().message().find("\n  site/index: a file is there"), std::string::npos);
  EXPECT_NE(outcome.error().message().find("\n  site/deep/er: a file is there"), std::string::npos);
  EXPECT_EQ(tree, before);
  // Even then a directory does not take the place of a file.
  const auto [replaced, after] = PlaceTar(SiteTar(), scratch / "there", true);
  ASSERT_FALSE(replaced.has_value());
  EXPECT_EQ(after, before);
}

TEST(PackagePlacement, ReplacesFiles) {
  const ScratchDirectory scratch;
  fs::create_directories(scratch / "there/site");
  scratch.Write("there/site/index", "mine");
  scratch.Write("there/run", "mine");
  const auto [outcome, tree] = PlaceTar(SiteTar(), scratch / "there", true);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
  EXPECT_EQ(outcome.value(), 2U);
  EXPECT_EQ(tree, SiteTree());
}

// Whoever interrupts it, at whatever moment, finds everything as it was; or, after the last one, all of it.
TEST(PackagePlacement, AnInterruptionTakesEverythingBack) {
  const Spool spool = SpoolOf(SiteTar());
  const std::vector<Item> items = Must(ReadContents(spool, kPlenty));
  for (const bool there : {false, true}) {
    int moments = 0;
    for (bool done = false; !done; ++moments) {
      const ScratchDirectory scratch;
      if (there) {
        fs::create_directories(scratch / "out/site");
        scratch.Write("out/site/index", "mine");
        scratch.Write("out/run", "mine");
      }
      const Files before = Tree(scratch / "");
      int left = moments;
      const auto outcome = Place({spool, items, scratch / "out", true, [&] { return left-- == 0; }});
      done = outcome.has_value();
      if (done) {
        EXPECT_EQ(Tree(scratch / "out"), SiteTree());
      } else {
        EXPECT_EQ(outcome.error().code(), ErrorCode::kCancelled) << outcome.error().message();
        EXPECT_EQ(Tree(scratch / ""), before) << moments;
      }
    }
    // Before each item, in the middle of each file, and before each rename.
    EXPECT_GT(moments, there ? 9 : 7);
  }
}

TEST(PackagePlacement, FollowsNoLink) {
  const ScratchDirectory scratch;
  fs::create_directories(scratch / "there");
  fs::create_directories(scratch / "elsewhere");
  fs::create_directory_symlink(scratch / "elsewhere", scratch / "there/site");
  for (const bool replace : {false, true}) {
    const auto [outcome, tree] = PlaceTar(SiteTar(), scratch / "there", replace);
    ASSERT_FALSE(outcome.has_value());
    EXPECT_NE(outcome.error().message().find("site: no plain file is there"), std::string::npos);
    EXPECT_EQ(tree, (Files{{"site", "@"}}));
  }
  EXPECT_TRUE(fs::is_empty(scratch / "elsewhere"));
  // A file's name as well.
  fs::create_directories(scratch / "second");
  scratch.Write("secret", "mine");
  fs::create_symlink(scratch / "secret", scratch / "second/run");
  EXPECT_FALSE(PlaceTar(SiteTar(), scratch / "second", true).outcome.has_value());
  EXPECT_EQ(ReadText(scratch / "secret"), "mine");
}

TEST(PackagePlacement, NeedsADirectoryToMakeItIn) {
  const ScratchDirectory scratch;
  EXPECT_FALSE(PlaceTar(SiteTar(), scratch / "no/such").outcome.has_value());
  scratch.Write("file", "mine");
  EXPECT_FALSE(PlaceTar(SiteTar(), scratch / "file").outcome.has_value());
  EXPECT_EQ(ReadText(scratch / "file"), "mine");
}

// --- Packing

Result<std::string> TarOf(const std::vector<std::string>& paths) {
  std::string tar;
  const std::vector<Source> sources = TRY(FindSources(paths));
  TRY(WriteTar(
      sources,
      [&](BytesView piece) -> Result<void> {
        tar += AsText(piece);
        return {};
      },
      [](std::uint64_t) {}));
  return tar;
}

TEST(PackageSources, UnpacksToWhatWasPacked) {
  const ScratchDirectory scratch;
  fs::create_directories(scratch / "in/site/empty");
  scratch.Write("in/site/größe", "umlaut");
  scratch.Write("in/site/big", std::string(1'000'000, 'x'));
  scratch.Write("in/lone", "lone");
  fs::permissions(scratch / "in/lone", fs::perms(0751));
  const std::string tar = Must(TarOf({(scratch / "in/site").string(), (scratch / "in/lone").string()}));
  EXPECT_EQ(tar, Must(TarOf({(scratch / "in/site/").string(), (scratch / "in/lone").string()})));
  const auto [outcome, tree] = PlaceTar(tar, scratch / "out");
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
  EXPECT_EQ(tree, Tree(scratch / "in"));
  struct stat in {
  }, out{};
  ASSERT_EQ(stat((scratch / "in/lone").c_str(), &in), 0);
  ASSERT_EQ(stat((scratch / "out/lone").c_str(), &out), 0);
  EXPECT_EQ(in.st_mtim.tv_sec, out.st_mtim.tv_sec);
  EXPECT_EQ(in.st_mtim.tv_nsec, out.st_mtim.tv_nsec);
  // Of "." only what is in it.
  EXPECT_EQ(PlaceTar(Must(TarOf({(scratch / "in/.").string()})), scratch / "dot").tree, Tree(scratch / "in"));
}

TEST(PackageSources, RefusesTheRestByItsName) {
  const ScratchDirectory scratch;
  const auto refused = [&](const std::string& name, const std::string& words) {
    const auto tar = TarOf({(scratch / "in").string()});
    ASSERT_FALSE(tar.has_value()) << name;
    EXPECT_EQ(tar.error().code(), ErrorCode::kRejected);
    EXPECT_NE(tar.error().message().find(name), std::string::npos) << tar.error().message();
    EXPECT_NE(tar.error().message().find(words), std::string::npos) << tar.error().message();
    fs::remove(scratch / name);
  };
  fs::create_directory(scratch / "in");
  fs::create_symlink("elsewhere", scratch / "in/link");
  refused("in/link", "a symbolic link");
  ASSERT_EQ(mkfifo((scratch / "in/fifo").c_str(), 0600), 0);
  refused("in/fifo", "a FIFO");
  scratch.Write("in/setuid", "x");
  ASSERT_EQ(chmod((scratch / "in/setuid").c_str(), 04755), 0);
  refused("in/setuid", "setuid");
  scratch.Write("in/a\tb", "x");
  const auto tab = TarOf({(scratch / "in").string()});
  ASSERT_FALSE(tab.has_value());
  EXPECT_NE(tab.error().message().find("control characters"), std::string::npos);
  fs::remove(scratch / "in/a\tb");
  scratch.Write("in/a", "x");
  fs::create_directory(scratch / "b");
  scratch.Write("b/a", "x");
  EXPECT_FALSE(TarOf({(scratch / "in/a").string(), (scratch / "b/a").string()}).has_value());
  EXPECT_EQ(TarOf({(scratch / "none").string()}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(TarOf({"/"}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(TarOf({(scratch / "in/..").string()}).error().code(), ErrorCode::kInvalidArgument);
}

TEST(PackageSources, AFileThatChangesIsNotPacked) {
  const ScratchDirectory scratch;
  scratch.Write("a", "before");
  const auto sources = Must(FindSources({(scratch / "a").string()}));
  scratch.Write("a", "after it was found");
  const auto written = WriteTar(
      sources, [](BytesView) -> Result<void> { return {}; }, [](std::uint64_t) {});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), ErrorCode::kRejected);
}

TEST(PackageSources, ADirectoryThatBecomesALinkLeadsNowhere) {
  const ScratchDirectory scratch;
  fs::create_directories(scratch / "in/deep/er");
  fs::create_directories(scratch / "elsewhere/er");
  scratch.Write("in/deep/er/a", "mine");
  scratch.Write("elsewhere/er/a", "none");
  // As like the other as can be.
  fs::last_write_time(scratch / "elsewhere/er/a", fs::last_write_time(scratch / "in/deep/er/a"));
  const auto sources = Must(FindSources({(scratch / "in").string()}));
  fs::rename(scratch / "in/deep", scratch / "in/moved");
  fs::create_directory_symlink(scratch / "elsewhere", scratch / "in/deep");
  std::string tar;
  const auto written = WriteTar(
      sources,
      [&](BytesView piece) -> Result<void> {
        tar += AsText(piece);
        return {};
      },
      [](std::uint64_t) {});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), ErrorCode::kRejected);
  EXPECT_NE(written.error().message().find("in/deep/er/a: it changed"), std::string::npos)
      << written.error().message();
  EXPECT_EQ(tar.find("none"), std::string::npos);
}

TEST(PackageSources, PassesOnWhatTheSinkSays) {
  const ScratchDirectory scratch;
  scratch.Write("a", "x");
  const auto written = WriteTar(
      Must(FindSources({(scratch / "a").string()})),
      [](BytesView) -> Result<void> { return Error(ErrorCode::kNoSpace, "full"); }, [](std::uint64_t) {});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), ErrorCode::kNoSpace);
}

}  // namespace

}  // namespace certfs::package
