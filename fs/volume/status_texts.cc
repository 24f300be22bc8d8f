// What the texts of status/ have in common.

#include "fs/volume/status_texts.h"

#include <algorithm>
#include <tuple>

#include "crypto/base/utf8.h"

namespace certfs {

namespace {

// Characters that turn the direction of the text around them (Unicode, UAX #9), and separators that break a
// line: a subject may hold them to look like another.
bool MayMislead(std::string_view character) {
  // U+061C, U+FEFF.
  if (character == "\xD8\x9C" || character == "\xEF\xBB\xBF") return true;
  if (character.size() != 3) return false;
  const auto last = static_cast<unsigned char>(character[2]);
  if (character.starts_with("\xE2\x80"))  // U+200E, U+200F, U+2028 to U+202E.
    return last == 0x8E || last == 0x8F || (last >= 0xA8 && last <= 0xAE);
  return character.starts_with("\xE2\x81") && last >= 0xA6 && last <= 0xA9;  // U+2066 to U+2069.
}

}  // namespace

std::string ShownText(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD.
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    const std::string_view each = text.substr(0, std::max<std::size_t>(length, 1));
    shown += length == 0 || HasControl(each) || MayMislead(each) ? kReplacement : each;
    text.remove_prefix(each.size());
  }
  return shown;
}

std::int64_t DaysLeft(std::chrono::sys_days today, std::chrono::sys_seconds end) {
  return (std::chrono::floor<std::chrono::days>(end) - today).count();
}

std::string DateText(std::chrono::sys_days day) {
  return FormatTimestamp(std::chrono::sys_seconds(day)).substr(0, 10);
}

std::vector<Ending> EndingsOf(const Inspection& inspection) {
  std::vector<Ending> endings;
  for (const auto& store : inspection.stores) {
    for (const auto& entry : store->entries) {
      if (entry->dated()) endings.push_back({entry.get(), PathOf(*store, *entry), entry->end()});
    }
  }
  std::sort(endings.begin(), endings.end(), [](const Ending& a, const Ending& b) {
    const auto key = [](const Ending& each) { return std::tuple(!each.end, each.end, std::tie(each.path)); };
    return key(a) < key(b);
  });
  return endings;
}

}  // namespace certfs
