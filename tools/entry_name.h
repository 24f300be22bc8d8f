// The entry that a command line names: STORE/ALIAS.
//
// Thread-safety: a pure function.

#pragma once

#include <string>

#include "crypto/base/result.h"
#include "store/name.h"

namespace certfs {

struct EntryName {
  StoreName store;
  Alias alias;
};

// kInvalidArgument, with `text` and the reason.
Result<EntryName> ParseEntryName(const std::string& text);

}  // namespace certfs
