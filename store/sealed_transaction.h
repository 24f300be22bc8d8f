// One change of a SealedTable. Private to store/.

#pragma once

#include <memory>
#include <optional>

#include "store/sealed_view.h"

namespace certfs {

// Makes the first manifest, or a changed one, the root of everything. `manifest.commit` is the commit that
// writes it.
Result<void> WriteManifest(lmdb::Transaction& transaction, const RootKeys& keys, const Manifest& manifest);

// Begins a transaction on the table that `shared` belongs to and outlives.
Result<std::unique_ptr<TableTransaction>> BeginSealedTransaction(SealedShared& shared);

}  // namespace certfs
