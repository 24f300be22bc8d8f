// Goal: a refusal is one line that names time, path, rule, reason and who; the log is bounded; readers see
// their own. Method: lines of hostile text, of several users, and more of them than are kept.

#include "fs/refusals.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace certfs {
namespace {

Refusal RefusalOf(std::uint32_t uid, std::string path, Error error) {
  return {std::chrono::sys_days{std::chrono::year{2026} / 3 / 1},
          uid,
          1234,
          "cp",
          std::move(path),
          std::move(error)};
}

TEST(RefusalLog, NamesTimePathRuleReasonAndWho) {
  RefusalLog log;
  const Error error(ErrorCode::kRejected, "weak-key", "RSA 1024: 2048 at least");
  EXPECT_EQ(log.Record(RefusalOf(7, "stores/machine/web/key.pem", error)),
            "2026-03-01T00:00:00Z stores/machine/web/key.pem: rejected: weak-key: RSA 1024: 2048 at least "
            "(uid 7, pid 1234, cp)");
}

TEST(RefusalLog, NobodysTextForgesALine) {
  RefusalLog log;
  log.Record(RefusalOf(7, "stores/x\nforged", Error(ErrorCode::kMalformed, "CN=a\nforged\r\x7f\x1b[2J")));
  const std::string all = log.All();
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 1);
  EXPECT_EQ(all.find('\x1b'), std::string::npos);
}

// A name that was refused may be any bytes, and C1's U+009B starts a terminal's command as ESC [ does.
TEST(RefusalLog, TheLogIsTextWhateverWasRefused) {
  RefusalLog log;
  const std::string line = log.Record(RefusalOf(7,
                                                "stores/\xff\xfe\xc2\x9b"
                                                "2J\xc3\xa9\xe2\x82",
                                                Error(ErrorCode::kMalformed, "x")));
  EXPECT_NE(line.find("stores/???2J\xc3\xa9??: "), std::string::npos) << line;
}

TEST(RefusalLog, ReadersSeeTheirOwn) {
  RefusalLog log;
  log.Record(RefusalOf(7, "mine", Error(ErrorCode::kMalformed, "x")));
  log.Record(RefusalOf(8, "theirs", Error(ErrorCode::kMalformed, "x")));
  EXPECT_NE(log.Of(7).find("mine"), std::string::npos);
  EXPECT_EQ(log.Of(7).find("theirs"), std::string::npos);
  EXPECT_EQ(log.Of(9), "");
  EXPECT_NE(log.All().find("theirs"), std::string::npos);
}

TEST(RefusalLog, KeepsTheNewest) {
  RefusalLog log;
  for (std::size_t i = 0; i < RefusalLog::kLinesMax + 10; ++i) {
    log.Record(RefusalOf(7, "p" + std::to_string(i) + "/", Error(ErrorCode::kMalformed, "x")));
  }
  const std::string all = log.All();
  EXPECT_EQ(static_cast<std::size_t>(std::count(all.begin(), all.end(), '\n')), RefusalLog::kLinesMax);
  EXPECT_EQ(all.find(" p9/"), std::string::npos);
  EXPECT_NE(all.find(" p10/"), std::string::npos);
  EXPECT_NE(all.find(" p" + std::to_string(RefusalLog::kLinesMax + 9) + "/"), std::string::npos);
}

// One user's flood must not push out what another was told.
TEST(RefusalLog, AFloodByOneUserLeavesTheLinesOfAnother) {
  RefusalLog log;
  log.Record(RefusalOf(8, "theirs", Error(ErrorCode::kMalformed, "x")));
  for (std::size_t i = 0; i < 2 * RefusalLog::kLinesMax; ++i) {
    log.Record(RefusalOf(7, "mine", Error(ErrorCode::kMalformed, "x")));
  }
  EXPECT_NE(log.Of(8).find("theirs"), std::string::npos);
}

}  // namespace
}  // namespace certfs
