// BACKUP_STORE: the state of each entry before its last change of content. Whoever is not store/ only looks
// there.
//
// Thread-safety: free functions over a transaction. Errors: those of EntryTable.

#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "store/entry_table.h"
#include "store/keystore.h"

namespace certfs {

// Puts the state of `entry` of `store`, whose content is about to change, into BACKUP_STORE as it is now.
// Does nothing for an empty entry, nor when the state that is kept holds all of its files: an entry whose
// files are removed one by one stays kept whole. What damage took cannot be kept, and holds nothing up.
// Returns the entry of BACKUP_STORE that it changed, or 0; then `before`, where the caller gives it, is what
// that entry held until then.
Result<Number> KeepState(TableTransaction& transaction, const Store& store, const Entry& entry, Time now,
                         KeptBefore* before = nullptr);

// The entry of BACKUP_STORE that keeps the state of the entry of that alias.
Result<std::optional<Entry>> FindKeptState(TableSnapshot& snapshot, const Store& store, const Alias& alias);

// Puts `before` back. Returns the entry of BACKUP_STORE that it changed; 0 when that changed once more since,
// and stays.
Result<Number> RestoreState(TableTransaction& transaction, const KeptBefore& before, Time now);

}  // namespace certfs
