// BACKUP_STORE: the state of each entry before its last change of content. Whoever is not store/ only looks
// there.
//
// Thread-safety: free functions over a transaction. Errors: those of EntryTable.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/entry_table.h"
#include "store/keystore.h"

namespace certfs {

// What is about to become of an entry whose state is kept.
enum class KeptFor : std::uint8_t { kWriting, kRemoving };

// The name of the state of an entry of that alias and store, of however many places before it are another
// store's: "bkp_ALIAS", then "bkp_ALIAS@STORE". That a store may have which was called so before, and is
// called something else now: then "bkp_ALIAS@@2", and so on. No store's name is empty, or has a "@".
std::string KeptName(std::string_view alias, std::string_view store, std::size_t place);

// Puts the state of `entry` of `store`, whose content is about to change, into BACKUP_STORE as it is now.
// Does nothing for an empty entry, nor when the state that is kept holds all of its files: an entry whose
// files are removed one by one stays kept whole. What damage took cannot be kept, and holds nothing up; nor
// does a damaged record in BACKUP_STORE, beside which the state goes. Returns the entry of BACKUP_STORE that
// it changed, or 0; then `before`, where the caller gives it, is what that entry held until then. A state of
// a store that is no more may have to give way (store/README.md, "BACKUP_STORE").
Result<Number> KeepState(TableTransaction& transaction, const Store& store, const Entry& entry, Time now,
                         KeptFor why, KeptBefore* before = nullptr);

// The alias in BACKUP_STORE whose content KeepState would change; nothing where it would change none.
Result<std::optional<Alias>> NameToKeepUnder(TableSnapshot& snapshot, const Store& store, const Entry& entry,
                                             KeptFor why);

// The entry of BACKUP_STORE that keeps the state of the entry of that alias; not one that has been kept since
// before the store was renamed under what it was called then. Where none is found, and what is damaged may be
// it: kCorrupt.
Result<std::optional<Entry>> FindKeptState(TableSnapshot& snapshot, const Store& store, const Alias& alias);

// Puts `before` back. Returns the entry of BACKUP_STORE that it changed; 0 when that changed once more since,
// and stays.
Result<Number> RestoreState(TableTransaction& transaction, const KeptBefore& before, Time now);

}  // namespace certfs
