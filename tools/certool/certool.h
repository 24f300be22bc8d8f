// The program certool: parses, runs one command, and says how it ended as the tool that it is named after
// does.
//
// Thread-safety: main thread only.

#pragma once

namespace certfs::certool {

// Returns the exit code: the number of the error, less all multiples of 256, as a shell shows it.
int Run(int argc, char** argv);

}  // namespace certfs::certool
