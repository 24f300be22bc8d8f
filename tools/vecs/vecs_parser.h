// The command line of vecs-cli, whole: what Run parses, and what manual pages and completions are made of.
//
// Thread-safety: main thread only. Ownership: the parser borrows `options` and `work`, which outlive it.

#pragma once

#include <CLI/CLI.hpp>

#include <memory>

#include "tools/vecs/commands.h"

namespace certfs::vecs {

// Parsing leaves in `options` what the line says, and in `work` what to do.
std::unique_ptr<CLI::App> MakeVecsParser(Options& options, Work& work);

}  // namespace certfs::vecs
