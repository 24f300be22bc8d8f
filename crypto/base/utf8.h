// Text from outside: whether it is UTF-8 (RFC 3629), and fit to be shown.
//
// Thread-safety: free functions.

#pragma once

#include <cstddef>
#include <string_view>

namespace certfs {

// How many bytes the UTF-8 sequence at the start of `text` takes; 0 when it is not valid. `text` is not
// empty.
std::size_t Utf8Length(std::string_view text);

// Says whether all of `text` is valid UTF-8.
bool IsUtf8(std::string_view text);

// Says whether `text`, valid UTF-8, has a control character (C0, DEL or C1).
bool HasControl(std::string_view text);

}  // namespace certfs
