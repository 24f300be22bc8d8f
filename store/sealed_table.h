// EntryTable on LMDB: sealed records under hash trees (store/README.md). Works while other processes have the
// same keystore open; their commits show in the next snapshot.
//
// Thread-safety: as EntryTable. Do not fork while one is open.

#pragma once

#include <filesystem>
#include <memory>

#include "store/entry_table.h"
#include "store/header.h"

namespace certfs {

struct SealedTableOptions {
  std::uint64_t map_bytes = std::uint64_t{1} << 30;       // The first size of the map; it doubles by itself.
  std::uint64_t map_bytes_max = std::uint64_t{16} << 30;  // The keystore's size limit; see Room.
};

// Makes an empty table in `directory`, with its first manifest. Returns kAlreadyExists if data.mdb is there.
Result<void> CreateSealedTable(const std::filesystem::path& directory, const RootKeys& keys);

// Opens the table in `directory`. Returns kNotFound without data.mdb, kCorrupt if its manifest is missing or
// does not open under `keys`, kUnsupported if the manifest is of a newer format.
Result<std::unique_ptr<EntryTable>> OpenSealedTable(const std::filesystem::path& directory, RootKeys keys,
                                                    const SealedTableOptions& options = {});

}  // namespace certfs
