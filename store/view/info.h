// info.txt and info.json of an entry, and its line in index.json: what a person or a script wants to know
// first, then the full decoding. Private to store/.
//
// Nothing in them depends on the clock: warnings are those of the moment of the last change, against the
// trust set of now. So the bytes stay the same for as long as what they show does.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

#include "crypto/rules.h"
#include "store/view/material.h"

namespace certfs::view {

// Precondition, of both: the material was judged.
std::string InfoText(const EntryMaterial& material);
std::string InfoJson(const EntryMaterial& material);

// What index.json says of an entry: its alias and what files it has; the rest only where `in_full`.
nlohmann::ordered_json IndexItem(const Entry& entry, const std::vector<Certificate>& chain, bool in_full);

// JSON as certfs writes it into files: indented, one newline at the end; bytes that are no UTF-8 are
// replaced.
std::string JsonText(const nlohmann::ordered_json& json);

}  // namespace certfs::view
