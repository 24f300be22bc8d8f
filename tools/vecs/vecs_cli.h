// The program vecs-cli: parses, runs one command, and says how it ended as the tool that it is named after
// does.
//
// Thread-safety: main thread only.

#pragma once

#include "crypto/base/error.h"

namespace certfs::vecs {

// Returns the exit code: the number of the error, less all multiples of 256, as a shell shows it.
int Run(int argc, char** argv);

// The number that VECS has for such an error: those of Windows, and its own from 90000 on.
int NumberOf(const Error& error);

}  // namespace certfs::vecs
