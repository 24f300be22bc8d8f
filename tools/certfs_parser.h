// The command line of certfs, whole: what main parses, and what the manual pages and completions are made of.
//
// Thread-safety: main thread only. Ownership: the parser owns its options; `action` has to outlive it.

#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

#include "tools/commands.h"

namespace certfs {

// `behind` is what stood behind "--": the command that `watch` runs. Parsing leaves in `action` what to do.
std::unique_ptr<CLI::App> MakeCertfsParser(const std::vector<std::string>& behind, Action& action);

}  // namespace certfs
