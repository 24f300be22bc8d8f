// A keystore's directory, opened: locked, its header unlocked, its table at hand. Private to store/.
//
// Thread-safety: a value. Ownership: owns all three. Errors: kNotFound if there is none, kAccessDenied for a
// wrong key, kCorrupt for a damaged one, kUnsupported for one of a newer format, kIo.

#pragma once

#include <filesystem>
#include <memory>

#include "store/directory_lock.h"
#include "store/sealed_entry_table.h"
#include "store/unlocked_header.h"

namespace certfs {

struct OpenedKeystore {
  std::unique_ptr<DirectoryLock> lock;  // Outlives the table.
  UnlockedHeader header;
  std::unique_ptr<SealedTable> table;
};

// Opens `directory` beside whoever has it open. If data.mdb is to be written anew and nobody else is there,
// that is done first; where it cannot be, the table is opened as it is.
Result<OpenedKeystore> OpenShared(const std::filesystem::path& directory, const UnlockSecret& secret);

// Writes data.mdb anew. Precondition: the caller is alone with the directory, and has no table open there.
// After a failure, or a crash, the file of before or of after is there, whole.
Result<void> RewriteData(const std::filesystem::path& directory, RootKeys keys);

// The same if it is pending and nobody else has the directory open. Returns whether nothing is pending any
// more. Precondition: the caller has neither lock nor table there.
Result<bool> RewriteIfAlone(const std::filesystem::path& directory, const UnlockedHeader& header);

}  // namespace certfs
