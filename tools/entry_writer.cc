#include "tools/entry_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "store/name.h"
#include "tools/system.h"

namespace certfs {

namespace fs = std::filesystem;

std::string LastRefusal(const Mount& mount, const fs::path& directory) {
  const auto why = ReadWholeFile(mount.mountpoint / "status" / "why", std::size_t{16} << 20);
  if (!why.has_value()) return {};
  // A line names its file from the root of the tree: "TIME stores/machine/web/cert.pem: …".
  const std::string place = " " + directory.lexically_relative(mount.mountpoint).string() + "/";
  // It ends in who was refused: an older refusal of somebody else's would be the wrong reason.
  const std::string process = ", pid " + std::to_string(getpid()) + ",";
  std::string_view text = AsText(why.value());
  while (!text.empty()) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    const std::size_t newline = text.rfind('\n');
    const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    const std::string_view line = text.substr(begin);
    if (line.find(place) != std::string_view::npos && line.find(process) != std::string_view::npos) {
      return std::string(line);
    }
    text = text.substr(0, begin);
  }
  return {};
}

Error WithRefusal(Error error, const Mount& mount, const fs::path& directory) {
  const std::string reason = LastRefusal(mount, directory);
  if (reason.empty()) return error;
  return {error.code(), error.message() + "\n" + reason};
}

Result<void> WriteMember(const Mount& mount, const fs::path& directory, Member member, BytesView bytes) {
  const fs::path path = directory / FileName(member);
  Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file.open()) return WithRefusal(SystemError(path, errno), mount, directory);
  auto written = WriteAll(file.number(), bytes, path);
  if (!written.has_value()) return WithRefusal(std::move(written).error(), mount, directory);
  if (close(file.Release()) != 0) return WithRefusal(SystemError(path, errno), mount, directory);
  return {};
}

Result<void> ThroughNext(const fs::path& entry,
                         const std::function<Result<void>(const fs::path& next)>& fill) {
  const fs::path next = entry / kNextName;
  const bool made = mkdir(next.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return SystemError(next, errno);
  std::error_code failure;
  if (!fs::is_empty(next, failure) && !failure) {
    return Error(ErrorCode::kNotEmpty,
                 next.string() + ": a replacement is staged there; finish it, or abandon it: rm -r '" +
                     next.string() + "'");
  }
  if (failure) return SystemError(next, failure.value());
  Result<void> outcome = fill(next);
  if (!outcome.has_value()) {
    for (const Member member : {Member::kCertificate, Member::kKey})
      unlink((next / FileName(member)).c_str());
  }
  if (made) rmdir(next.c_str());
  return outcome;
}

}  // namespace certfs
