// TOML as toml++ 3.3 may be given it: its behaviour is undefined where a letter beyond ASCII stands outside
// of strings and comments.
//
// Thread-safety: a free function.

#pragma once

#include <string>
#include <string_view>

namespace certfs {

// Returns `text`, valid UTF-8, with each character beyond ASCII as \uXXXX or \UXXXXXXXX. In basic strings
// (TOML 1.0, "String") that is the same character; in literal ones it is not, and anywhere else it is an
// error.
std::string EscapeBeyondAscii(std::string_view text);

}  // namespace certfs
