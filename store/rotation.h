// Sealing all records of a table under its newest data key. Private to store/.
//
// Thread-safety: as the table.

#pragma once

#include "store/keystore_keys.h"
#include "store/sealed_entry_table.h"

namespace certfs {

// Does what RotateDataKey does, but for writing data.mdb anew.
Result<RotationOutcome> Rotate(SealedTable& table, const RotationProgress& progress);

// Seals what is left under older data keys, and forgets those that nothing is sealed under any more.
Result<RotationOutcome> FinishRotation(SealedTable& table, const RotationProgress& progress);

// Runs `change` in one transaction and commits it, making room as often as it takes.
Result<void> RunSealed(SealedTable& table, const std::function<Result<void>(SealedTransaction&)>& change);

}  // namespace certfs
