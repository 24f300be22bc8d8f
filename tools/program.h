// The edge of each program: what nothing below should let through ends here, and becomes an exit code.
//
// Thread-safety: main thread only.

#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <optional>
#include <string>

#include "crypto/base/result.h"
#include "tools/exit_code.h"

namespace certfs {

// Runs `body`, which returns the exit code, in the name of `program`. Catches what was thrown, and fails with
// 1 where standard output could not be written.
int RunProgram(const char* program, const std::function<int()>& body);

// Parses the command line. Prints what it asks for, help or version; where it is wrong, says on stderr what,
// where, what was probably meant, and where to read on. Returns the exit code; nothing when there is
// something to do.
std::optional<int> ParseOrSay(CLI::App& app, int argc, char** argv);

// The same for a program with a way of its own to say it: kInvalidArgument.
Result<void> Parse(CLI::App& app, int argc, char** argv);

// Returns the exit code of a command that ended so; prints its failure on stderr.
int Finish(const char* program, const Result<ExitCode>& end);

// Prints "program: " and `words` on stderr, as an error is said: the one place that colours it.
void SayError(const std::string& program, const std::string& words);

}  // namespace certfs
