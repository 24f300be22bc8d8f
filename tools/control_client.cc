#include "tools/control_client.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "tools/entry_writer.h"
#include "tools/system.h"

namespace certfs {

namespace fs = std::filesystem;

namespace {

// What the kernel hands over in one write: 1 MiB, less room for its own words.
constexpr std::size_t kCommandBytesMax = (std::size_t{1} << 20) - 4096;
constexpr std::size_t kAnswerBytesMax = std::size_t{256} << 20;

// The codes that an answer may name; by these programs' exit codes some mean the operator's own key or
// keystore, which an answer of the authority is never about.
std::optional<ErrorCode> CodeNamed(std::string_view name) {
  for (int number = 0; number <= static_cast<int>(ErrorCode::kInternal); ++number) {
    const auto code = static_cast<ErrorCode>(number);
    if (ToString(code) != name) continue;
    if (code == ErrorCode::kAccessDenied) return ErrorCode::kNotPermitted;
    if (code == ErrorCode::kUnsupported) return ErrorCode::kRejected;
    return code;
  }
  return std::nullopt;
}

// An Error keeps a view of its rule's id: those that come from outside are kept here, each once.
std::string_view KeptRule(std::string rule) {
  static std::set<std::string, std::less<>> rules;
  return *rules.insert(std::move(rule)).first;
}

Result<Bytes> ReadAnswer(int control, const fs::path& path) {
  Bytes answer;
  std::array<std::uint8_t, 65536> chunk;
  while (answer.size() <= kAnswerBytesMax) {
    const ssize_t got = pread(control, chunk.data(), chunk.size(), static_cast<off_t>(answer.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, errno);
    if (got == 0) return answer;
    answer.insert(answer.end(), chunk.begin(), chunk.begin() + got);
  }
  return Error(ErrorCode::kTooLarge, path.string() + ": the answer is too large");
}

// The failure that the mount tells in the answer; else the last refusal of this process, else the errno.
Error FailureOf(int control, int error, const Mount& mount, const fs::path& path) {
  const auto answer = ReadAnswer(control, path);
  if (answer.has_value()) {
    const Json json = Json::parse(AsText(answer.value()), nullptr, false);
    const Json& failure = FieldOf(json, "error");
    const auto code = CodeNamed(TextOf(failure, "code"));
    if (code) return {*code, KeptRule(TextOf(failure, "rule")), TextOf(failure, "message")};
  }
  return WithRefusal(SystemError(path, error), mount, path.parent_path());
}

Error NotOpened(const fs::path& path, int error) {
  if (error == EACCES) {
    return {ErrorCode::kNotPermitted,
            path.string() + ": Permission denied: the authority obeys the user whom the daemon runs as"};
  }
  return SystemError(path, error);
}

}  // namespace

// Quotes `text` where it has to be. In quotes a word is never an option, whatever it begins with.
void ControlCommand::Append(std::string_view text) {
  const bool bare =
      !text.empty() && !text.starts_with("--") && text.find_first_of(" \t\"\\") == std::string_view::npos;
  if (bare) {
    line_ += text;
    return;
  }
  line_ += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') line_ += '\\';
    line_ += c;
  }
  line_ += '"';
}

ControlCommand& ControlCommand::Word(std::string_view word) {
  line_ += ' ';
  Append(word);
  return *this;
}

ControlCommand& ControlCommand::Flag(std::string_view name) {
  line_ += " --" + std::string(name);
  return *this;
}

ControlCommand& ControlCommand::Option(std::string_view name, std::string_view value) {
  Flag(name);
  line_ += '=';
  Append(value);
  return *this;
}

ControlCommand& ControlCommand::Option(std::string_view name, std::uint64_t value) {
  return Option(name, std::to_string(value));
}

ControlCommand& ControlCommand::Payload(BytesView bytes) {
  payload_.insert(payload_.end(), bytes.begin(), bytes.end());
  return *this;
}

Result<fs::path> AuthorityOf(const Mount& mount) {
  fs::path authority = mount.mountpoint / "ca";
  if (access(authority.c_str(), F_OK) == 0) return authority;
  if (errno != ENOENT) return SystemError(authority, errno);
  return Error(ErrorCode::kNotFound, mount.mountpoint.string() +
                                         ": shows the stores alone (subtree=stores), and the authority is "
                                         "beside them; mount the keystore whole, elsewhere");
}

Result<Json> Ask(const Mount& mount, const ControlCommand& command) {
  if (command.line().find_first_of("\r\n") != std::string::npos)
    return Error(ErrorCode::kInvalidArgument, "a word of a command cannot have a line break in it");
  const std::size_t size = command.line().size() + 1 + command.payload().size();
  if (size > kCommandBytesMax)
    return Error(ErrorCode::kTooLarge, "a command for the authority has at most 1 MiB less 4 KiB");
  SecretBytes bytes(size);
  std::copy(command.line().begin(), command.line().end(), bytes.data());
  bytes.data()[command.line().size()] = '\n';
  std::copy(command.payload().begin(), command.payload().end(), bytes.data() + command.line().size() + 1);

  const fs::path path = TRY(AuthorityOf(mount)) / "control";
  const Descriptor control(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!control.open()) return NotOpened(path, errno);
  // One write is one command: a part of one would be another.
  ssize_t written;
  do {
    written = write(control.number(), bytes.data(), size);
  } while (written < 0 && errno == EINTR);
  if (written < 0) return FailureOf(control.number(), errno, mount, path);
  if (static_cast<std::size_t>(written) != size)
    return Error(ErrorCode::kIo, path.string() + ": took a part of the command only");
  Json answer = Json::parse(AsText(TRY(ReadAnswer(control.number(), path))), nullptr, false);
  if (!answer.is_object())
    return Error(ErrorCode::kIo, path.string() + ": the answer is not one JSON object");
  return answer;
}

const Json& FieldOf(const Json& object, std::string_view field) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(std::string(field));
  return found == object.end() ? nothing : *found;
}

std::string TextOf(const Json& object, std::string_view field) {
  const Json& value = FieldOf(object, field);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::uint64_t NumberOf(const Json& object, std::string_view field) {
  const Json& value = FieldOf(object, field);
  const bool is_one =
      value.is_number_unsigned() || (value.is_number_integer() && value.get<std::int64_t>() >= 0);
  return is_one ? value.get<std::uint64_t>() : 0;
}

}  // namespace certfs
