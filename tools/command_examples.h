// What --help and the manual page of each command of certfs end with: how it is used.
//
// Thread-safety: main thread only.

#pragma once

#include <CLI/CLI.hpp>

namespace certfs {

// Adds examples to the footers of those commands below `app` that bring none of their own.
void AddExamples(CLI::App& app);

}  // namespace certfs
