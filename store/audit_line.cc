// A line of the audit log as JSON: members in one order, nothing between them, one way to write each
// character, so that one event has one text.

#include <algorithm>
#include <array>
#include <charconv>

#include "crypto/base/utf8.h"
#include "store/audit_format.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kTextBytesMax = 1024;  // Of paths and words; names are shorter.
constexpr std::size_t kAboutMax = 32;        // Of entries that one change touched.
constexpr auto kBefore = ",\"prev\":\""sv;
constexpr auto kEnd = "\"}"sv;
constexpr std::size_t kDigestDigits = 64;

class Line {
 public:
  Line() { text_.reserve(512); }

  void Number(std::string_view name, std::optional<std::uint64_t> value) {
    Name(name);
    if (value) {
      std::array<char, 20> digits;
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), *value).ptr;
      text_.append(digits.data(), end);
    } else {
      text_ += "null";
    }
  }

  void Text(std::string_view name, std::optional<std::string_view> value) {
    Name(name);
    if (value) {
      Quoted(*value);
    } else {
      text_ += "null";
    }
  }
  void TextIfAny(std::string_view name, std::string_view value) {
    if (!value.empty()) Text(name, value);
  }

  void BeginList(std::string_view name) {
    Name(name);
    text_ += "[";
  }
  void EndList() { text_ += "]"; }
  void Begin() { text_ += text_.empty() || text_.back() == '[' ? "{" : ",{"; }
  void End() { text_ += "}"; }

  std::string Take() { return std::move(text_); }

 private:
  void Name(std::string_view name) {
    if (text_.back() != '{') text_ += ",";
    text_ += '"';
    text_ += name;
    text_ += "\":";
  }

  // RFC 8259, section 7, as short as it goes. Bytes of others that are no UTF-8 become U+FFFD.
  void Quoted(std::string_view value) {
    text_ += '"';
    std::size_t written = 0;
    while (!value.empty() && written < kTextBytesMax) {
      // Nearly everything is plain.
      const std::size_t plain = PlainLength(value.substr(0, kTextBytesMax - written));
      text_ += value.substr(0, plain);
      value.remove_prefix(plain);
      written += plain;
      if (plain != 0) continue;
      const std::size_t length = Utf8Length(value);
      const std::string_view character = value.substr(0, std::max<std::size_t>(length, 1));
      value.remove_prefix(character.size());
      written += character.size();
      if (length == 0) {
        text_ += "\xEF\xBF\xBD";
      } else if (character == "\"" || character == "\\") {
        text_ += '\\';
        text_ += character;
      } else if (HasControl(character)) {
        Escaped(character);
      } else {
        text_ += character;
      }
    }
    if (!value.empty()) text_ += "\xE2\x80\xA6";  // U+2026: it was cut short.
    text_ += '"';
  }

  static std::size_t PlainLength(std::string_view value) {
    std::size_t length = 0;
    while (length < value.size() && value[length] >= ' ' && value[length] < 0x7F && value[length] != '"' &&
           value[length] != '\\')
      ++length;
    return length;
  }

  // A terminal must not be steered by what a line holds: C1 is escaped with C0.
  void Escaped(std::string_view control) {
    constexpr auto kDigits = "0123456789abcdef"sv;
    const auto code = static_cast<unsigned char>(control.back());
    text_ += "\\u00";
    text_ += kDigits[code >> 4];
    text_ += kDigits[code & 15];
  }

  std::string text_;
};

// "2026-11-28T20:00:00.123456Z".
std::string Microseconds(Time when) {
  std::string text = FormatTimestamp(when);
  const auto second = std::chrono::floor<std::chrono::seconds>(when);
  const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(when - second).count();
  std::string digits = std::to_string(rest);
  digits.insert(0, 6 - digits.size(), '0');
  text.insert(text.size() - 1, "." + digits);
  return text;
}

std::optional<std::uint64_t> Wide(const auto& value) {
  return value ? std::optional<std::uint64_t>(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

void WriteEntry(Line& line, const AuditedEntry& entry) {
  line.Text("store", entry.store);
  line.Text("alias", entry.alias.empty() ? std::nullopt : std::optional<std::string_view>(entry.alias));
  line.Number("revision", entry.revision);
}

// The other entries that came along.
void WriteOthers(Line& line, const std::vector<AuditedEntry>& about) {
  if (about.size() < 2) return;
  line.BeginList("also");
  const std::size_t shown = std::min(about.size(), kAboutMax);
  for (std::size_t i = 1; i < shown; ++i) {
    line.Begin();
    WriteEntry(line, about[i]);
    line.End();
  }
  line.EndList();
  if (about.size() > shown) line.Number("more", about.size() - shown);
}

}  // namespace

std::string EncodeAuditLine(const AuditEvent& event, std::uint64_t number, Time when, const Digest& before) {
  Line line;
  line.Begin();
  line.Number("n", number);
  line.Text("time", Microseconds(when));
  line.Text("op", event.operation);
  line.Text("path", event.path ? std::optional<std::string_view>(*event.path) : std::nullopt);
  if (event.about.empty()) {
    for (const std::string_view name : {"store", "alias", "revision"}) line.Text(name, std::nullopt);
  } else {
    WriteEntry(line, event.about.front());
  }
  line.Number("uid", Wide(event.who.uid));
  line.Number("gid", Wide(event.who.gid));
  line.Number("pid", Wide(event.who.pid));
  line.Text("exe",
            event.who.executable ? std::optional<std::string_view>(*event.who.executable) : std::nullopt);
  // Asked for where the executable is not shown.
  line.Text("comm",
            event.who.program.empty() ? std::nullopt : std::optional<std::string_view>(event.who.program));
  line.Text("outcome", event.outcome);
  line.TextIfAny("rule", event.rule);
  line.TextIfAny("reason", event.reason);
  if (event.commit) line.Number("commit", event.commit);
  WriteOthers(line, event.about);
  line.TextIfAny("detail", event.detail);
  line.Text("prev", ToHex(before));
  line.End();
  return line.Take();
}

bool NamesBefore(std::string_view line, const Digest& before) {
  const std::size_t tail = kBefore.size() + kDigestDigits + kEnd.size();
  if (line.size() < tail) return false;
  line.remove_prefix(line.size() - tail);
  return line.starts_with(kBefore) && line.substr(kBefore.size(), kDigestDigits) == ToHex(before) &&
         line.ends_with(kEnd);
}

Digest BeforeOf(std::string_view line) {
  Digest digest{};
  const std::size_t tail = kDigestDigits + kEnd.size();
  if (line.size() < tail) return digest;
  const std::string_view digits = line.substr(line.size() - tail, kDigestDigits);
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const char* const at = digits.data() + 2 * i;
    if (std::from_chars(at, at + 2, digest[i], 16).ptr != at + 2) return {};
  }
  return digest;
}

Digest DigestOfLine(std::string_view line) { return Sha256({AsBytes(line)}); }

std::string MissingLines(std::uint64_t first, std::uint64_t last) {
  if (first == last) return "line " + std::to_string(first) + " is missing";
  return "lines " + std::to_string(first) + " to " + std::to_string(last) + " are missing";
}

}  // namespace certfs
