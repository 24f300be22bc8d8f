// Goal: whatever was done to a line that the manifest vouches for is found, with the number of the first bad
// line. Method: each bit of a small log is turned, and its lines are taken away, exchanged, cut off and put
// back from an older copy, under the eyes of the keystore that is open.

#include "store/audit_verification.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "tests/store/audit_fixture.h"

namespace certfs {
namespace {

TEST_F(AuditTest, FindsEachBitThatIsAnother) {
  Fill(4);
  const std::string bytes = BytesOfFile(file());
  const auto frames = Frames();
  const int descriptor = open(file().c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const auto behind = std::upper_bound(frames.begin(), frames.end(), at);
    const auto line = static_cast<std::uint64_t>(std::max<std::ptrdiff_t>(behind - frames.begin(), 1));
    for (int bit = 0; bit < 8; ++bit) {
      const char turned = static_cast<char>(bytes[at] ^ 1 << bit);
      ASSERT_EQ(pwrite(descriptor, &turned, 1, static_cast<off_t>(at)), 1);
      const AuditReport report = Verify();
      ASSERT_FALSE(report.sound()) << at << " " << bit;
      ASSERT_EQ(report.findings.front().number, line) << at << ": " << report.findings.front().what;
      ASSERT_TRUE(report.findings.front().anchored);
    }
    ASSERT_EQ(pwrite(descriptor, &bytes[at], 1, static_cast<off_t>(at)), 1);
  }
  close(descriptor);
  EXPECT_TRUE(Verify().sound());
}

TEST_F(AuditTest, FindsWhatWasTakenAwayExchangedOrPutBack) {
  Fill(3);
  const std::string older = BytesOfFile(file());
  Append(4);
  Must(log().Settle());
  const std::string whole = BytesOfFile(file());
  std::vector<std::string> lines{Header()};
  for (std::size_t i = 1; i <= 7; ++i) lines.push_back(Frame(i));
  const auto joined = [&](std::initializer_list<std::size_t> order) {
    std::string bytes = lines[0];
    for (const std::size_t each : order) bytes += lines[each];
    return bytes;
  };
  const struct {
    std::string bytes;
    std::uint64_t bad;
    const char* what;
  } rows[] = {
      {joined({1, 2, 4, 5, 6, 7}), 3, "line 3 is missing"},
      {joined({2, 3, 4, 5, 6, 7}), 1, "line 1 is missing"},
      {joined({1, 2, 6, 7}), 3, "lines 3 to 5 are missing"},
      {joined({1, 2, 4, 3, 5, 6, 7}), 3, "line 3 is missing"},
      {joined({1, 2, 2, 3, 4, 5, 6, 7}), 3, "line 2 stands where line 3 should be"},
      {joined({1, 2, 3, 4, 5, 6}), 7, "line 7 is missing"},
      {joined({1, 2, 3}), 4, "lines 4 to 7 are missing"},
      {older, 4, "lines 4 to 7 are missing"},
      {joined({}), 1, "lines 1 to 7 are missing"},
      {whole.substr(0, whole.size() - 9), 7, "line 7 is damaged"},
      {"", 1, "the beginning of audit.log is damaged"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    PutBytes(file(), row.bytes);
    const AuditReport report = Verify();
    ASSERT_FALSE(report.sound());
    EXPECT_EQ(report.findings.front().number, row.bad);
    EXPECT_TRUE(report.findings.front().what.starts_with(row.what)) << report.findings.front().what;
    EXPECT_TRUE(report.findings.front().anchored);
  }
  std::filesystem::remove(file());
  ExpectBadFrom(1);
  PutBytes(file(), whole);
  EXPECT_TRUE(Verify().sound());
}

// Goal: a log that was begun again in the place of another is told from it. Method: one of the same length,
// made by the same keystore from the beginning on, after the first was taken away with the manifest of then.
TEST_F(AuditTest, FindsAnotherHistory) {
  Close();
  const std::string data = BytesOfFile(path() / "data.mdb");
  Open();
  Fill(4);
  Close();
  const std::string first = BytesOfFile(file());
  const std::string first_data = BytesOfFile(path() / "data.mdb");
  std::filesystem::remove(file());
  PutBytes(path() / "data.mdb", data);
  Open();
  clock_.Tick();
  Fill(4);
  Close();
  EXPECT_NE(BytesOfFile(file()), first);
  PutBytes(path() / "data.mdb", first_data);
  Open();
  // Each line of it is sealed and chained as it should be; it is not the one that was anchored.
  const AuditReport report = Verify();
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings.front().number, 4U);
  EXPECT_NE(report.findings.front().what.find("manifest"), std::string::npos);
}

// Goal: what is not anchored is found as well, and told apart.
TEST_F(AuditTest, SaysWhatTheManifestDoesNotVouchFor) {
  Fill(3);
  Append(3);
  std::string bytes = BytesOfFile(file());
  bytes[Frames()[4] + 120] ^= 1;  // Line 5.
  PutBytes(file(), bytes);
  const AuditReport report = Verify();
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings.front().number, 5U);
  EXPECT_FALSE(report.findings.front().anchored);
  EXPECT_EQ(report.anchored, 3U);
}

TEST_F(AuditTest, CountsWhatItDoesNotList) {
  Fill(AuditReport::kFindingsMax + 50);
  std::string bytes = BytesOfFile(file());
  const auto frames = Frames();
  for (std::size_t i = 0; i + 1 < frames.size(); ++i) bytes[frames[i] + 120] ^= 1;
  PutBytes(file(), bytes);
  const AuditReport report = Verify();
  EXPECT_EQ(report.findings.size(), AuditReport::kFindingsMax);
  EXPECT_EQ(report.findings_more, 50U);
  EXPECT_EQ(report.lines, 0U);
}

TEST(AuditVerification, NeedsADirectory) {
  const auto keystore = Must(Keystore::InMemory(kRoot, FixedClock().get()));
  EXPECT_EQ(CodeOf(VerifyAudit(*keystore)), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace certfs
