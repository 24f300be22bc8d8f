// Who has a keystore's directory open: many of them, or one who is alone with it. Private to store/.
//
// LMDB has locks of its own; this one is for what no other may see: data.mdb replaced as a file, and a new
// root key. A lock of flock(2) on the directory, hence gone with its process.
//
// Thread-safety: a value. Ownership: owns the open directory. Errors: kNotFound without a directory, kIo
// otherwise.

#pragma once

#include <filesystem>
#include <memory>

#include "crypto/base/result.h"
#include "store/files.h"

namespace certfs {

class DirectoryLock {
 public:
  // Waits for whoever is alone with it.
  static Result<std::unique_ptr<DirectoryLock>> Share(const std::filesystem::path& directory);

  // Returns null while anybody else has it open.
  static Result<std::unique_ptr<DirectoryLock>> TryAlone(const std::filesystem::path& directory);

 private:
  explicit DirectoryLock(int descriptor) : directory_(descriptor) {}
  static Result<std::unique_ptr<DirectoryLock>> Open(const std::filesystem::path& directory);

  Descriptor directory_;
};

}  // namespace certfs
