// Colour, where a person looks: on a terminal, and never with NO_COLOR (https://no-color.org) in the
// environment or on a terminal that is dumb.
//
// Thread-safety: main thread only, because the environment is read.

#pragma once

#include <string>
#include <string_view>

namespace certfs {

enum class Style { kError, kWarning, kGood, kStrong };

// Says whether what is written to `file`, a descriptor, may be coloured.
bool HasColour(int file);

// Returns `text` in that style for `file`: as it is where there is no colour.
std::string Styled(std::string_view text, Style style, int file);

}  // namespace certfs
