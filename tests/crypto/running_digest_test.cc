// Goal: pieces have the digest of the whole.
// Method: against the one-shot function, whose own values sealing_test.cc checks.

#include "crypto/running_digest.h"

#include <gtest/gtest.h>

#include <utility>

#include "crypto/sealing.h"

namespace certfs {

namespace {

TEST(RunningDigestTest, IsThatOfTheWhole) {
  const Bytes bytes(1000, 0x5A);
  for (const std::size_t cut : {0, 1, 63, 64, 65, 999, 1000}) {
    RunningDigest digest;
    digest.Add(BytesView(bytes).first(cut));
    RunningDigest moved = std::move(digest);
    moved.Add(BytesView(bytes).subspan(cut));
    EXPECT_EQ(moved.Finish(), Sha256({bytes})) << cut;
  }
  EXPECT_EQ(RunningDigest().Finish(), Sha256({}));
}

}  // namespace

}  // namespace certfs
