// What a terminal may be given of text that came from outside.
//
// Thread-safety: a free function.

#pragma once

#include <string>

namespace certfs {

// Returns `text` fit for a terminal, whatever it holds: as a JSON string where it has control characters, or
// is not UTF-8.
std::string Shown(const std::string& text);

}  // namespace certfs
