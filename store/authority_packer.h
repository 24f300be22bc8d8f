// Putting the authority and its ledger into a backup's archive. Private to store/.
//
// Thread-safety: a free function over a snapshot. Errors: those of TableSnapshot and of the sink.

#pragma once

#include <functional>
#include <string>

#include "store/entry_table.h"

namespace certfs {

// Takes a file of the archive.
using ArchiveFileSink =
    std::function<Result<void>(const std::string& path, std::uint32_t mode, BytesView content)>;

// Gives `sink` all files of ca/, in the order of the archive; none where there is no authority, and never was
// one. Returns how many lines of the ledger there were. Memory: one file of the ledger.
Result<std::uint64_t> PackAuthority(TableSnapshot& snapshot, const ArchiveFileSink& sink);

}  // namespace certfs
