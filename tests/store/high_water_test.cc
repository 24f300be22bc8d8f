// Goal: whoever puts an older copy of a whole keystore in its place is found out by a file outside of it, and
// nobody else is. Method: real keystores, copied, changed and put back; every bit of the file flipped; other
// processes.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "crypto/base/time.h"
#include "store/audit_log.h"
#include "store/high_water.h"
#include "store/keystore_keys.h"
#include "tests/store/child_process.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {
namespace {

namespace filesystem = std::filesystem;

class HighWaterTest : public testing::Test {
 protected:
  HighWaterTest() {
    Must(Keystore::Create(keystore(), TestSecret(), kRoot, clock_.get()));
    filesystem::create_directory(file().parent_path());
  }

  filesystem::path keystore() const { return directory_.path() / "keystore"; }
  filesystem::path copy() const { return directory_.path() / "copy"; }
  filesystem::path file() const { return directory_.path() / "elsewhere" / "high-water"; }

  std::unique_ptr<Keystore> Open() { return Must(Keystore::Open(keystore(), TestSecret(), clock_.get())); }
  void Change(Keystore& opened, const std::string& alias) {
    const auto store = Must(Must(opened.Snapshot())->FindStore(NameOf("machine")));
    Must(opened.CreateEntry(store->number, AliasOf(alias), kRoot, 0755));
  }
  // Opens, changes something, and ends: all of it known to the file.
  void Work(const std::string& alias) {
    const auto opened = Open();
    const auto kept = Must(HighWater::Keep(*opened, file()));
    Change(*opened, alias);
  }
  void Copy() {
    filesystem::remove_all(copy());
    filesystem::copy(keystore(), copy(), filesystem::copy_options::recursive);
  }
  void PutBack() {
    filesystem::remove_all(keystore());
    filesystem::copy(copy(), keystore(), filesystem::copy_options::recursive);
  }
  // What keeping the file up to date, and looking at it, come to: the code, a colon and the rule.
  std::string Kept() {
    const auto opened = Open();
    const auto kept = HighWater::Keep(*opened, file());
    const auto checked = CheckHighWater(*opened, file());
    const auto words = [](const auto& outcome) {
      return outcome.has_value()
                 ? std::string("accepted")
                 : std::string(ToString(outcome.error().code())) + ":" + std::string(outcome.error().rule());
    };
    EXPECT_EQ(words(kept), words(checked));
    return words(kept);
  }
  std::string Words() {
    const auto opened = Open();
    const auto kept = HighWater::Keep(*opened, file());
    return kept.has_value() ? "" : kept.error().message();
  }
  std::string Bytes() {
    std::ifstream stream(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void SetBytes(const std::string& bytes) {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
  }

  TemporaryDirectory directory_;
  FixedClock clock_;
};

constexpr auto kOlder = "rejected:older-than-high-water";
constexpr auto kNoFile = "rejected:high-water-file";

TEST_F(HighWaterTest, AnOlderCopyOfTheWholeIsRefusedWithWords) {
  Work("one");
  Copy();
  clock_.Tick(std::chrono::hours(1));
  Work("two");
  EXPECT_EQ(Kept(), "accepted");
  PutBack();
  const std::string before = Bytes();
  EXPECT_EQ(Kept(), kOlder);
  EXPECT_EQ(Bytes(), before);
  const auto opened = Open();
  const std::string at = std::to_string(Must(opened->Snapshot())->commit());
  const std::string saw = std::to_string(Must(opened->Snapshot())->commit() + 1);
  const std::string words = HighWater::Keep(*opened, file()).error().message();
  for (const std::string& part : {"at commit " + at + ",", "saw it at commit " + saw + ",",
                                  FormatTimestamp(clock_.now()), "remove " + file().string()})
    EXPECT_NE(words.find(part), std::string::npos) << part << " in: " << words;
}

// Somebody who read a key puts back the state of before, in which nothing says so.
TEST_F(HighWaterTest, ACopyWithAShorterAuditLogIsOlder) {
  Work("one");
  Copy();
  {
    const auto opened = Open();
    const auto kept = Must(HighWater::Keep(*opened, file()));
    AuditEvent event;
    event.operation = "read";
    Must(opened->audit()->Append(event));
    Must(opened->audit()->Settle());
  }
  EXPECT_EQ(Kept(), "accepted");
  PutBack();
  EXPECT_EQ(Kept(), kOlder);
}

TEST_F(HighWaterTest, WhoeverMeansItRemovesTheFile) {
  Copy();
  Work("one");
  PutBack();
  EXPECT_EQ(Kept(), kOlder);
  filesystem::remove(file());
  EXPECT_EQ(Kept(), "accepted");
  Work("two");
  EXPECT_EQ(Kept(), "accepted");
  PutBack();
  EXPECT_EQ(Kept(), kOlder);
}

TEST_F(HighWaterTest, LookingMakesNoFile) {
  const auto opened = Open();
  EXPECT_EQ(CodeOf(CheckHighWater(*opened, file())), ErrorCode::kNotFound);
  EXPECT_FALSE(filesystem::exists(file()));
}

TEST_F(HighWaterTest, ItIsPrivateAndNothingElseIsLeftBeside) {
  Work("one");
  struct stat status {};
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  std::set<std::string> names;
  for (const auto& each : filesystem::directory_iterator(file().parent_path()))
    names.insert(each.path().filename());
  EXPECT_EQ(names, std::set<std::string>{"high-water"});
  const std::string bytes = Bytes();
  EXPECT_EQ(bytes.find("machine"), std::string::npos);
}

TEST_F(HighWaterTest, WhatIsNoFileOfThisKeystoreIsRefused) {
  Work("one");
  const std::string good = Bytes();
  SetBytes("");
  EXPECT_EQ(Kept(), kNoFile);
  EXPECT_NE(Words().find("is empty"), std::string::npos);
  SetBytes(std::string(8192, '\0'));
  EXPECT_EQ(Kept(), kNoFile);
  SetBytes("a diary\n");
  EXPECT_EQ(Kept(), kNoFile);
  // Both places torn in the middle.
  SetBytes(good.substr(0, 40));
  EXPECT_EQ(Kept(), kNoFile);
  // Of another keystore, which has been through more.
  const filesystem::path other = directory_.path() / "other";
  Must(Keystore::Create(other, TestSecret(), kRoot, clock_.get()));
  filesystem::remove(file());
  {
    const auto opened = Must(Keystore::Open(other, TestSecret(), clock_.get()));
    const auto kept = Must(HighWater::Keep(*opened, file()));
  }
  EXPECT_EQ(Kept(), kNoFile);
  EXPECT_NE(Words().find("another keystore"), std::string::npos);
  // What nobody can read as a file.
  filesystem::remove(file());
  filesystem::create_directory(file());
  EXPECT_FALSE(Kept().starts_with("accepted"));
  filesystem::remove(file());
  ASSERT_EQ(mkfifo(file().c_str(), 0600), 0);
  EXPECT_EQ(Kept(), kNoFile);
  filesystem::remove(file());
  std::ofstream(directory_.path() / "real") << good;
  filesystem::create_symlink(directory_.path() / "real", file());
  EXPECT_FALSE(Kept().starts_with("accepted"));
  filesystem::remove(file());
  SetBytes(good);
  EXPECT_EQ(Kept(), "accepted");
}

TEST_F(HighWaterTest, ANewerFormatIsToldApart) {
  Work("one");
  std::string bytes = Bytes().substr(0, 88);
  bytes[9] = 2;
  SetBytes(bytes);
  EXPECT_EQ(Kept(), "unsupported:");
}

// Of the one mark in it, every bit counts. Without a mark that verifies nobody is let in.
TEST_F(HighWaterTest, EveryBitOfAMarkIsAuthenticated) {
  {
    const auto opened = Open();
    Must(HighWater::Keep(*opened, file()));
  }
  const std::string good = Bytes();
  ASSERT_EQ(good.size(), 8192U);
  const auto opened = Open();
  for (std::size_t bit = 0; bit < 88 * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    SetBytes(bad);
    const auto checked = CheckHighWater(*opened, file());
    ASSERT_FALSE(checked.has_value()) << bit;
    EXPECT_TRUE(checked.error().rule() == "high-water-file" ||
                checked.error().code() == ErrorCode::kUnsupported)
        << bit << ": " << checked.error().message();
  }
  SetBytes(good);
  EXPECT_TRUE(CheckHighWater(*opened, file()).has_value());
}

// A write that a power cut tore takes the place that it wrote; the mark before it stands in the other.
TEST_F(HighWaterTest, ATornWriteLeavesTheMarkBefore) {
  Work("one");
  Copy();
  std::string before;
  std::string after;
  {
    const auto opened = Open();
    const auto kept = Must(HighWater::Keep(*opened, file()));
    Change(*opened, "two");
    Must(kept->Write());
    before = Bytes();
    Change(*opened, "three");
    Must(kept->Write());
    after = Bytes();
  }
  ASSERT_NE(before, after);
  std::size_t torn = 0;
  for (std::size_t cut = 0; cut <= 88; cut += 8) {
    std::string bytes = before;
    for (const std::size_t place : {std::size_t{0}, std::size_t{4096}}) {
      if (before.compare(place, 88, after, place, 88) == 0) continue;
      bytes.replace(place, cut, after, place, cut);
      torn += cut;
    }
    SetBytes(bytes);
    EXPECT_EQ(Kept(), "accepted") << cut;
    SetBytes(bytes);
    const auto opened = Must(Keystore::Open(copy(), TestSecret(), clock_.get()));
    EXPECT_EQ(CodeOf(CheckHighWater(*opened, file())), ErrorCode::kRejected) << cut;
  }
  EXPECT_GT(torn, 0U);
}

TEST_F(HighWaterTest, InTheKeystoreItselfItWouldBePutBackToo) {
  const auto opened = Open();
  EXPECT_EQ(CodeOf(HighWater::Keep(*opened, keystore() / "high-water")), ErrorCode::kInvalidArgument);
  filesystem::create_directory_symlink(keystore(), directory_.path() / "link");
  EXPECT_EQ(CodeOf(HighWater::Keep(*opened, directory_.path() / "link" / "high-water")),
            ErrorCode::kInvalidArgument);
  EXPECT_FALSE(filesystem::exists(keystore() / "high-water"));
  EXPECT_TRUE(HighWater::Keep(*opened, keystore().string() + "-high-water").has_value());
}

TEST_F(HighWaterTest, ItIsWrittenSoonAfterACommitWithoutBeingClosed) {
  const auto opened = Open();
  const auto kept = Must(HighWater::Keep(*opened, file()));
  Copy();
  Change(*opened, "one");
  kept->Note();
  // As another process sees it, however busy this machine is.
  const auto earlier = Must(Keystore::Open(copy(), TestSecret(), clock_.get()));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (CheckHighWater(*earlier, file()).has_value() && std::chrono::steady_clock::now() < deadline)
    usleep(1000);
  EXPECT_EQ(CodeOf(CheckHighWater(*earlier, file())), ErrorCode::kRejected);
}

TEST_F(HighWaterTest, SeveralProcessesRaiseOneFile) {
  const auto opened = Open();
  const auto kept = Must(HighWater::Keep(*opened, file()));
  const std::string crl = std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki/leaf.pem";
  ChildProcess other({STORE_WRITER, keystore().string(), "machine", "theirs", "5", "cert.pem", crl});
  ASSERT_TRUE(other.Read());
  other.Say();
  for (int i = 0; i < 5; ++i) {
    Change(*opened, "ours" + std::to_string(i));
    kept->Note();
    EXPECT_TRUE(CheckHighWater(*opened, file()).has_value());
  }
  EXPECT_EQ(other.Wait(), 0);
  Must(kept->Write());
  Copy();
  Change(*opened, "last");
  Must(kept->Write());
  const auto earlier = Must(Keystore::Open(copy(), TestSecret(), clock_.get()));
  EXPECT_EQ(CodeOf(CheckHighWater(*earlier, file())), ErrorCode::kRejected);
}

// A second one with the file raises it past what the first one knows, and the first one never lowers it.
TEST_F(HighWaterTest, NobodyLowersIt) {
  Copy();
  std::string high;
  {
    const auto opened = Open();
    const auto kept = Must(HighWater::Keep(*opened, file()));
    Change(*opened, "one");
    Must(kept->Write());
    high = Bytes();
    Must(kept->Write());
    EXPECT_EQ(Bytes(), high);
  }
  const auto earlier = Must(Keystore::Open(copy(), TestSecret(), clock_.get()));
  EXPECT_EQ(CodeOf(HighWater::Keep(*earlier, file())), ErrorCode::kRejected);
}

// The key of the mark outlives the keys of the keystore.
TEST_F(HighWaterTest, NewKeysLeaveItGood) {
  Work("one");
  Copy();
  const auto progress = [](std::size_t, std::size_t) {};
  Must(RotateDataKey(keystore(), TestSecret(), progress));
  EXPECT_EQ(Kept(), "accepted");
  Must(AddSlot(keystore(), TestSecret(), TestSecret('o'), {}));
  const SlotRevocation revocation{2, {}};
  const RevocationPlan plan = Must(PlanRevocation(keystore(), TestSecret(), revocation));
  Must(RevokeSlot(keystore(), TestSecret(), revocation, plan, {}, progress));
  EXPECT_EQ(Kept(), "accepted");
  PutBack();
  EXPECT_EQ(Kept(), kOlder);
}

TEST_F(HighWaterTest, AFailureIsToldOnceAndOnceWhenItIsOver) {
  const auto opened = Open();
  std::vector<std::string> told;
  const auto kept = Must(HighWater::Keep(*opened, file(), [&](const std::optional<Error>& failure) {
    told.push_back(failure ? std::string(ToString(failure->code())) : "over");
  }));
  // Somebody empties it while it is kept.
  const std::string good = Bytes();
  SetBytes("");
  for (int i = 0; i < 3; ++i) {
    Change(*opened, "while" + std::to_string(i));
    EXPECT_FALSE(kept->Write().has_value());
  }
  EXPECT_EQ(told, std::vector<std::string>{"rejected"});
  SetBytes(good);
  Must(kept->Write());
  EXPECT_EQ(told, (std::vector<std::string>{"rejected", "over"}));
}

}  // namespace
}  // namespace certfs
