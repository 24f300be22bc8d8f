#include "store/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

namespace {

Error NoRegularFile(const std::string& name) { return {ErrorCode::kCorrupt, name + " is no regular file"}; }
Error SymbolicLink(const std::string& name) { return {ErrorCode::kCorrupt, name + " is a symbolic link"}; }

}  // namespace

Result<Descriptor> OpenRegularFile(const std::filesystem::path& path, int flags) {
  const std::string name = path.filename().string();
  Descriptor file(open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.open()) {
    if (errno == ENOENT) return Error(ErrorCode::kNotFound, "there is no " + name);
    if (errno == ELOOP) return SymbolicLink(name);
    // What a socket, a directory, and a FIFO that nobody reads say.
    if (errno == ENXIO || errno == ENODEV || errno == EISDIR) return NoRegularFile(name);
    return SystemFailure("open " + name, errno);
  }
  struct stat status {};
  if (fstat(file.number(), &status) != 0) return SystemFailure("look at " + name, errno);
  if (!S_ISREG(status.st_mode)) return NoRegularFile(name);
  return file;
}

std::uint64_t StoredBytes(const struct stat& status) noexcept {
  constexpr std::uint64_t kBlockBytes = 512;  // Of st_blocks, whatever the file system's own are.
  return std::min(static_cast<std::uint64_t>(status.st_size),
                  kBlockBytes * static_cast<std::uint64_t>(status.st_blocks));
}

Result<void> CheckOnlyName(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return SystemFailure("look at " + name, errno);
  }
  if (S_ISLNK(status.st_mode)) return SymbolicLink(name);
  if (!S_ISREG(status.st_mode)) return NoRegularFile(name);
  if (status.st_nlink > 1) {
    return Error(
        ErrorCode::kCorrupt,
        name + " has another name, and what is written to it would be there, too: put a copy in its place");
  }
  return {};
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
