// TOML files of ours, read strictly: each error names the file and the line. Only sources include this,
// because of what toml++ brings along.
//
// Thread-safety: free functions. Errors: kInvalidArgument.

#pragma once

// toml++ in the form that returns its errors.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"

namespace certfs {

// "line 7: " and `words`.
Error WrongAt(const toml::source_region& where, const std::string& words);

// Parses `text`.
Result<toml::table> ParseToml(std::string_view text);

// Reads the file `path`, of at most 1 MiB. Refused if others than root and its caller may write it, because
// commands may stand in it.
Result<std::string> ReadTomlText(const std::filesystem::path& path);

// Refuses a key that is not among `known`, with the one that was probably meant.
Result<void> CheckKeys(const toml::table& table, const std::vector<std::string>& known);

// What the list `node` has: texts, none of them empty. `key` is what it is called.
Result<std::vector<std::string>> WordsOf(const toml::node& node, const std::string& key);

// A command: a list of words is run as it is, a text by /bin/sh.
Result<std::vector<std::string>> CommandOf(const toml::node& node, const std::string& key);

}  // namespace certfs
