// Goal: the audit log holds every line, in order, through rotation, crashes and other writers, and a line
// that cannot be written keeps from happening what it is about. Method: a keystore on disk whose files are
// cut, filled and taken away beneath it.

#include "store/audit_log.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "store/audit_format.h"
#include "store/keystore_keys.h"
#include "tests/store/audit_fixture.h"
#include "tests/store/child_process.h"
#include "tests/store/no_new_threads.h"
#include "tests/store/tiny_disk.h"

namespace certfs {
namespace {

using Json = nlohmann::json;

std::vector<std::filesystem::path> FilesOf(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& each : std::filesystem::directory_iterator(directory)) {
    if (each.path().filename().string().starts_with("audit.log")) files.push_back(each.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::size_t CountOf(const std::vector<std::string>& lines, const std::string& operation) {
  return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
    return Json::parse(line)["op"] == operation;
  }));
}

std::size_t OpenFiles() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

// The first line that does not name the one before it; 0 for none.
std::size_t BreakIn(const std::vector<std::string>& lines) {
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (Json::parse(lines[i])["prev"] != ToHex(Sha256({AsBytes(lines[i - 1])}))) return i + 1;
  }
  return 0;
}

// No file may grow behind `bytes` while it lives.
class FileLimit {
 public:
  explicit FileLimit(std::uintmax_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

// --- Lines

TEST(AuditLine, HasOneText) {
  AuditEvent event = SomeEvent();
  event.who.program = "n\"g\n\xC2\x9Bx\xFF";
  event.outcome = "EKEYREVOKED";
  event.rule = "revoked";
  event.reason = "by a CRL";
  event.commit = 3;
  event.about.push_back({"BACKUP_STORE", "bkp_web", Revision{1}});
  event.detail = "to edit it";
  const Time when{std::chrono::seconds(1'800'000'000) + std::chrono::microseconds(42)};
  EXPECT_EQ(EncodeAuditLine(event, 17, when, Digest{}),
            R"({"n":17,"time":"2027-01-15T08:00:00.000042Z","op":"read",)"
            R"("path":"stores/machine/web/key.pem","store":"machine","alias":"web","revision":7,)"
            R"("uid":1000,"gid":100,"pid":4711,"exe":"/usr/sbin/nginx","comm":"n\"g\u000a\u009bx)"
            "\xEF\xBF\xBD"
            R"(","outcome":"EKEYREVOKED","rule":"revoked","reason":"by a CRL","commit":3,)"
            R"("also":[{"store":"BACKUP_STORE","alias":"bkp_web","revision":1}],"detail":"to edit it",)"
            R"("prev":"0000000000000000000000000000000000000000000000000000000000000000"})");
  EXPECT_TRUE(EncodeAuditLine({}, 1, Time{}, Digest{})
                  .starts_with(R"({"n":1,"time":"1970-01-01T00:00:00.000000Z","op":"","path":null,)"
                               R"("store":null,"alias":null,"revision":null,"uid":null,"gid":null,)"
                               R"("pid":null,"exe":null,"comm":null,"outcome":"ok","prev":")"));
}

TEST(AuditLine, IsBounded) {
  AuditEvent event = SomeEvent(std::string(5000, '\x01'));
  event.reason = event.detail = std::string(100'000, '\x01');
  event.path = event.who.program = event.reason;
  event.about.assign(1000, {std::string(128, '"'), std::string(253, '"'), Revision{1}});
  const std::string line = EncodeAuditLine(event, ~std::uint64_t{0}, Time{}, Digest{});
  EXPECT_LT(line.size(), kAuditLineBytesMax);
  const Json json = Json::parse(line);
  EXPECT_EQ(json["also"].size(), 31U);
  EXPECT_EQ(json["more"], 968);
}

// --- The chain

TEST_F(AuditTest, IsNotThereBeforeTheFirstLine) {
  Must(keystore_->Snapshot());
  Reopen();
  EXPECT_TRUE(FilesOf(path()).empty());
  const AuditReport report = Verify();
  EXPECT_TRUE(report.sound());
  EXPECT_EQ(report.lines, 0U);
  EXPECT_EQ(Must(log().Text())->size(), 0U);
}

// Method: with nothing but SHA-256 over the text.
TEST_F(AuditTest, NamesInEachLineTheDigestOfTheOneBefore) {
  Append(3);
  Reopen();
  Append(2);
  const std::vector<std::string> lines = LinesOf(log());
  ASSERT_EQ(lines.size(), 6U);
  std::string before(64, '0');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Json line = Json::parse(lines[i]);
    EXPECT_EQ(line["n"], i + 1);
    EXPECT_EQ(line["prev"], before);
    EXPECT_EQ(line["op"], i == 0 ? "begin" : "read");
    before = ToHex(Sha256({AsBytes(lines[i])}));
  }
  const AuditReport report = Verify();
  EXPECT_TRUE(report.sound());
  EXPECT_EQ(report.lines, 6U);
  EXPECT_EQ(report.first, 1U);
  EXPECT_EQ(report.last, 6U);
  EXPECT_EQ(report.anchored, 4U);  // When the keystore was closed.
}

// Also where each line finds the one before on disk already: none of them makes a sync of its own.
TEST_F(AuditTest, BringsLinesToDiskTogether) {
  using Clock = std::chrono::steady_clock;
  const auto began = Clock::now();
  std::set<std::uint64_t> durable;
  while (durable.size() < 6) {
    Append(1);
    durable.insert(log().Durable().last.number);
  }
  // The first of them is of before any sync.
  EXPECT_GE(Clock::now() - began, 4 * std::chrono::milliseconds(50));
}

// A line that waits for its sync while another file takes the place of the log: it is synced where it is.
TEST_F(AuditTest, BringsLinesToDiskThatCannotBeFollowed) {
  Append(1);
  const std::filesystem::path elsewhere = file().parent_path() / "elsewhere";
  std::filesystem::rename(file(), elsewhere);
  std::filesystem::create_symlink("elsewhere", file());
  EXPECT_EQ(log().Append(AuditEvent()).error().code(), ErrorCode::kIo);
  Must(log().Settle());
  EXPECT_EQ(log().Durable().last.number, 2U);
  std::filesystem::rename(elsewhere, file());
  Append(1);
  EXPECT_EQ(Verify().anchored, 2U);
}

TEST_F(AuditTest, ShowsNothingAtRest) {
  Append(3);
  const std::string bytes = BytesOfFile(file());
  // Shorter words stand in any bytes, by chance.
  for (const char* const word : {"machine", "key.pem", "nginx", "read"})
    EXPECT_EQ(bytes.find(word), std::string::npos) << word;
  EXPECT_EQ(std::filesystem::status(file()).permissions(), std::filesystem::perms(0600));
}

TEST_F(AuditTest, IsAnchoredByEveryCommit) {
  Append(1);
  Must(log().Settle());
  EXPECT_EQ(Verify().anchored, 2U);
  const std::uint64_t commit = Must(keystore_->Snapshot())->commit();
  Append(1);
  Must(log().Settle());
  EXPECT_EQ(Verify().anchored, 3U);
  // What is only anchored is no other content: nothing that is made from it is made anew.
  EXPECT_EQ(Must(keystore_->Snapshot())->commit(), commit);
}

// --- Changes

TEST_F(AuditTest, HasALineOfEveryChange) {
  const Store store = Must(keystore_->CreateStore(NameOf("web"), kAlice, 0755));
  const Entry entry = Must(keystore_->CreateEntry(store.number, AliasOf("www"), kAlice, 0755));
  const WriteOutcome written =
      Must(keystore_->WriteFile(entry.number, Member::kSecret, AsBytes("a secret"), kAlice, {}));
  const std::uint64_t commit = Must(keystore_->Snapshot())->commit();
  AttributeChange change;
  change.uid = 7;
  Must(keystore_->SetFileAttributes(entry.number, Member::kSecret, change));
  Must(keystore_->SetEnforceRevocation(store.number, true));
  Must(keystore_->RenameEntry(store.number, AliasOf("www"), AliasOf("new"), kAlice));
  Must(keystore_->RemoveFile(entry.number, Member::kSecret, kAlice));
  Must(keystore_->RemoveEntry(store.number, AliasOf("new"), kAlice));
  Must(keystore_->RemoveStore(NameOf("web")));
  Must(keystore_->SetSettings({SecretOf("a password"), ExportProfile::kModern}));
  // What changes nothing, and what is refused here, has none.
  EXPECT_EQ(CodeOf(keystore_->RemoveStore(NameOf("MACHINE_SSL_CERT"))), ErrorCode::kNotPermitted);
  const std::vector<std::string> lines = LinesOf(log());
  ASSERT_EQ(lines.size(), 11U);
  const auto check = [&](std::size_t number, const char* alias, const char* operation = "change") {
    const Json line = Json::parse(lines[number - 1]);
    EXPECT_EQ(line["op"], operation) << lines[number - 1];
    EXPECT_EQ(line["store"], operation == std::string("change") ? Json("web") : Json());
    EXPECT_EQ(line["alias"], alias == nullptr ? Json() : Json(alias)) << lines[number - 1];
    EXPECT_EQ(line["outcome"], "ok");
    EXPECT_EQ(line["pid"], getpid());
    EXPECT_NE(line["exe"].get<std::string>().find("store_test"), std::string::npos);
  };
  check(2, nullptr);
  check(3, "www");
  check(4, "www");
  check(5, "www");
  check(6, nullptr);
  check(7, "new");
  check(8, "new");
  check(9, "new");
  check(10, nullptr);
  check(11, nullptr, "settings");
  EXPECT_EQ(Json::parse(lines[3])["revision"], written.entry.revision);
  EXPECT_EQ(Json::parse(lines[3])["commit"], commit);
  EXPECT_EQ(Json::parse(lines[4])["commit"], commit + 1);
  EXPECT_TRUE(Verify().sound());
}

TEST_F(AuditTest, TakesFromTheRequestWhoAskedForWhat) {
  class Somebody final : public AuditSubject {
   public:
    AuditActor Who() const override { return {1000, 100, 4711, "/bin/cp", "cp"}; }
  } somebody;
  {
    const AuditedRequest request(somebody, "mkdir", "stores/web");
    Must(keystore_->CreateStore(NameOf("web"), kAlice, 0755));
    EXPECT_TRUE(request.noted());
    AuditedRequest inner("rename", "stores/web");
    inner.Describe("to stores/www");
    Must(keystore_->RenameStore(NameOf("web"), NameOf("www")));
  }
  EXPECT_EQ(AuditedRequest::Current(), nullptr);
  const std::vector<std::string> lines = LinesOf(log());
  ASSERT_EQ(lines.size(), 3U);
  const Json made = Json::parse(lines[1]);
  EXPECT_EQ(made["op"], "mkdir");
  EXPECT_EQ(made["path"], "stores/web");
  EXPECT_EQ(made["uid"], 1000);
  EXPECT_EQ(made["pid"], 4711);
  EXPECT_EQ(made["exe"], "/bin/cp");
  const Json renamed = Json::parse(lines[2]);
  EXPECT_EQ(renamed["op"], "rename");
  EXPECT_EQ(renamed["detail"], "to stores/www");
  EXPECT_EQ(renamed["uid"], 1000);
}

// Goal: new keys leave the log whole and readable, and are in it.
TEST_F(AuditTest, StaysReadableUnderNewKeys) {
  Append(1);
  Close();
  const auto now = std::chrono::sys_seconds(std::chrono::seconds(1'800'000'000));
  const auto quiet = [](std::size_t, std::size_t) {};
  EXPECT_EQ(Must(AddSlot(path(), TestSecret(), TestSecret('b'), now)), 2);
  EXPECT_TRUE(Must(RotateDataKey(path(), TestSecret(), quiet)).damaged.empty());
  const SlotRevocation revocation{2, {}};
  const RevocationPlan plan = Must(PlanRevocation(path(), TestSecret(), revocation));
  Must(RevokeSlot(path(), TestSecret(), revocation, plan, now, quiet));
  Open();
  std::vector<std::string> operations;
  for (const std::string& line : LinesOf(log())) operations.push_back(Json::parse(line)["op"]);
  EXPECT_EQ(operations, (std::vector<std::string>{"begin", "read", "slot-add", "rotate-keys", "rotate-keys",
                                                  "slot-revoke", "slot-revoke"}));
  const AuditReport report = Verify();
  EXPECT_TRUE(report.sound());
  EXPECT_EQ(report.anchored, 7U);
}

// --- Crashes

TEST_F(AuditTest, CutsOffWhatACrashTore) {
  for (const std::string& torn : {std::string("\0\0\1", 3), std::string(5000, '\0'), std::string()}) {
    Fill(4);
    const std::uint64_t last = Verify().last;
    const std::string half = torn.empty() ? Frame(2).substr(0, 200) : torn;
    Close();
    PutBytes(file(), BytesOfFile(file()) + half);
    Open();
    EXPECT_TRUE(Verify().sound());
    EXPECT_EQ(Verify().torn_bytes, half.size());
    EXPECT_EQ(Verify().last, last);
    Append(1);
    const std::vector<std::string> lines = LinesOf(log());
    ASSERT_EQ(lines.size(), last + 2);
    EXPECT_EQ(Json::parse(lines[last])["op"], "mend");
    EXPECT_NE(lines[last].find(std::to_string(half.size()) + " bytes behind line " + std::to_string(last)),
              std::string::npos);
    EXPECT_TRUE(Verify().sound());
    EXPECT_EQ(Verify().torn_bytes, 0U);
  }
}

// Goal: what was anchored is never silently begun anew. Method: the end of the file, or all of it, is taken
// away; lines go on behind what the manifest knows.
TEST_F(AuditTest, GoesOnBehindWhatIsLost) {
  Fill(6);
  Close();
  const std::string whole = BytesOfFile(file());
  const auto frames = Frames();
  const struct {
    std::string bytes;
    std::uint64_t bad;
  } rows[] = {{whole.substr(0, frames[4]), 5}, {whole.substr(0, whole.size() - 1), 6}, {"", 1}};
  for (const auto& row : rows) {
    for (const auto& each : FilesOf(path())) std::filesystem::remove(each);
    PutBytes(file(), row.bytes);
    if (row.bytes.empty()) std::filesystem::remove(file());
    Open();
    ExpectBadFrom(row.bad);
    const std::uint64_t anchored = Verify().anchored;
    Append(2);
    const std::vector<std::string> lines = LinesOf(log());
    const Json mended = Json::parse(lines[lines.size() - 3]);
    EXPECT_EQ(mended["op"], "mend");
    EXPECT_EQ(mended["n"], anchored + 1);
    EXPECT_NE(mended["detail"].get<std::string>().find("missing"), std::string::npos);
    ExpectBadFrom(row.bad);
    EXPECT_EQ(Verify().last, anchored + 3);
    Close();
  }
}

TEST_F(AuditTest, GoesOnBehindADamagedHeader) {
  Fill(3);
  Close();
  std::string bytes = BytesOfFile(file());
  bytes[3] ^= 1;
  PutBytes(file(), bytes);
  Open();
  Append(1);
  EXPECT_EQ(Json::parse(LinesOf(log())[3])["op"], "mend");
  const AuditReport report = Verify();
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_NE(report.findings[0].what.find("beginning"), std::string::npos);
  EXPECT_EQ(report.last, 5U);
}

// --- Rotation

TEST_F(AuditTest, IsBounded) {
  log().SetLimits({4096, 3});
  Append(100);
  Must(log().Settle());
  EXPECT_EQ(FilesOf(path()).size(), 3U);
  for (const auto& each : FilesOf(path())) EXPECT_LE(std::filesystem::file_size(each), 4096U);
  const AuditReport report = Verify();
  EXPECT_TRUE(report.sound()) << report.findings.front().what;
  EXPECT_GT(report.first, 80U);
  EXPECT_EQ(report.lines, report.last - report.first + 1);
  bool dropped = false;
  const std::vector<std::string> lines = LinesOf(log());
  for (const std::string& line : lines) dropped = dropped || Json::parse(line)["op"] == "drop";
  EXPECT_TRUE(dropped);
  EXPECT_EQ(lines.size(), report.lines);
  // What was dropped is not missed; what is kept is.
  Reopen();
  EXPECT_TRUE(Verify().sound());
  const auto oldest = FilesOf(path())[1];
  const std::uint64_t first = AuditSegmentOf(oldest.filename().string());
  EXPECT_EQ(first, report.first);
  std::filesystem::remove(oldest);
  ExpectBadFrom(first);
}

// Goal: a tool, which does not know what the mount is to keep, takes nothing away.
TEST_F(AuditTest, KeepsEverythingWithoutLimits) {
  log().SetLimits({4096, 3});
  Append(100);
  Must(log().Settle());
  const auto files = FilesOf(path());
  const std::uint64_t first = Verify().first;
  Reopen();
  Append(100);
  Must(log().Settle());
  EXPECT_EQ(FilesOf(path()), files);
  EXPECT_GT(std::filesystem::file_size(file()), 40'000U);
  EXPECT_EQ(Verify().first, first);
  EXPECT_TRUE(Verify().sound());
}

TEST_F(AuditTest, LeavesAloneWhatStandsWhereARotatedFileShould) {
  Fill(5);
  const std::filesystem::path there = path() / AuditSegmentName(1);
  PutBytes(there, "something else");
  const std::string before = BytesOfFile(file());
  log().SetLimits({before.size(), 8});
  const auto refused = log().Append(SomeEvent());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
  EXPECT_EQ(refused.error().rule(), "audit-log");
  EXPECT_EQ(BytesOfFile(there), "something else");
  EXPECT_EQ(BytesOfFile(file()), before);
  std::filesystem::remove(there);
  Append(1);
  EXPECT_EQ(BytesOfFile(there), before);
  EXPECT_TRUE(Verify().sound());
}

TEST_F(AuditTest, ClearsAwayWhatWasLeftOfItsMaking) {
  PutBytes(path() / "audit.log.new-1", "half");
  Append(1);
  EXPECT_EQ(FilesOf(path()), std::vector{file()});
  Close();
  std::filesystem::create_hard_link(file(), path() / "audit.log.new-1");
  Open();
  Append(1);
  EXPECT_EQ(FilesOf(path()), std::vector{file()});
  EXPECT_TRUE(Verify().sound());
}

// Goal: whoever dies between two steps of a rotation leaves a log that goes on. Method: each state by hand.
TEST_F(AuditTest, SurvivesARotationThatWasCutShort) {
  Fill(5);
  Close();
  // audit.log has its second name already.
  std::filesystem::create_hard_link(file(), path() / AuditSegmentName(1));
  PutBytes(path() / "audit.log.new", "half");
  Open();
  EXPECT_TRUE(Verify().sound());
  EXPECT_EQ(Verify().lines, 5U);
  log().SetLimits({BytesOfFile(file()).size(), 8});
  Append(1);
  EXPECT_EQ(FilesOf(path()).size(), 2U);
  EXPECT_TRUE(Verify().sound());
  EXPECT_EQ(Verify().lines, 6U);
  Close();
  // It has gone away, and nothing is in its place.
  std::filesystem::rename(file(), path() / AuditSegmentName(6));
  Open();
  Append(1);
  const AuditReport report = Verify();
  EXPECT_TRUE(report.sound());
  EXPECT_EQ(report.lines, 7U);
  EXPECT_EQ(FilesOf(path()).size(), 3U);
}

TEST_F(AuditTest, ReadsFromAnywhere) {
  log().SetLimits({20'000, 8});
  Append(200);
  const auto text = Must(log().Text());
  const Bytes whole = Must(text->Read(0, std::size_t{1} << 20));
  ASSERT_EQ(whole.size(), text->size());
  for (std::size_t offset = 0; offset <= whole.size() + 7; offset += 997) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{600}, std::size_t{40'000}}) {
      const Bytes part = Must(text->Read(offset, size));
      const std::size_t begin = std::min(offset, whole.size());
      const std::size_t end = std::min(offset + size, whole.size());
      ASSERT_EQ(part, Bytes(whole.begin() + static_cast<std::ptrdiff_t>(begin),
                            whole.begin() + static_cast<std::ptrdiff_t>(end)))
          << offset << " " << size;
    }
  }
  // It stays what it was.
  Append(100);
  EXPECT_EQ(Must(text->Read(0, std::size_t{1} << 20)), whole);
  EXPECT_GT(Must(log().Text())->size(), text->size());
}

// However often somebody looks.
TEST_F(AuditTest, HoldsEachFileOnceForAllTexts) {
  log().SetLimits({2000, 100});
  Append(60);
  ASSERT_GT(FilesOf(path()).size(), 15U);
  std::vector<std::shared_ptr<const AuditText>> texts{Must(log().Text())};
  const std::size_t open = OpenFiles();
  for (int i = 0; i < 5; ++i) {
    Append(1);
    texts.push_back(Must(log().Text()));
  }
  EXPECT_LE(OpenFiles(), open + 5);  // A new file for each line, at most.
}

TEST_F(AuditTest, ShowsADamagedLineAsThat) {
  Fill(5);
  const std::vector<std::string> before = LinesOf(log());
  std::string bytes = BytesOfFile(file());
  bytes[Frames()[2] + 150] ^= 1;
  PutBytes(file(), bytes);
  const std::vector<std::string> lines = LinesOf(log());
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[2].size(), before[2].size());
  EXPECT_EQ(Json::parse(lines[2]), Json::parse(R"({"n":3,"damaged":true})"));
  EXPECT_EQ(lines[3], before[3]);
}

// --- More than one writer

// Two logs over one directory, as two processes have them.
class TwoLogs : public AuditTest {
 protected:
  TwoLogs() {
    Close();
    std::filesystem::remove(file());
  }

  std::unique_ptr<AuditLog> Make() {
    const AuditAnchorage anchorage{[this]() -> Result<AuditAnchor> {
                                     const std::lock_guard lock(mutex_);
                                     return shared_;
                                   },
                                   [this](const AuditAnchor& anchor) -> Result<void> {
                                     const std::lock_guard lock(mutex_);
                                     shared_.Advance(anchor);
                                     return {};
                                   }};
    return std::make_unique<AuditLog>(path(), keys_.store_id, SecretOf("an audit key of thirty-two bytes"),
                                      AuditAnchor{}, anchorage, clock_.get());
  }
  static void Write(AuditLog& log, int count, const char* operation = "read") {
    for (int i = 0; i < count; ++i) Must(log.Append(SomeEvent(operation)));
  }

  std::mutex mutex_;
  AuditAnchor shared_;  // Guarded by mutex_.
  const RootKeys keys_ = Must(Must(Header::Load(path())).Unlock(TestSecret()));
  const std::unique_ptr<AuditLog> one_ = Make();
  const std::unique_ptr<AuditLog> other_ = Make();
};

// Goal: lines of several writers make one chain. Method: they append by turns and at once, rotating all the
// time.
TEST_F(TwoLogs, MakeOneChain) {
  for (AuditLog* const each : {one_.get(), other_.get()}) each->SetLimits({8192, 100});
  for (int i = 0; i < 20; ++i) Write(i % 2 == 0 ? *one_ : *other_, 1);
  std::vector<std::thread> threads;
  for (AuditLog* const each : {one_.get(), other_.get(), one_.get(), other_.get()}) {
    threads.emplace_back([each] { Write(*each, 100); });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = LinesOf(*one_);
  ASSERT_EQ(lines.size(), 421U);
  for (std::size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(Json::parse(lines[i])["n"], i + 1);
  EXPECT_EQ(BreakIn(lines), 0U);
  EXPECT_GT(FilesOf(path()).size(), 10U);
}

// Goal: he whose last line was cut off sees it, also where others were written in its place by one who did
// not know of it; and says so once. Method: lines of one length, so that the places of all are the same.
TEST_F(TwoLogs, FindWhatWasCutOffAndWrittenAnew) {
  Write(*one_, 4);
  const std::uintmax_t size = std::filesystem::file_size(file());
  Write(*other_, 5);
  std::filesystem::resize_file(file(), size);
  Write(*one_, 20, "look");
  EXPECT_EQ(BreakIn(LinesOf(*one_)), 0U);
  Write(*other_, 1);
  std::vector<std::string> lines = LinesOf(*one_);
  ASSERT_EQ(lines.size(), 27U);
  EXPECT_EQ(BreakIn(lines), 26U);
  EXPECT_EQ(Json::parse(lines[25])["op"], "mend");
  EXPECT_EQ(Json::parse(lines[25])["detail"], "line 10 is not there as it was");
  for (int i = 0; i < 6; ++i) Write(i % 2 == 0 ? *one_ : *other_, 1);
  lines = LinesOf(*one_);
  EXPECT_EQ(lines.size(), 33U);
  EXPECT_EQ(CountOf(lines, "mend"), 1U);
}

// Goal: whose own last line is there, and no more, sees that another's is not. Method: the manifest tells it.
TEST_F(TwoLogs, LookForWhatTheOtherOneAnchored) {
  Write(*one_, 4);
  Write(*other_, 5);
  Must(other_->Settle());
  ASSERT_EQ(shared_.last.number, 10U);
  Must(one_->Learn(shared_));  // Nothing is wrong yet: its next line is behind.
  Write(*one_, 1);
  EXPECT_EQ(CountOf(LinesOf(*one_), "mend"), 0U);
  const std::uintmax_t size = std::filesystem::file_size(file());
  Write(*other_, 3);
  Must(other_->Settle());
  ASSERT_EQ(shared_.last.number, 14U);
  Must(one_->Learn(shared_));
  std::filesystem::resize_file(file(), size);
  Write(*one_, 1);
  const std::vector<std::string> lines = LinesOf(*one_);
  ASSERT_EQ(lines.size(), 13U);
  EXPECT_EQ(Json::parse(lines[11])["op"], "mend");
  EXPECT_EQ(Json::parse(lines[11])["n"], 15);
  EXPECT_EQ(Json::parse(lines[11])["detail"], "lines 12 to 14 are missing");
}

// Goal: what the other one dropped is not missed. Method: it rotates past all that this one knows.
TEST_F(TwoLogs, MissNothingThatWasDropped) {
  Write(*one_, 4);
  other_->SetLimits({4096, 2});
  Write(*other_, 100);
  Must(other_->Settle());
  ASSERT_EQ(FilesOf(path()).size(), 2U);
  Write(*one_, 1);
  Must(one_->Learn(shared_));
  Write(*one_, 1);
  const std::vector<std::string> lines = LinesOf(*one_);
  EXPECT_EQ(CountOf(lines, "mend"), 0U);
  EXPECT_EQ(BreakIn(lines), 0U);
}

// Goal: lines that another process wrote, and the manifest knows, are not taken away unseen. Method: they are
// cut off when it has ended, and this process goes on for `more` lines before it looks into the manifest.
class AuditOfTwoProcesses : public AuditTest {
 protected:
  // Lines 6 to 11 are the other's.
  void CutOffBefore(std::size_t more) {
    Fill(5);
    const std::uintmax_t size = std::filesystem::file_size(file());
    ChildProcess other({STORE_WRITER, path().string(), "machine", "other", "3", "secret", __FILE__});
    ASSERT_TRUE(other.Read());
    other.Say();
    ASSERT_EQ(other.Wait(), 0);
    ASSERT_EQ(Verify().anchored, 11U);
    ASSERT_TRUE(Verify().sound());
    std::filesystem::resize_file(file(), size);
    ExpectBadFrom(6);
    Append(more);
  }
  void ExpectBadForGoodFrom(std::uint64_t number) {
    ExpectBadFrom(number);
    EXPECT_EQ(CountOf(LinesOf(log()), "mend"), 1U);
    Append(1);
    Must(log().Settle());
    Reopen();
    Append(1);
    Must(log().Settle());
    ExpectBadFrom(number);
    EXPECT_EQ(Verify().anchored, Verify().last);
    EXPECT_EQ(Verify().findings.size(), 1U);
    EXPECT_EQ(CountOf(LinesOf(log()), "mend"), 1U);
  }
};

TEST_F(AuditOfTwoProcesses, FindWhatIsMissing) {
  CutOffBefore(0);
  Must(keystore_->CreateStore(NameOf("web"), kAlice, 0755));
  ExpectBadForGoodFrom(6);
}

TEST_F(AuditOfTwoProcesses, FindWhatIsMissingBehindALineInItsPlace) {
  CutOffBefore(2);
  Must(keystore_->CreateStore(NameOf("web"), kAlice, 0755));
  ExpectBadForGoodFrom(8);
}

TEST_F(AuditOfTwoProcesses, FindWhatAllWasWrittenAnewAtTheNextCommit) {
  CutOffBefore(20);
  Must(keystore_->CreateStore(NameOf("web"), kAlice, 0755));
  ExpectBadForGoodFrom(26);
}

TEST_F(AuditOfTwoProcesses, FindWhatAllWasWrittenAnewAtTheNextAnchor) {
  CutOffBefore(20);
  Must(log().Settle());
  EXPECT_EQ(Verify().anchored, 26U);
  ExpectBadForGoodFrom(26);
}

// --- What cannot be written

TEST_F(AuditTest, RefusesWhatItCannotNote) {
  Must(keystore_->CreateStore(NameOf("web"), kAlice, 0755));
  Must(log().Settle());
  const std::string state = Describe(*Must(keystore_->Snapshot()));
  const std::uintmax_t size = std::filesystem::file_size(file());
  {
    const FileLimit limit(size + 100);
    const auto read = log().Append(SomeEvent());
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code(), ErrorCode::kNoSpace);
    EXPECT_EQ(read.error().rule(), "audit-log");
    EXPECT_EQ(CodeOf(keystore_->RemoveStore(NameOf("web"))), ErrorCode::kNoSpace);
  }
  // Nothing of it is there, and everything goes on.
  EXPECT_EQ(std::filesystem::file_size(file()), size);
  EXPECT_EQ(Describe(*Must(keystore_->Snapshot())), state);
  Must(keystore_->RemoveStore(NameOf("web")));
  EXPECT_EQ(LinesOf(log()).size(), 3U);
  EXPECT_TRUE(Verify().sound());
}

// Goal: what is set aside for a full disk is there at a rotation, too.
TEST(AuditOnAFullDisk, IsNotRotatedUntilThereIsRoom) {
  const TinyDisk disk("size=8m");
  if (!disk.why().empty()) GTEST_SKIP() << "no tmpfs can be mounted here: " << disk.why();
  const std::filesystem::path directory = disk.path() / "keystore";
  const std::filesystem::path filler = disk.path() / "filler";
  Must(Keystore::Create(directory, TestSecret(), kRoot, FixedClock().get()));
  const auto keystore = Must(Keystore::Open(directory, TestSecret(), FixedClock().get()));
  AuditLog& log = *keystore->audit();
  log.SetLimits({4096, 8});
  Must(log.Append(SomeEvent()));
  std::ofstream(filler, std::ios::binary) << std::string(std::size_t{8} << 20, 'x');
  for (int i = 0; i < 30; ++i) Must(log.Append(SomeEvent()));
  EXPECT_EQ(FilesOf(directory), std::vector{directory / "audit.log"});
  EXPECT_GT(std::filesystem::file_size(directory / "audit.log"), 4096U);
  std::filesystem::remove(filler);
  Must(log.Append(SomeEvent()));
  EXPECT_EQ(FilesOf(directory).size(), 2U);
  EXPECT_EQ(LinesOf(log).size(), 33U);
  EXPECT_TRUE(Must(VerifyAudit(*keystore)).sound());
}

TEST_F(AuditTest, RefusesWithoutAThreadAndGoesOnWithOne) {
  {
    const NoNewThreads none;
    for (int i = 0; i < 2; ++i) EXPECT_EQ(CodeOf(log().Append(SomeEvent())), ErrorCode::kNoMemory);
  }
  Append(1);
  EXPECT_EQ(LinesOf(log()).size(), 2U);
}

TEST_F(AuditTest, FollowsNoLink) {
  Fill(2);
  const std::filesystem::path elsewhere = path() / "elsewhere";
  std::filesystem::rename(file(), elsewhere);
  std::filesystem::create_symlink(elsewhere, file());
  EXPECT_EQ(CodeOf(log().Append(SomeEvent())), ErrorCode::kIo);
  EXPECT_EQ(CodeOf(keystore_->CreateStore(NameOf("web"), kAlice, 0755)), ErrorCode::kIo);
  std::filesystem::rename(elsewhere, file());
  Append(1);
  EXPECT_TRUE(Verify().sound());
}

// Goal: what is called like a file of the log and is none is an error, and no wait for ever. Method: FIFOs
// that nobody writes to.
TEST_F(AuditTest, WaitsForNoFifo) {
  Fill(2);
  const std::filesystem::path elsewhere = path() / "elsewhere";
  const auto expect_words = [](const auto& outcome, ErrorCode code, const std::string& words) {
    ASSERT_EQ(CodeOf(outcome), code);
    EXPECT_NE(outcome.error().message().find(words), std::string::npos) << outcome.error().message();
  };
  std::filesystem::rename(file(), elsewhere);
  ASSERT_EQ(mkfifo(file().c_str(), 0600), 0);
  expect_words(log().Text(), ErrorCode::kCorrupt, "audit.log is no regular file");
  expect_words(VerifyAudit(*keystore_), ErrorCode::kCorrupt, "audit.log is no regular file");
  expect_words(log().Append(SomeEvent()), ErrorCode::kIo, "audit.log is no regular file");
  std::filesystem::remove(file());
  std::filesystem::rename(elsewhere, file());
  // One that was rotated away.
  const std::filesystem::path rotated = path() / AuditSegmentName(1);
  ASSERT_EQ(mkfifo(rotated.c_str(), 0600), 0);
  expect_words(VerifyAudit(*keystore_), ErrorCode::kCorrupt,
               rotated.filename().string() + " is no regular file");
  std::filesystem::remove(rotated);
  Append(1);
  EXPECT_TRUE(Verify().sound());
}

TEST_F(AuditTest, RefusesAFormatThatItDoesNotKnow) {
  Fill(2);
  Close();
  std::string bytes = BytesOfFile(file());
  bytes[9] = 2;
  PutBytes(file(), bytes);
  Open();
  EXPECT_EQ(CodeOf(log().Append(SomeEvent())), ErrorCode::kUnsupported);
  EXPECT_EQ(BytesOfFile(file()), bytes);
}

}  // namespace
}  // namespace certfs
