// The mounter, which is root, reads what a daemon asks it; a daemon that was taken over asks anything. Each
// question is a byte that says how long it is, and that many.

#include "fs/fuse/mounter_line.h"

#include <sys/socket.h>

#include <array>
#include <cstring>
#include <string_view>

#include "tests/fuzz/pieces.h"
#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

namespace {

// Between the processes: never change or reuse. (fs/fuse/mounter_line.cc)
constexpr std::size_t kQuestionBytes = 8;
constexpr std::size_t kToldBytes = 16;
constexpr std::uint32_t kReady = 1;
constexpr std::uint32_t kDying = 2;
constexpr std::uint32_t kAbort = 4;
constexpr std::size_t kTextMax = 4096;

std::uint32_t TopicOf(BytesView question) {
  std::uint32_t topic = 0;
  std::memcpy(&topic, question.data(), sizeof topic);
  return topic;
}

}  // namespace

// Each question has one answer of the form that the daemon reads, about a mount that is none; only that of a
// daemon which says that it serves is heard as such.
int FuzzMounterLine(const std::uint8_t* data, std::size_t size) {
  MountOptions options;
  options.mountpoint = "/proc/self/nowhere";
  MountPoint point{options};
  const auto [mounter, daemon] = Have(MounterLine::Make());
  Pieces pieces(BytesView(data, size));
  while (!pieces.empty()) {
    const std::size_t length = pieces.U8();
    const BytesView question = pieces.Take(length);
    // A datagram of no bytes is the end of the line.
    if (question.empty()) continue;
    PROPERTY(send(daemon.number(), question.data(), question.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
             static_cast<ssize_t>(question.size()));
    const LineEvent event = AnswerLine(mounter.number(), point);
    std::array<char, kToldBytes + kTextMax + 1> answer{};
    const ssize_t told = recv(daemon.number(), answer.data(), answer.size(), MSG_DONTWAIT);
    PROPERTY(told >= static_cast<ssize_t>(kToldBytes) && told < static_cast<ssize_t>(answer.size()));
    PROPERTY(recv(daemon.number(), answer.data(), answer.size(), MSG_DONTWAIT) < 0);
    const bool whole = question.size() >= kQuestionBytes;  // What is longer is cut.
    const std::uint32_t topic = whole ? TopicOf(question) : 0;
    PROPERTY(event == (whole && topic == kReady ? LineEvent::kReady : LineEvent::kNothing));
    if (whole && (topic == kDying || topic == kReady || topic == kAbort)) NoteRead();
  }
  PROPERTY(!point.is_mounted());
  return 0;
}

}  // namespace certfs::fuzz
