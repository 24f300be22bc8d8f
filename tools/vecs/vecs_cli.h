// The program vecs-cli: parses, runs one command, and says how it ended as the tool that it is named after
// does, on stderr: "vecs-cli failed. Error 4312: …". With --json the failure is on stdout as well, as one
// object.
//
// Thread-safety: main thread only.

#pragma once

namespace certfs::vecs {

// Returns the exit code: 0, or that of the error's row (errors.h).
int Run(int argc, char** argv);

}  // namespace certfs::vecs
