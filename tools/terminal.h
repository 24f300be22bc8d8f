// Asking a person: for a passphrase, or whether to go on.
//
// Thread-safety: main thread only, because it handles signals while it waits.

#pragma once

#include <string>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

// Asks on the controlling terminal, without echo, wherever stdin and stdout lead. A signal puts the terminal
// right and then ends the process as usual. Returns kInvalidArgument when there is no terminal, kCancelled at
// end of input.
Result<SecretBytes> AskPassphrase(const std::string& prompt);

// Says whether there is somebody to ask whether to go on: stdin and stderr are a terminal.
bool HasTerminal();

// Asks `question` ("merge this into x?") on stderr, because stdout may lead elsewhere; only "y" and "yes" are
// a yes.
bool Confirm(const std::string& question);

}  // namespace certfs
