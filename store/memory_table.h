// EntryTable in memory: the full twin of SealedTable, for tests and trial mounts.

#pragma once

#include <memory>

#include "store/entry_table.h"

namespace certfs {

std::unique_ptr<EntryTable> MakeMemoryTable();

}  // namespace certfs
