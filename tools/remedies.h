// What to do about a refusal: one row for each rule (crypto/rules.h) and each reason of the mount's own. What
// to do about what is stored already is store/concerns.h.
//
// Thread-safety: a pure function.

#pragma once

#include <string_view>

namespace certfs {

// Returns what helps where the rule of that id refused, a sentence without a full stop; empty where
// there is no such id.
std::string_view RemedyOf(std::string_view id);

}  // namespace certfs
