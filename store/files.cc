#include "store/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace certfs {

Error SystemFailure(std::string_view what, int error) {
  ErrorCode code = ErrorCode::kIo;
  if (error == ENOSPC || error == EDQUOT) code = ErrorCode::kNoSpace;
  if (error == EROFS) code = ErrorCode::kReadOnly;
  return {code, std::string(what) + ": " + std::generic_category().message(error)};
}

Result<void> KeepOwner(int file, const std::filesystem::path& replaced) {
  struct stat before {};
  struct stat now {};
  const bool replaces = stat(replaced.c_str(), &before) == 0;
  if (!replaces && geteuid() != 0) return {};
  if (!replaces && stat(replaced.parent_path().c_str(), &before) != 0)
    return SystemFailure("look at " + replaced.parent_path().string(), errno);
  if (fstat(file, &now) != 0) return SystemFailure("look at the new " + replaced.string(), errno);
  if (now.st_uid == before.st_uid && now.st_gid == before.st_gid) return {};
  if (fchown(file, before.st_uid, before.st_gid) == 0 || now.st_uid == before.st_uid) return {};
  return Error(ErrorCode::kNotPermitted,
               "the new " + replaced.string() + " cannot be given to user " + std::to_string(before.st_uid) +
                   ", who has the keystore: " + std::generic_category().message(errno));
}

Result<void> SyncDirectory(const std::filesystem::path& directory) {
  const Descriptor file(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.open() || fsync(file.number()) != 0) return SystemFailure("sync " + directory.string(), errno);
  return {};
}

}  // namespace certfs
