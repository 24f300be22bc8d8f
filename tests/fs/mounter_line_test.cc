// The mounter's end of its line to a daemon.
//
// Goal: whatever a daemon that was taken over sends, the mounter answers or is done with it. Method: a socket
// that says what no MounterLine would.

#include "fs/fuse/mounter_line.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tests/support/must.h"

namespace certfs {
namespace {

// The program of `thread`.
std::array<std::int32_t, 2> AskedForProgramOf(std::int32_t thread) { return {3, thread}; }

class MounterLineTest : public ::testing::Test {
 protected:
  bool Ask(const void* question, std::size_t size) {
    return send(daemon_.number(), question, size, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(size);
  }
  LineEvent Answer() { return AnswerLine(mounter_.number(), point_); }
  std::size_t ReadAnswer() {
    std::array<char, 8192> answer;
    const ssize_t size = recv(daemon_.number(), answer.data(), answer.size(), MSG_DONTWAIT);
    return size < 0 ? 0 : static_cast<std::size_t>(size);
  }

  void SetUp() override {
    auto ends = Must(MounterLine::Make());
    mounter_ = std::move(ends.first);
    daemon_ = std::move(ends.second);
  }

  MountPoint point_{MountOptions()};
  Descriptor mounter_;
  Descriptor daemon_;
};

TEST_F(MounterLineTest, AQuestionHasAnAnswer) {
  EXPECT_EQ(Answer(), LineEvent::kNothing);  // Nobody asks.
  const auto question = AskedForProgramOf(getpid());
  ASSERT_TRUE(Ask(&question, sizeof question));
  EXPECT_EQ(Answer(), LineEvent::kNothing);
  EXPECT_GT(ReadAnswer(), 16U);
}

TEST_F(MounterLineTest, WhatIsNoQuestionIsAnsweredToo) {
  for (const std::string_view words : {std::string_view("short"), std::string_view("\xff\xff\xff\xff....")}) {
    ASSERT_TRUE(Ask(words.data(), words.size()));
    EXPECT_EQ(Answer(), LineEvent::kNothing);
    EXPECT_GT(ReadAnswer(), 16U);
  }
}

// If the mounter waited for him, this would never end.
TEST_F(MounterLineTest, WhoDoesNotReadHisAnswersIsGone) {
  const auto question = AskedForProgramOf(getpid());
  LineEvent event = LineEvent::kNothing;
  for (int i = 0; i < 100'000 && event == LineEvent::kNothing; ++i) {
    ASSERT_TRUE(Ask(&question, sizeof question));
    event = Answer();
  }
  EXPECT_EQ(event, LineEvent::kGone);
}

TEST_F(MounterLineTest, WhoHasClosedHisEndIsGone) {
  daemon_.Close();
  EXPECT_EQ(Answer(), LineEvent::kGone);
}

}  // namespace
}  // namespace certfs
