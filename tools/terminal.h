// Asking a person for a passphrase.
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

}  // namespace certfs
