#include "tools/toml_reading.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "crypto/base/toml_text.h"
#include "crypto/base/utf8.h"
#include "tools/shown.h"
#include "tools/suggestion.h"
#include "tools/system.h"

namespace certfs {

namespace {

constexpr std::size_t kFileBytes = std::size_t{1} << 20;

}  // namespace

Error WrongAt(const toml::source_region& where, const std::string& words) {
  return {ErrorCode::kInvalidArgument, "line " + std::to_string(where.begin.line) + ": " + Shown(words)};
}

Result<toml::table> ParseToml(std::string_view text) {
  if (!IsUtf8(text)) return Error(ErrorCode::kInvalidArgument, "not UTF-8");
  toml::parse_result parsed = toml::parse(EscapeBeyondAscii(text));
  if (!parsed) return WrongAt(parsed.error().source(), std::string(parsed.error().description()));
  return std::move(parsed).table();
}

Result<std::string> ReadTomlText(const std::filesystem::path& path) {
  const auto usage = [&](const std::string& words) { return Error(ErrorCode::kInvalidArgument, words); };
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return usage(SystemError(path, errno).message());
  const bool foreign = status.st_uid != 0 && status.st_uid != geteuid();
  if (foreign || (status.st_mode & 0022) != 0)
    return usage(path.string() + ": others may write it, and what stands in it is run");
  const auto bytes = ReadWholeFile(path, kFileBytes);
  if (!bytes.has_value()) return usage(bytes.error().message());
  return std::string(AsText(bytes.value()));
}

Result<void> CheckKeys(const toml::table& table, const std::vector<std::string>& known) {
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto meant = Nearest(name, known);
    return WrongAt(key.source(), "'" + name + "' is not a key that is known" +
                                     (meant ? "; did you mean '" + *meant + "'?" : ""));
  }
  return {};
}

Result<std::vector<std::string>> WordsOf(const toml::node& node, const std::string& key) {
  const toml::array* const list = node.as_array();
  if (list == nullptr || list->empty()) return WrongAt(node.source(), key + " is a list of words");
  std::vector<std::string> words;
  for (const toml::node& each : *list) {
    const auto word = each.value_exact<std::string>();
    if (!word || word->empty()) return WrongAt(each.source(), key + " is a list of words");
    words.push_back(*word);
  }
  return words;
}

Result<std::vector<std::string>> CommandOf(const toml::node& node, const std::string& key) {
  if (const auto line = node.value_exact<std::string>()) {
    if (line->empty()) return WrongAt(node.source(), key + " is empty");
    return std::vector<std::string>{"/bin/sh", "-c", *line};
  }
  return WordsOf(node, key);
}

}  // namespace certfs
