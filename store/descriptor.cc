#include "store/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace certfs {

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

Error SystemFailure(std::string_view what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return {full ? ErrorCode::kNoSpace : ErrorCode::kIo,
          std::string(what) + ": " + std::generic_category().message(error)};
}

Result<void> SyncDirectory(const std::filesystem::path& directory) {
  const Descriptor file(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.open() || fsync(file.get()) != 0) return SystemFailure("sync " + directory.string(), errno);
  return {};
}

}  // namespace certfs
