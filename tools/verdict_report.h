// A verdict for people and for programs.
//
// Thread-safety: pure functions.

#pragma once

#include <chrono>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>

#include "crypto/certificate.h"
#include "crypto/rules.h"

namespace certfs {

// What was judged.
struct Judged {
  std::string file;
  std::string store;  // Empty: no store was named.
  std::chrono::sys_seconds at;
};

// "none", "fix", "warn", "refuse".
std::string_view WordOf(Severity severity);

// One line a finding ("refuse  expired: ..."), then "accepted" or "refused: ...".
void WriteText(std::ostream& out, const Verdict& verdict);

// One JSON object; its fields are documented in tools/README.md.
void WriteJson(std::ostream& out, const Judged& judged, const Verdict& verdict,
               std::span<const Certificate> certificates);

}  // namespace certfs
