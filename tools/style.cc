#include "tools/style.h"

#include <unistd.h>

#include <cstdlib>

namespace certfs {

namespace {

// ECMA-48, 8.3.117: select graphic rendition.
std::string_view Begin(Style style) {
  switch (style) {
    case Style::kError:
      return "\x1b[1;31m";
    case Style::kWarning:
      return "\x1b[33m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kStrong:
      return "\x1b[1m";
  }
  return "";
}
constexpr std::string_view kEnd = "\x1b[0m";

}  // namespace

bool HasColour(int file) {
  const char* const refused = getenv("NO_COLOR");
  if (refused != nullptr && *refused != '\0') return false;
  const char* const terminal = getenv("TERM");
  if (terminal == nullptr || std::string_view(terminal) == "dumb") return false;
  return isatty(file) == 1;
}

std::string Styled(std::string_view text, Style style, int file) {
  if (!HasColour(file)) return std::string(text);
  return std::string(Begin(style)) + std::string(text) + std::string(kEnd);
}

}  // namespace certfs
