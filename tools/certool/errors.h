// The numbers that certool answers with: those of the tool that it is named after, so that scripts which look
// at them go on to work.
//
// Thread-safety: pure functions.

#pragma once

#include <span>
#include <string_view>

#include "crypto/base/error.h"

namespace certfs::certool {

struct CodeRow {
  int number;
  std::string_view name;
  std::string_view text;
};

// All that certool can answer with. The numbers are never changed or reused.
std::span<const CodeRow> Codes();

// The row of what happened. `error` names it by its rule, where that says more than its code.
const CodeRow& CodeOf(const Error& error);

// The row of that number; none if certool never answers with it.
const CodeRow* FindCode(int number);

// Rules of certool's own, for what the code of an Error does not say by itself.
inline constexpr std::string_view kKeyUnreadable = "certool-key";
inline constexpr std::string_view kCrlUnreadable = "certool-crl";
inline constexpr std::string_view kTimedOut = "certool-time-out";
inline constexpr std::string_view kUnsupportedHere = "certool-unsupported";
inline constexpr std::string_view kEntryExists = "certool-entry-exists";
inline constexpr std::string_view kRootExists = "certool-root-exists";

}  // namespace certfs::certool
