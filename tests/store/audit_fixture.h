// A keystore on disk with an audit log, and ways to do to that what nobody should.

#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "store/audit_log.h"
#include "store/audit_text.h"
#include "store/audit_verification.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {

inline AuditEvent SomeEvent(std::string operation = "read") {
  AuditEvent event;
  event.operation = std::move(operation);
  event.path = "stores/machine/web/key.pem";
  event.about = {{"machine", "web", Revision{7}}};
  event.who = {1000, 100, 4711, "/usr/sbin/nginx", "nginx"};
  return event;
}

inline std::string BytesOfFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void PutBytes(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << bytes;
}

// The lines of a log, without their newlines.
inline std::vector<std::string> LinesOf(AuditLog& log) {
  const auto text = Must(log.Text());
  const Bytes bytes = Must(text->Read(0, static_cast<std::size_t>(text->size())));
  EXPECT_EQ(bytes.size(), text->size());
  std::vector<std::string> lines;
  std::string line;
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n') lines.push_back(std::exchange(line, {}));
    if (byte != '\n') line.push_back(static_cast<char>(byte));
  }
  EXPECT_EQ(line, "");
  return lines;
}

class AuditTest : public testing::Test {
 protected:
  AuditTest() {
    Must(Keystore::Create(path(), TestSecret(), kRoot, clock_.get()));
    Open();
  }

  const std::filesystem::path& path() const { return directory_.path(); }
  std::filesystem::path file() const { return path() / "audit.log"; }
  AuditLog& log() { return *keystore_->audit(); }

  void Open() { keystore_ = Must(Keystore::Open(path(), TestSecret(), clock_.get())); }
  void Close() { keystore_.reset(); }
  void Reopen() {
    Close();
    Open();
  }

  void Append(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) Must(log().Append(SomeEvent()));
  }
  // A log of `lines` lines, the first of which says that it begins; all of it anchored.
  void Fill(std::size_t lines) {
    Append(lines - 1);
    Must(log().Settle());
  }

  AuditReport Verify() { return Must(VerifyAudit(*keystore_)); }
  // Expects that the log is not sound, and that line `number` is the first that is not.
  void ExpectBadFrom(std::uint64_t number) {
    const AuditReport report = Verify();
    ASSERT_FALSE(report.sound());
    EXPECT_EQ(report.findings.front().number, number) << report.findings.front().what;
  }

  // Where the frames of audit.log begin; the last is its end.
  std::vector<std::size_t> Frames() const {
    const std::string bytes = BytesOfFile(file());
    std::vector<std::size_t> frames{40};
    while (frames.back() + 4 <= bytes.size()) {
      Reader reader(AsBytes(bytes).subspan(frames.back()));
      frames.push_back(frames.back() + 4 + reader.U32());
    }
    return frames;
  }
  // The frame of line `number` of a log that begins with line 1.
  std::string Frame(std::size_t number) const {
    const auto frames = Frames();
    return BytesOfFile(file()).substr(frames[number - 1], frames[number] - frames[number - 1]);
  }
  std::string Header() const { return BytesOfFile(file()).substr(0, 40); }

  TemporaryDirectory directory_;
  FixedClock clock_;
  std::unique_ptr<Keystore> keystore_;
};

}  // namespace certfs
