#include "tools/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tools/system.h"

namespace certfs {

namespace fs = std::filesystem;

namespace {

Error AlreadyThere(const fs::path& path) {
  return {ErrorCode::kAlreadyExists,
          path.string() + ": is there already, and is not overwritten; move it away, or name another"};
}

using Filler = std::function<Result<void>(int)>;

Result<void> WriteAsIs(const fs::path& path, const Filler& fill) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.open()) return SystemError(path, errno);
  return fill(file.number());
}

Result<void> Name(const std::string& temporary, const fs::path& path, Existing existing) {
  if (existing == Existing::kReplace) {
    if (rename(temporary.c_str(), path.c_str()) != 0) return SystemError(path, errno);
    return {};
  }
  if (renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST) return AlreadyThere(path);
  if (errno != EINVAL && errno != ENOSYS) return SystemError(path, errno);
  // A filesystem that cannot rename so can link, which never replaces.
  if (link(temporary.c_str(), path.c_str()) != 0)
    return errno == EEXIST ? AlreadyThere(path) : SystemError(path, errno);
  unlink(temporary.c_str());
  return {};
}

Result<void> Fill(int file, const std::string& temporary, const Filler& fill, unsigned mode) {
  TRY(fill(file));
  const mode_t mask = umask(0);
  umask(mask);
  if (fchmod(file, mode & ~mask) != 0 || fsync(file) != 0) return SystemError(temporary, errno);
  return {};
}

}  // namespace

Result<void> WriteOutputFile(const fs::path& path, BytesView bytes, unsigned mode, Existing existing) {
  return WriteOutputFileBy(
      path, [&](int file) { return WriteAll(file, bytes, path); }, mode, existing);
}

Result<void> WriteOutputFileBy(const fs::path& path, const Filler& fill, unsigned mode, Existing existing) {
  struct stat status {};
  const bool there = lstat(path.c_str(), &status) == 0;
  // What a link leads to is written: /dev/stdout is one.
  const bool followed = there && S_ISLNK(status.st_mode) && stat(path.c_str(), &status) == 0;
  if (there && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) return WriteAsIs(path, fill);
  if (there && existing == Existing::kRefuse) return AlreadyThere(path);
  std::error_code failure;
  const fs::path target = followed ? fs::canonical(path, failure) : fs::absolute(path);
  if (failure) return SystemError(path, failure.value());

  std::string temporary = (target.parent_path() / ("." + target.filename().string() + ".XXXXXX")).string();
  Descriptor file(mkostemp(temporary.data(), O_CLOEXEC));  // 0600, and never one that is there.
  if (!file.open()) return SystemError(path, errno);
  auto outcome = Fill(file.number(), temporary, fill, mode);
  if (outcome.has_value() && close(file.Release()) != 0) outcome = SystemError(path, errno);
  if (outcome.has_value()) outcome = Name(temporary, target, existing);
  if (!outcome.has_value()) {
    unlink(temporary.c_str());
    return outcome;
  }
  const Descriptor directory(open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.open()) fsync(directory.number());
  return {};
}

}  // namespace certfs
