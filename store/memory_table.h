// EntryTable in memory: the full twin of SealedTable, for tests and trial mounts.

#pragma once

#include <memory>

#include "store/entry_table.h"

namespace certfs {

// The files in it take at most `limit` bytes.
std::unique_ptr<EntryTable> MakeMemoryTable(std::uint64_t limit = std::uint64_t{16} << 30);

}  // namespace certfs
