// Where BACKUP_STORE keeps the state of an entry before its last change.
//
// Thread-safety: free functions over their arguments. Errors: what the system says where BACKUP_STORE may not
// be read. `stores` is the directory that holds the stores.

#pragma once

#include <filesystem>
#include <optional>

#include "crypto/base/result.h"
#include "tools/entry_name.h"

namespace certfs {

// Returns the directory of that state. kNotFound if none is kept. Looks through all of BACKUP_STORE where the
// store may have been renamed since.
Result<std::filesystem::path> FindKept(const std::filesystem::path& stores, const EntryName& entry);

// The same of the state that the next change displaces; nothing where it displaces none.
Result<std::optional<std::filesystem::path>> FindKeptByName(const std::filesystem::path& stores,
                                                            const EntryName& entry);

}  // namespace certfs
