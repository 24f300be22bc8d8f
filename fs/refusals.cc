#include "fs/refusals.h"

#include <algorithm>

#include "store/name.h"

namespace certfs {

namespace {

// Certificates, names and programs carry other people's bytes: no control character may forge a second line
// or steer a terminal, and the log stays text.
std::string OneLine(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    text.remove_prefix(character.size());
    if (length == 0 || HasControl(character)) {
      line.push_back('?');
    } else {
      line += character;
    }
  }
  return line;
}

std::string Joined(const std::deque<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

}  // namespace

std::string RefusalLog::Record(const Refusal& refusal) {
  std::string text = FormatTimestamp(refusal.when) + " " + refusal.path + ": " +
                     std::string(ToString(refusal.error.code())) + ": ";
  const std::string_view rule = refusal.error.rule();
  if (!rule.empty() && !refusal.error.message().starts_with(rule)) text += std::string(rule) + ": ";
  text += refusal.error.message() + " (uid " + std::to_string(refusal.uid) + ", pid " +
          std::to_string(refusal.process) + (refusal.program.empty() ? "" : ", " + refusal.program) + ")";
  text = OneLine(text);
  const std::lock_guard lock(mutex_);
  lines_.push_back(text);
  if (lines_.size() > kLinesMax) lines_.pop_front();
  Own& own = owners_[refusal.uid];
  own.newest = ++recorded_;
  own.lines.push_back(text);
  if (own.lines.size() > kOwnLinesMax) own.lines.pop_front();
  if (owners_.size() > kUsersMax) {
    owners_.erase(std::min_element(owners_.begin(), owners_.end(), [](const auto& a, const auto& b) {
      return a.second.newest < b.second.newest;
    }));
  }
  return text;
}

std::string RefusalLog::All() const {
  const std::lock_guard lock(mutex_);
  return Joined(lines_);
}

std::string RefusalLog::Of(std::uint32_t uid) const {
  const std::lock_guard lock(mutex_);
  const auto own = owners_.find(uid);
  return own == owners_.end() ? std::string() : Joined(own->second.lines);
}

}  // namespace certfs
