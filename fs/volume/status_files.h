// The files of status/, a table: one row each. A new file is a node (fs/node_id.h), a row in status_files.cc
// and a function; lookup, listing, stat and open follow from the row. Private to fs/.
//
// Thread-safety: the table is constant; its functions may be called from any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "fs/operation_counts.h"
#include "fs/refusals.h"
#include "fs/volume.h"
#include "fs/volume/status_reports.h"

namespace certfs {

enum class Wanted { kSize, kBytes };

// What the files are made from, and who asks for what.
struct StatusSources {
  Keystore& keystore;
  const VolumeOptions& options;
  const RefusalLog& refusals;
  const OperationCounts& counts;
  StatusReports& reports;
  std::optional<Error> list_failure;  // Why a CRL of the authority could not be signed anew.
  const Caller& caller;
  Wanted wanted;  // Of a size `show` may leave out bytes, if it says how many.
};

struct StatusFile {
  Fixed node;
  std::string_view name;
  std::uint32_t mode;
  Result<StatusText> (*show)(const StatusSources& from);
};

// All rows, in the order of the listing.
std::span<const StatusFile> StatusFiles();

// The row of a node, or of a name in status/; null where there is none.
const StatusFile* FindStatusFile(Fixed node);
const StatusFile* FindStatusFile(std::string_view name);

}  // namespace certfs
