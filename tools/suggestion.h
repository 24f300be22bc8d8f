// Did you mean: the known word that is nearest to one that was mistyped.
//
// Thread-safety: pure functions.

#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace certfs {

// Returns how many letters have to be put in, left out, replaced, or exchanged with their neighbour to make
// one of the other (optimal string alignment). Case counts for nothing, because that is mistyped, too.
std::size_t EditDistance(std::string_view one, std::string_view other);

// Returns the one of `known` that `word` was probably meant to be: at most a third of its letters are wrong,
// or it is the only one that `word` begins. Of several that are as near the first one. Nothing is better than
// a guess.
std::optional<std::string> Nearest(std::string_view word, std::span<const std::string> known);

}  // namespace certfs
