#include "tools/package/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

namespace certfs::package {

namespace fs = std::filesystem;

Result<Spool> Spool::Make(const fs::path& directory) {
  // O_EXCL: it can never be given a name.
  Descriptor file(open(directory.c_str(), O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!file.open() && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    // A filesystem that has no such files.
    std::string name = (directory / ".certfs-package.XXXXXX").string();
    file = Descriptor(mkostemp(name.data(), O_CLOEXEC));
    if (file.open() && unlink(name.c_str()) != 0) return SystemError(name, errno);
  }
  if (!file.open()) return SystemError(directory, errno);
  return Spool(std::move(file), directory);
}

Result<void> Spool::Append(BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(file_.number(), bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return SystemError(directory_, errno);
    size_ += static_cast<std::size_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<std::size_t> Spool::Read(std::uint64_t at, std::span<std::uint8_t> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        pread(file_.number(), out.data() + done, out.size() - done, static_cast<off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(directory_, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> Spool::ForEachPiece(const std::function<Result<void>(BytesView)>& use) const {
  Bytes piece(std::size_t{256} << 10);
  for (std::uint64_t at = 0; at < size_;) {
    const std::size_t got = TRY(Read(at, piece));
    if (got == 0) return SystemError(directory_, EIO);
    TRY(use(BytesView(piece).first(got)));
    at += got;
  }
  return {};
}

fs::path TemporaryDirectory() {
  const char* const named = getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? fs::path(named) : fs::path("/var/tmp");
}

}  // namespace certfs::package
