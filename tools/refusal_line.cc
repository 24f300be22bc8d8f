#include "tools/refusal_line.h"

#include <algorithm>
#include <charconv>

namespace certfs {

namespace {

constexpr std::string_view kSeparator = ": ";

// Takes what stands before `end` off the front of `text`, and `end` with it.
std::optional<std::string_view> TakeUntil(std::string_view& text, std::string_view end) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return taken;
}

template <typename Number>
bool ReadNumber(std::string_view text, Number& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

// A path may hold whatever separates the rest: it ends before the first word that is a code.
bool TakePathAndCode(std::string_view& text, RefusalLine& line) {
  for (std::size_t at = 0; (at = text.find(kSeparator, at)) != std::string_view::npos;) {
    const std::size_t begin = at + kSeparator.size();
    const std::size_t end = text.find(kSeparator, begin);
    if (end == std::string_view::npos) return false;
    if (CodeOf(text.substr(begin, end - begin))) {
      line.path = text.substr(0, at);
      line.code = text.substr(begin, end - begin);
      text.remove_prefix(end + kSeparator.size());
      return true;
    }
    at = begin;
  }
  return false;
}

// "(uid 0, pid 1234, cp)", off the end.
bool TakeWho(std::string_view& text, RefusalLine& line) {
  constexpr std::string_view kBegin = " (uid ";
  const std::size_t at = text.rfind(kBegin);
  if (at == std::string_view::npos || !text.ends_with(')')) return false;
  std::string_view who = text.substr(at + kBegin.size());
  who.remove_suffix(1);
  text = text.substr(0, at);
  const auto uid = TakeUntil(who, ", pid ");
  if (!uid || !ReadNumber(*uid, line.uid)) return false;
  const auto process = TakeUntil(who, ", ");
  if (!process) return ReadNumber(who, line.process);
  line.program = who;
  return ReadNumber(*process, line.process);
}

// Ids are small letters and digits, with hyphens.
std::string RuleOf(std::string_view message) {
  const std::size_t end = message.find(kSeparator);
  if (end == std::string_view::npos || end == 0) return {};
  const std::string_view word = message.substr(0, end);
  const bool is_id = std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  return is_id ? std::string(word) : std::string();
}

}  // namespace

std::optional<ErrorCode> CodeOf(std::string_view word) {
  for (int number = 0; number <= static_cast<int>(ErrorCode::kInternal); ++number) {
    const auto code = static_cast<ErrorCode>(number);
    if (ToString(code) == word) return code;
  }
  return std::nullopt;
}

std::optional<RefusalLine> ParseRefusal(std::string_view text) {
  RefusalLine line;
  const auto time = TakeUntil(text, " ");
  if (!time || !TakePathAndCode(text, line) || !TakeWho(text, line)) return std::nullopt;
  line.time = *time;
  line.message = text;
  line.rule = RuleOf(text);
  return line;
}

}  // namespace certfs
