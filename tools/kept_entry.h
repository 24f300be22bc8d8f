// Where BACKUP_STORE keeps the state of an entry before its last change.
//
// Thread-safety: a free function over its arguments.

#pragma once

#include <filesystem>

#include "crypto/base/result.h"
#include "tools/entry_name.h"

namespace certfs {

// Returns the directory of that state; `stores` is the one that holds the stores. kNotFound if none is kept;
// what the system says where BACKUP_STORE may not be read.
Result<std::filesystem::path> FindKept(const std::filesystem::path& stores, const EntryName& entry);

}  // namespace certfs
