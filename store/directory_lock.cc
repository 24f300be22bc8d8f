#include "store/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace certfs {

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::Open(const std::filesystem::path& directory) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR))
    return Error(ErrorCode::kNotFound, "there is no directory " + directory.string());
  if (descriptor < 0) return SystemFailure("open " + directory.string(), errno);
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(descriptor));
}

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::Share(const std::filesystem::path& directory) {
  auto lock = TRY(Open(directory));
  while (flock(lock->directory_.number(), LOCK_SH) != 0) {
    if (errno != EINTR) return SystemFailure("lock " + directory.string(), errno);
  }
  return lock;
}

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::TryAlone(const std::filesystem::path& directory) {
  auto lock = TRY(Open(directory));
  while (flock(lock->directory_.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::unique_ptr<DirectoryLock>();
    if (errno != EINTR) return SystemFailure("lock " + directory.string(), errno);
  }
  return lock;
}

}  // namespace certfs
