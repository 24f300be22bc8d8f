#include "tools/timestamp.h"

#include <gtest/gtest.h>

#include "crypto/base/time.h"

namespace certfs {
namespace {

// Goal: RFC 3339 is read as written. Method: a table of texts and what they say in UTC.
TEST(Timestamp, ReadsWhatItWrites) {
  const struct {
    const char* text;
    const char* utc;
  } rows[] = {
      {"2026-03-01T12:34:56Z", "2026-03-01T12:34:56Z"},
      {"2026-03-01t12:34:56z", "2026-03-01T12:34:56Z"},
      {"2026-03-01T00:30:00+01:00", "2026-02-28T23:30:00Z"},
      {"2026-12-31T23:30:00-00:45", "2027-01-01T00:15:00Z"},
      {"2024-02-29T00:00:00.125Z", "2024-02-29T00:00:00Z"},
      {"1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"},
  };
  for (const auto& row : rows) {
    const auto when = ParseTimestamp(row.text);
    ASSERT_TRUE(when.has_value()) << row.text;
    EXPECT_EQ(FormatTimestamp(when.value()), row.utc) << row.text;
  }
}

// Goal: nothing else is taken for a time. Method: a table of near misses.
TEST(Timestamp, RefusesOtherText) {
  for (const char* text :
       {"", "now", "2026-03-01", "2026-03-01T12:34:56", "2026-02-29T00:00:00Z", "2026-03-01T24:00:00Z",
        "2026-03-01T12:60:00Z", "2026-13-01T00:00:00Z", "2026-03-01T00:00:00Zx", "2026-03-01T00:00:00.Z",
        "2026-03-01T00:00:00+1:00", "2026-03-01T00:00:00+24:00"}) {
    const auto when = ParseTimestamp(text);
    ASSERT_FALSE(when.has_value()) << text;
    EXPECT_EQ(when.error().code(), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace certfs
