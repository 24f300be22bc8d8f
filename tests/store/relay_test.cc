// Goal: what one thread gives, the other takes: all of it, in order, or a failure that both hear of.
// Method: batches and bytes of odd sizes; takers that fail at each place.

#include "store/relay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <thread>
#include <vector>

#include "store/secret_pipe.h"
#include "tests/store/no_new_threads.h"
#include "tests/store/table_fixture.h"

namespace certfs {

namespace {

Error Full() { return {ErrorCode::kNoSpace, "the disk is full"}; }

TEST(RelayTest, TakesAllInOrderOnOneOtherThread) {
  std::vector<int> taken;
  std::vector<std::thread::id> threads;
  bool ended = false;
  {
    Relay<int> relay(
        [&](int& batch) -> Result<void> {
          taken.push_back(batch);
          threads.push_back(std::this_thread::get_id());
          return {};
        },
        [&] {
          ended = true;
          threads.push_back(std::this_thread::get_id());
        });
    for (int i = 0; i < 100; ++i) {
      int batch = i;
      Must(relay.Give(batch));
    }
    Must(relay.Finish());
    EXPECT_FALSE(ended);
  }
  EXPECT_TRUE(ended);
  ASSERT_EQ(taken.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(taken[static_cast<std::size_t>(i)], i);
  for (const std::thread::id each : threads) {
    EXPECT_EQ(each, threads[0]);
    EXPECT_NE(each, std::this_thread::get_id());
  }
}

TEST(RelayTest, EndsWithTheTakersFirstFailure) {
  for (int fail_at = 0; fail_at < 5; ++fail_at) {
    int taken = 0;
    Relay<int> relay([&](int& batch) -> Result<void> {
      ++taken;
      return batch == fail_at ? Result<void>(Full()) : Result<void>();
    });
    const auto give = [&]() -> Result<void> {
      for (int i = 0; i < 5; ++i) {
        int batch = i;
        TRY(relay.Give(batch));
      }
      return relay.Finish();
    };
    EXPECT_EQ(CodeOf(give()), ErrorCode::kNoSpace) << fail_at;
    EXPECT_EQ(CodeOf(relay.Finish()), ErrorCode::kNoSpace);
    EXPECT_EQ(taken, fail_at + 1);
  }
}

TEST(RelayTest, GoesAwayWithWhatWasNotFinished) {
  std::vector<int> taken;
  {
    Relay<int> relay([&](int& batch) -> Result<void> {
      taken.push_back(batch);
      return {};
    });
    int batch = 7;
    Must(relay.Give(batch));
  }
  EXPECT_EQ(taken, std::vector<int>{7});
}

TEST(SecretPipeTest, ComesOutAsItWentIn) {
  for (const std::size_t size : {0, 1, 511, 65535, 65536, 65537, 300000}) {
    Bytes in(size);
    for (std::size_t i = 0; i < size; ++i) in[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    Bytes out;
    SecretPipe pipe([&](BytesView bytes) -> Result<void> {
      out.insert(out.end(), bytes.begin(), bytes.end());
      return {};
    });
    for (std::size_t at = 0, step = 1; at < size; step = step * 5 + 1) {
      const std::size_t count = std::min(step, size - at);
      Must(pipe.Put(BytesView(in).subspan(at, count)));
      at += count;
    }
    Must(pipe.Finish());
    EXPECT_EQ(out, in) << size;
  }
}

TEST(SecretPipeTest, FailsAsItsTaker) {
  SecretPipe pipe([](BytesView) { return Result<void>(Full()); });
  const Bytes bytes(200000);
  const auto put = [&]() -> Result<void> {
    TRY(pipe.Put(bytes));
    return pipe.Finish();
  };
  EXPECT_EQ(CodeOf(put()), ErrorCode::kNoSpace);
}

TEST(MeanwhileTest, GivesWhatWasComputed) {
  Meanwhile<int> good([] { return Result<int>(42); });
  EXPECT_EQ(Must(good.Take()), 42);
  Meanwhile<int> bad([] { return Result<int>(Full()); });
  EXPECT_EQ(CodeOf(bad.Take()), ErrorCode::kNoSpace);
  const Meanwhile<int> unasked([] { return Result<int>(1); });
}

// The signals that this one takes stay as they were.
TEST(SecondThreadTest, OneThatCannotBeMadeIsAnError) {
  {
    const NoNewThreads none;
    Meanwhile<int> meanwhile([] { return Result<int>(1); });
    EXPECT_EQ(CodeOf(meanwhile.Take()), ErrorCode::kNoMemory);
    Relay<int> relay([](int&) { return Result<void>(); });
    int batch = 1;
    EXPECT_EQ(CodeOf(relay.Give(batch)), ErrorCode::kNoMemory);
    EXPECT_EQ(CodeOf(relay.Finish()), ErrorCode::kNoMemory);
  }
  sigset_t blocked;
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &blocked), 0);
  EXPECT_EQ(sigismember(&blocked, SIGTERM), 0);
}

}  // namespace

}  // namespace certfs
