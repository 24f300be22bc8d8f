#include "tools/request_text.h"

#include <algorithm>
#include <charconv>

#include "store/name.h"
#include "tools/system.h"

namespace certfs {

namespace {

constexpr std::size_t kBytesMax = std::size_t{64} << 10;
constexpr std::string_view kBlank = " \t\r";
constexpr std::string_view kProfileKey = "profile";

// What `line` says something of, in lower case: "name" of "Name = www"; empty for a comment.
std::string KeyOf(std::string_view line) {
  if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  const std::size_t first = line.find_first_not_of(kBlank);
  const std::size_t equals = line.find('=');
  if (first == std::string_view::npos || line[first] == '#' || equals == std::string_view::npos ||
      equals <= first)
    return {};
  line = line.substr(first, equals - first);
  return FoldName(line.substr(0, line.find_last_not_of(kBlank) + 1));
}

// The lines of `text`, empty where they name the profile, which is the authority's to read.
std::string WithoutProfile(std::string_view text) {
  std::string certool;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (KeyOf(line) != kProfileKey) certool += line;
    text.remove_prefix(line.size());
    if (text.empty()) break;
    certool += '\n';
    text.remove_prefix(1);
  }
  return certool;
}

}  // namespace

Result<RequestText> RequestText::Read(const std::string& path) {
  auto bytes = ReadWholeFile(path, kBytesMax);
  if (!bytes.has_value()) return Error(ErrorCode::kInvalidArgument, bytes.error().message());
  RequestText request;
  request.path_ = path;
  request.text_ = AsText(bytes.value());
  return request;
}

void RequestText::Set(std::string_view key, std::string_view value, std::string_view option) {
  std::string line = std::string(key) + " = ";
  // A line break would begin another line, and say something that nobody asked for.
  std::transform(value.begin(), value.end(), std::back_inserter(line),
                 [](char c) { return c == '\n' || c == '\r' ? '\x1a' : c; });
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < text_.size(); ++number) {
    const std::size_t end = std::min(text_.find('\n', begin), text_.size());
    if (KeyOf(std::string_view(text_).substr(begin, end - begin)) == FoldName(key)) {
      text_.replace(begin, end - begin, line);
      options_[number] = option;
      return;
    }
    begin = end + 1;
  }
  if (!text_.empty() && text_.back() != '\n') text_ += '\n';
  text_ += line + "\n";
  options_[number] = option;
}

Result<RequestConfig> RequestText::Parse() const {
  auto config = RequestConfig::Parse(AsBytes(WithoutProfile(text_)));
  if (config.has_value()) return config;
  const Error& error = config.error();
  const std::string& words = error.message();
  constexpr std::string_view kLine = "line ";
  std::size_t number = 0;
  if (words.starts_with(kLine)) {
    const char* const end = words.data() + words.size();
    const auto [at, failure] = std::from_chars(words.data() + kLine.size(), end, number);
    const auto option = options_.find(number);
    if (failure == std::errc() && option != options_.end())
      return Error(error.code(), error.rule(), option->second + std::string(at, end));
  }
  return std::move(config).error().Within(path_.empty() ? "the request" : path_);
}

}  // namespace certfs
