// JSON as the programs print it and write it into files.
//
// Thread-safety: free functions.

#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace certfs {

// Indented, one newline at the end. Bytes that are no UTF-8, which names of files and subjects may hold and
// JSON cannot carry, are replaced.
std::string JsonText(const nlohmann::json& json);
std::string JsonText(const nlohmann::ordered_json& json);

// The same, on stdout.
void PrintJson(const nlohmann::ordered_json& json);

}  // namespace certfs
