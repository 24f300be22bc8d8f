// The audit log of a table on LMDB. Private to store/.
//
// Thread-safety: a free function. Errors: those of reading the table's manifest.

#pragma once

#include <filesystem>
#include <memory>

#include "store/audit_log.h"
#include "store/sealed_entry_table.h"

namespace certfs {

// From now on every commit of `table` has a line in the log of `directory`. The table outlives the log, and
// nobody commits any more once that has ended.
Result<std::unique_ptr<AuditLog>> OpenAuditLog(const std::filesystem::path& directory, SealedTable& table,
                                               AuditLog::Clock clock);

}  // namespace certfs
