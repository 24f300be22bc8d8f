#include "fs/control/command_line.h"

#include <algorithm>
#include <charconv>

#include "crypto/base/utf8.h"

namespace certfs::control {

namespace {

// Takes the next word off `rest`, unquoted.
Result<std::string> TakeWord(std::string_view& rest) {
  std::string word;
  bool quoted = false;
  while (!rest.empty() && (quoted || rest.front() != ' ')) {
    char c = rest.front();
    rest.remove_prefix(1);
    if (c == '"') {
      quoted = !quoted;
      continue;
    }
    if (quoted && c == '\\') {
      if (rest.empty() || (rest.front() != '"' && rest.front() != '\\'))
        return Wrong("a backslash stands before \" or \\ alone");
      c = rest.front();
      rest.remove_prefix(1);
    }
    word.push_back(c);
  }
  if (quoted) return Wrong("a quote is not closed");
  return word;
}

bool IsBlank(BytesView bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](std::uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
}

}  // namespace

Error Wrong(std::string reason) { return {ErrorCode::kMalformed, "control", std::move(reason)}; }

Result<std::uint64_t> ParseNumber(std::string_view text, std::uint64_t min, std::uint64_t max) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < min || number > max) {
    return Wrong("'" + std::string(text) + "' is no number from " + std::to_string(min) + " to " +
                 std::to_string(max));
  }
  return number;
}

Result<CommandLine> CommandLine::Parse(BytesView bytes) {
  if (bytes.size() > kCommandBytesMax)
    return Error(ErrorCode::kTooLarge, "too-large", "a command is at most 1 MiB less 4 KiB");
  const std::string_view text = AsText(bytes);
  const std::size_t newline = text.find('\n');
  std::string_view line = text.substr(0, newline);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!IsUtf8(line) || HasControl(line))
    return Wrong("the line of a command is UTF-8 without control characters");
  CommandLine command;
  if (newline != std::string_view::npos && !IsBlank(bytes.subspan(newline + 1)))
    command.payload = bytes.subspan(newline + 1);
  while (!line.empty()) {
    if (line.front() == ' ') {
      line.remove_prefix(1);
      continue;
    }
    const bool option = line.starts_with("--");
    std::string word = TRY(TakeWord(line));
    if (!option) {
      command.words.push_back(std::move(word));
      continue;
    }
    word.erase(0, 2);
    const std::size_t equals = word.find('=');
    Option parsed{word.substr(0, equals), std::nullopt};
    if (equals != std::string::npos) parsed.value = word.substr(equals + 1);
    command.options.push_back(std::move(parsed));
  }
  if (command.words.empty()) return Wrong("there is no command");
  return command;
}

bool CommandLine::Has(std::string_view option) const {
  return std::any_of(options.begin(), options.end(), [&](const Option& each) { return each.name == option; });
}

std::vector<std::string> CommandLine::Values(std::string_view option) const {
  std::vector<std::string> values;
  for (const Option& each : options) {
    if (each.name == option) values.push_back(each.value.value_or(""));
  }
  return values;
}

std::optional<std::string> CommandLine::Value(std::string_view option) const {
  const auto values = Values(option);
  return values.empty() ? std::nullopt : std::optional(values.back());
}

Result<std::optional<std::uint64_t>> CommandLine::Number(std::string_view option, std::uint64_t min,
                                                         std::uint64_t max, char unit) const {
  const auto value = Value(option);
  if (!value) return std::optional<std::uint64_t>();
  std::string_view digits = *value;
  if (unit != '\0' && digits.ends_with(unit)) digits.remove_suffix(1);
  auto number = ParseNumber(digits, min, max);
  if (!number.has_value()) return Wrong("--" + std::string(option) + ": " + number.error().message());
  return std::optional(number.value());
}

}  // namespace certfs::control
