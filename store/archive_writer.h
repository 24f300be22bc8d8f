// Writing a pax archive (POSIX.1-2001, pax Interchange Format) item by item, by libarchive. Private to
// store/.
//
// Owners are numbers, times have nanoseconds, ACLs stand as `SCHILY.acl.*` where `tar --acls` finds them, and
// the extras of an item as extended attributes. The same items give the same bytes.
//
// Thread-safety: a writer belongs to one thread. Ownership: owns nothing of what it is given. Errors: what
// the sink returns; kInternal when libarchive refuses.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "store/entry.h"

namespace certfs {

// Takes what comes next of an archive: a header block of 512 bytes, or content as it was given to Put.
using ArchiveSink = std::function<Result<void>(BytesView)>;

struct ArchiveItem {
  std::string path;  // Relative, without a trailing slash.
  bool directory = false;
  Attributes attributes;
  std::vector<std::pair<std::string, Bytes>> extras;  // Extended attributes.
};

class ArchiveWriter {
 public:
  explicit ArchiveWriter(ArchiveSink sink);
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  // Appends one item; a directory has no content.
  Result<void> Put(const ArchiveItem& item, BytesView content = {});

  // Appends the end of the archive.
  Result<void> Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace certfs
