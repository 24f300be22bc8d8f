// What the values of options are called in --help, in manual pages, and to the shells that complete them: the
// same in all programs.
//
// Thread-safety: main thread only.

#pragma once

#include <CLI/CLI.hpp>

namespace certfs {

// Names the values of all options of `app` and of its commands whose definition left them nameless: "FILE"
// for what is called --password-file. Call once all is defined.
void NameValues(CLI::App& app);

}  // namespace certfs
