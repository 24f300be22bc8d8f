// Goal: a keystore is made whole or not at all, and opening says what is wrong with one that does not open.
// Method: real directories, one thing wrong in each.

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <set>

#include "store/examination.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/raw_lmdb.h"

namespace certfs {

namespace {

namespace filesystem = std::filesystem;

Keystore::Clock Clock() { return FixedClock().get(); }

Result<void> Create(const filesystem::path& directory) {
  return Keystore::Create(directory, TestSecret(), kAlice, Clock());
}
Result<void> Open(const filesystem::path& directory, char fill = 'k') {
  TRY(Keystore::Open(directory, TestSecret(fill), Clock()));
  return {};
}

std::set<std::string> NamesIn(const filesystem::path& directory) {
  std::set<std::string> names;
  for (const auto& each : filesystem::directory_iterator(directory)) names.insert(each.path().filename());
  return names;
}

mode_t ModeOf(const filesystem::path& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

// Changes one byte of a file, or with `at` beyond its end, adds one.
void Spoil(const filesystem::path& file, std::streamoff at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(at);
  const int byte = stream.get();
  stream.clear();
  stream.seekp(at);
  stream.put(static_cast<char>(byte ^ 1));
}

TEST(KeystoreOpen, MakesADirectoryWithItsThreeFiles) {
  const TemporaryDirectory parent;
  const filesystem::path directory = parent.path() / "keystore";
  const mode_t umask_before = umask(0);
  Must(Create(directory));
  umask(umask_before);
  EXPECT_EQ(NamesIn(directory), (std::set<std::string>{"keystore.hdr", "data.mdb", "lock.mdb"}));
  EXPECT_EQ(ModeOf(directory), 0700U);
  for (const std::string& name : NamesIn(directory)) EXPECT_EQ(ModeOf(directory / name), 0600U) << name;
  const auto keystore = Must(Keystore::Open(directory, TestSecret(), Clock()));
  EXPECT_EQ(Must(Must(keystore->Snapshot())->FindStore(NameOf("machine")))->attributes.uid, kAlice.uid);
}

TEST(KeystoreOpen, TakesAnEmptyDirectoryAndMakesItPrivate) {
  const TemporaryDirectory directory;
  filesystem::permissions(directory.path(), filesystem::perms(0755));
  Must(Create(directory.path()));
  EXPECT_EQ(ModeOf(directory.path()), 0700U);
}

TEST(KeystoreOpen, RefusesToMakeOneOverAnything) {
  const TemporaryDirectory directory;
  Must(Create(directory.path()));
  EXPECT_EQ(CodeOf(Create(directory.path())), ErrorCode::kAlreadyExists);
  Must(Open(directory.path()));

  const TemporaryDirectory other;
  std::ofstream(other.path() / "notes.txt") << "mine";
  filesystem::permissions(other.path(), filesystem::perms(0755));
  EXPECT_EQ(CodeOf(Create(other.path())), ErrorCode::kAlreadyExists);
  EXPECT_EQ(NamesIn(other.path()), std::set<std::string>{"notes.txt"});
  EXPECT_EQ(ModeOf(other.path()), 0755U);
  EXPECT_EQ(CodeOf(Create(other.path() / "notes.txt")), ErrorCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(Create(other.path() / "no" / "parent")), ErrorCode::kIo);
  EXPECT_EQ(NamesIn(other.path()), std::set<std::string>{"notes.txt"});
}

// The clock is asked first when the header is made and again for the default stores. A secret of the wrong
// size fails the making of the header; a directory in the way of the header fails the last step of all.
TEST(KeystoreOpen, FailingToMakeOneLeavesTheDirectoryAsItWas) {
  const UnlockSecret bad{SlotType::kKeyFile, SecretOf("short")};
  const TemporaryDirectory directory;
  filesystem::permissions(directory.path(), filesystem::perms(0750));
  const auto early = Keystore::Create(directory.path(), bad, kRoot, Clock());
  ASSERT_FALSE(early.has_value());
  EXPECT_EQ(NamesIn(directory.path()), std::set<std::string>{});
  EXPECT_EQ(ModeOf(directory.path()), 0750U);

  const filesystem::path made = directory.path() / "made";
  EXPECT_FALSE(Keystore::Create(made, bad, kRoot, Clock()).has_value());
  EXPECT_FALSE(filesystem::exists(made));

  // By the second question, the tables are there; then something comes to stand where the header goes.
  for (const char* const in_the_way : {"keystore.hdr", "keystore.hdr.new"}) {
    SCOPED_TRACE(in_the_way);
    int asked = 0;
    const auto late = Keystore::Create(directory.path(), TestSecret(), kRoot, [&] {
      if (++asked == 2) filesystem::create_directories(directory.path() / in_the_way / "full");
      return Clock()();
    });
    ASSERT_FALSE(late.has_value());
    EXPECT_GE(asked, 2);
    EXPECT_EQ(NamesIn(directory.path()), std::set<std::string>{in_the_way});
    EXPECT_EQ(ModeOf(directory.path()), 0750U);
    filesystem::remove_all(directory.path() / in_the_way);
  }
  Must(Create(directory.path()));
}

TEST(KeystoreOpen, SaysWhatIsWrong) {
  const TemporaryDirectory directory;
  EXPECT_EQ(CodeOf(Open(directory.path())), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(Open(directory.path() / "nothing")), ErrorCode::kNotFound);
  Must(Create(directory.path()));
  Must(Open(directory.path()));
  EXPECT_EQ(CodeOf(Open(directory.path(), 'x')), ErrorCode::kAccessDenied);

  const filesystem::path header = directory.path() / "keystore.hdr";
  Spoil(header, 50);
  EXPECT_EQ(CodeOf(Open(directory.path())), ErrorCode::kCorrupt);
  Spoil(header, 50);
  Must(Open(directory.path()));
  Spoil(header, 9);  // The format version.
  Spoil(header, 8);
  EXPECT_EQ(CodeOf(Open(directory.path())), ErrorCode::kUnsupported);
  Spoil(header, 9);
  Spoil(header, 8);
  for (const char* const part : {"keystore.hdr", "data.mdb"}) {
    filesystem::rename(directory.path() / part, directory.path() / "aside");
    const auto opened = Open(directory.path());
    EXPECT_EQ(CodeOf(opened), ErrorCode::kNotFound);
    EXPECT_NE(opened.error().message().find(part), std::string::npos);
    EXPECT_NE(opened.error().message().find(directory.path().string()), std::string::npos);
    filesystem::rename(directory.path() / "aside", directory.path() / part);
  }
  Must(Open(directory.path()));
}

// Nobody writes to the FIFO: whoever waits for that waits for ever.
TEST(KeystoreOpen, WaitsForNoFifo) {
  const TemporaryDirectory directory;
  const TemporaryDirectory elsewhere;
  Must(Create(directory.path()));
  const auto expect_refused = [](const auto& opened, const std::string& words) {
    ASSERT_EQ(CodeOf(opened), ErrorCode::kCorrupt);
    EXPECT_NE(opened.error().message().find(words), std::string::npos) << opened.error().message();
  };
  for (const std::string& part :
       {std::string("keystore.hdr"), std::string("data.mdb"), std::string("lock.mdb")}) {
    SCOPED_TRACE(part);
    const filesystem::path file = directory.path() / part;
    const filesystem::path kept = elsewhere.path() / "kept";
    filesystem::rename(file, kept);
    ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
    expect_refused(Open(directory.path()), part + " is no regular file");
    expect_refused(KeystoreExamination::Open(directory.path(), TestSecret(), Clock()),
                   part + " is no regular file");
    filesystem::remove(file);
    if (part == "keystore.hdr") {
      filesystem::create_symlink(kept, file);
      expect_refused(Header::Load(directory.path()), "keystore.hdr is a symbolic link");
      filesystem::remove(file);
    }
    filesystem::rename(kept, file);
    Must(Open(directory.path()));
  }
}

// What stands in the place of a file, and how it is called.
struct Impostor {
  const char* words;
  void (*put)(const filesystem::path& file, const filesystem::path& aside);
};
constexpr std::array<Impostor, 3> kImpostors{{
    {"is a symbolic link", [](const filesystem::path& file,
                              const filesystem::path& aside) { filesystem::create_symlink(aside, file); }},
    {"has another name", [](const filesystem::path& file,
                            const filesystem::path& aside) { filesystem::create_hard_link(aside, file); }},
    {"is no regular file",
     [](const filesystem::path& file, const filesystem::path&) { filesystem::create_directory(file); }},
}};

// Goal: what LMDB writes to is the keystore's own. Method: the very file that belongs there by another way,
// and for the lock file, whose bytes nobody checks, one that is none of the keystore's.
TEST(KeystoreOpen, WritesToNothingThatWasPutInTheirPlace) {
  const TemporaryDirectory directory;
  const TemporaryDirectory elsewhere;
  Must(Create(directory.path()));
  const filesystem::path aside = elsewhere.path() / "shadow";
  const filesystem::path kept = elsewhere.path() / "kept";
  for (const std::string& part : {std::string("data.mdb"), std::string("lock.mdb")}) {
    const filesystem::path file = directory.path() / part;
    for (const Impostor& each : kImpostors) {
      SCOPED_TRACE(part + " " + each.words);
      filesystem::rename(file, kept);
      if (part == "data.mdb") filesystem::copy_file(kept, aside);
      if (part == "lock.mdb") std::ofstream(aside) << "root:*:19000:0:99999:7:::";
      const Bytes before = test::ReadAll(aside.string());
      each.put(file, aside);
      const auto expect_refused = [&](const auto& opened) {
        ASSERT_EQ(CodeOf(opened), ErrorCode::kCorrupt);
        EXPECT_NE(opened.error().message().find(part + " " + each.words), std::string::npos)
            << opened.error().message();
      };
      expect_refused(Open(directory.path()));
      expect_refused(KeystoreExamination::Open(directory.path(), TestSecret(), Clock()));
      EXPECT_EQ(test::ReadAll(aside.string()), before);
      filesystem::remove_all(file);
      filesystem::remove(aside);
      filesystem::rename(kept, file);
      Must(Open(directory.path()));
    }
  }
}

// Somebody who makes a keystore holds the directory's lock: two at once would undo each other.
TEST(KeystoreOpen, OneAtATimeMakesAKeystore) {
  const TemporaryDirectory directory;
  filesystem::permissions(directory.path(), filesystem::perms(0750));
  ErrorCode second = ErrorCode::kInternal;
  bool first = true;
  Must(Keystore::Create(directory.path(), TestSecret(), kRoot, [&] {
    if (std::exchange(first, false)) second = CodeOf(Create(directory.path()));
    return Clock()();
  }));
  EXPECT_EQ(second, ErrorCode::kBusy);
  Must(Open(directory.path()));
}

// A header belongs to one data.mdb: another keystore's, even under the same key, does not open it.
TEST(KeystoreOpen, RefusesTheHeaderOfAnotherKeystore) {
  const TemporaryDirectory first;
  const TemporaryDirectory second;
  Must(Create(first.path()));
  Must(Create(second.path()));
  filesystem::copy_file(first.path() / "keystore.hdr", second.path() / "keystore.hdr",
                        filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(CodeOf(Open(second.path())), ErrorCode::kCorrupt);
}

}  // namespace

}  // namespace certfs
