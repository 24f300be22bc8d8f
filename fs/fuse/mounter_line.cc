#include "fs/fuse/mounter_line.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

#include "fs/fuse/process.h"

namespace certfs {

namespace {

enum class Topic : std::uint32_t { kConnect, kReady, kDying, kExecutable, kAbort };

struct Asked {
  Topic topic = Topic::kConnect;
  std::int32_t thread = 0;
};

// What comes before the text of an answer: an executable's path, or why there is nothing.
struct Told {
  std::int32_t failure = -1;  // An ErrorCode; less than 0 for none.
  std::uint32_t yes = 0;
  std::uint64_t number = 0;
};

constexpr std::size_t kTextMax = PATH_MAX;
constexpr std::size_t kDescriptors = 2;

struct Answer {
  Told told;
  std::string text;
  std::array<Descriptor, kDescriptors> descriptors;

  static Answer Of(const Error& error) {
    Answer answer;
    answer.told.failure = static_cast<std::int32_t>(error.code());
    answer.text = error.message();
    return answer;
  }
};

// Returns whether it was sent. Who asks reads the answer before he asks again: one who does not is none to
// wait for.
bool SendAnswer(int socket, const Answer& answer) {
  Told told = answer.told;
  const std::string_view text = std::string_view(answer.text).substr(0, kTextMax);
  std::array<iovec, 2> parts{iovec{&told, sizeof told}, iovec{const_cast<char*>(text.data()), text.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptors * sizeof(int))> control{};
  if (answer.descriptors[0].open()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(kDescriptors * sizeof(int));
    const std::array<int, kDescriptors> numbers{answer.descriptors[0].number(),
                                                answer.descriptors[1].number()};
    std::memcpy(CMSG_DATA(header), numbers.data(), sizeof numbers);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

Error MounterGone() { return {ErrorCode::kIo, "the process that keeps the mount has gone"}; }

Result<Answer> ReceiveAnswer(int socket) {
  Answer answer;
  std::string text(kTextMax, '\0');
  std::array<iovec, 2> parts{iovec{&answer.told, sizeof answer.told}, iovec{text.data(), text.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptors * sizeof(int))> control{};
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = 0;
  do {
    size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < static_cast<ssize_t>(sizeof answer.told)) return MounterGone();
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    std::array<int, kDescriptors> numbers{-1, -1};
    std::memcpy(numbers.data(), CMSG_DATA(header), std::min(sizeof numbers, header->cmsg_len - CMSG_LEN(0)));
    for (std::size_t i = 0; i < kDescriptors; ++i) answer.descriptors[i] = Descriptor(numbers[i]);
  }
  text.resize(static_cast<std::size_t>(size) - sizeof answer.told);
  answer.text = std::move(text);
  return answer;
}

Result<Answer> Ask(int socket, Asked asked) {
  if (send(socket, &asked, sizeof asked, MSG_NOSIGNAL) != sizeof asked) return MounterGone();
  Answer answer = TRY(ReceiveAnswer(socket));
  if (answer.told.failure >= 0)
    return Error(static_cast<ErrorCode>(answer.told.failure), std::move(answer.text));
  return answer;
}

Answer Connected(MountPoint& point) {
  auto mounted = point.Connect();
  if (!mounted.has_value()) return Answer::Of(mounted.error());
  Answer answer;
  answer.told.number = mounted.value().number;
  answer.descriptors = {std::move(mounted.value().parts.device), std::move(mounted.value().parts.page)};
  return answer;
}

Answer AnswerTo(const Asked& asked, MountPoint& point) {
  Answer answer;
  switch (asked.topic) {
    case Topic::kConnect:
      return Connected(point);
    case Topic::kReady:
      return answer;
    case Topic::kDying: {
      const auto dying = point.processes().IsDyingOfSignal(asked.thread);
      if (!dying.has_value()) return Answer::Of(dying.error());
      answer.told.yes = dying.value() ? 1 : 0;
      return answer;
    }
    case Topic::kExecutable: {
      auto path = point.processes().ExecutableOf(asked.thread);
      answer.told.yes = path ? 1 : 0;
      if (path) answer.text = *std::move(path);
      return answer;
    }
    case Topic::kAbort:
      point.Abort();
      return answer;
  }
  return Answer::Of(Error(ErrorCode::kInvalidArgument, "no such question"));
}

}  // namespace

Result<std::pair<Descriptor, Descriptor>> MounterLine::Make() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return Error(ErrorCode::kIo, std::string("socketpair: ") + std::strerror(errno));
  return std::pair(Descriptor(ends[0]), Descriptor(ends[1]));
}

Result<Mounted> MounterLine::Connect() {
  const std::lock_guard lock(mutex_);
  Answer answer = TRY(Ask(socket_.number(), {Topic::kConnect, 0}));
  Mounted mounted;
  mounted.parts = {std::move(answer.descriptors[0]), std::move(answer.descriptors[1])};
  mounted.number = answer.told.number;
  if (!mounted.parts.device.open() || !mounted.parts.page.open())
    return Error(ErrorCode::kIo, "no file descriptor is left for the mount");
  return mounted;
}

void MounterLine::Abort() noexcept {
  const std::lock_guard lock(mutex_);
  static_cast<void>(WithinMemory([&]() -> Result<void> {
    TRY(Ask(socket_.number(), {Topic::kAbort, 0}));
    return {};
  }));
}

void MounterLine::Ready() noexcept {
  const std::lock_guard lock(mutex_);
  static_cast<void>(WithinMemory([&]() -> Result<void> {
    TRY(Ask(socket_.number(), {Topic::kReady, 0}));
    return {};
  }));
}

std::int32_t MounterLine::ProcessOf(std::int32_t thread) const { return RealProcesses().ProcessOf(thread); }
std::string MounterLine::ProgramOf(std::int32_t thread) const { return RealProcesses().ProgramOf(thread); }

Result<bool> MounterLine::IsDyingOfSignal(std::int32_t thread) const {
  const std::lock_guard lock(mutex_);
  return TRY(Ask(socket_.number(), {Topic::kDying, thread})).told.yes != 0;
}

std::optional<std::string> MounterLine::ExecutableOf(std::int32_t thread) const {
  const std::lock_guard lock(mutex_);
  auto answer = Ask(socket_.number(), {Topic::kExecutable, thread});
  if (!answer.has_value() || answer.value().told.yes == 0) return std::nullopt;
  return std::move(answer.value().text);
}

LineEvent AnswerLine(int socket, MountPoint& point) {
  Asked asked;
  const ssize_t size = recv(socket, &asked, sizeof asked, MSG_DONTWAIT);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return LineEvent::kNothing;
  if (size <= 0) return LineEvent::kGone;
  const bool whole = size == sizeof asked;
  const Answer answer = whole ? AnswerTo(asked, point)
                              : Answer::Of(Error(ErrorCode::kInvalidArgument, "no question is so short"));
  if (!SendAnswer(socket, answer)) return LineEvent::kGone;
  return whole && asked.topic == Topic::kReady ? LineEvent::kReady : LineEvent::kNothing;
}

}  // namespace certfs
