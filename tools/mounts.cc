#include "tools/mounts.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <system_error>

#include "tools/system.h"

namespace certfs {

namespace {

constexpr std::size_t kMountinfoBytesMax = std::size_t{64} << 20;

bool IsOctal(char digit) { return digit >= '0' && digit <= '7'; }

// Undoes the kernel's escapes: space, tab, newline and backslash stand as \040, \011, \012, \134.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(i + 1, 3);
    if (text[i] == '\\' && digits.size() == 3 && std::all_of(digits.begin(), digits.end(), IsOctal)) {
      plain.push_back(static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0')));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

// "36 35 98:0 /root /mountpoint options optional... - type source superoptions"
std::optional<Mount> ParseLine(const std::string& line) {
  std::istringstream fields(line);
  std::string id, parent, device, root, mountpoint, field, type, source;
  fields >> id >> parent >> device >> root >> mountpoint;
  while (fields >> field && field != "-") {
  }
  fields >> type >> source;
  if (type != "fuse.certfs" || root != "/") return std::nullopt;
  return Mount{Unescape(mountpoint), Unescape(source)};
}

}  // namespace

std::vector<Mount> ParseMounts(std::string_view mountinfo) {
  std::vector<Mount> mounts;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    if (std::optional<Mount> mount = ParseLine(line)) mounts.push_back(*std::move(mount));
  }
  return mounts;
}

Result<std::vector<Mount>> FindMounts() {
  const Bytes text = TRY(ReadWholeFile("/proc/self/mountinfo", kMountinfoBytesMax));
  return ParseMounts(AsText(text));
}

Result<Mount> ChooseMount(const std::string& named) {
  std::vector<Mount> mounts = TRY(FindMounts());
  if (!named.empty()) {
    const std::filesystem::path path = TRY(MountpointPath(named));
    for (Mount& mount : mounts) {
      if (mount.mountpoint == path) return std::move(mount);
    }
    return Error(ErrorCode::kNotFound, path.string() + ": is not a certfs mount");
  }
  if (mounts.empty()) return Error(ErrorCode::kNotFound, "no certfs filesystem is mounted");
  if (mounts.size() > 1) {
    std::string words = "several certfs filesystems are mounted; name one with --mount:";
    for (const Mount& mount : mounts) words += " " + mount.mountpoint.string();
    return Error(ErrorCode::kInvalidArgument, words);
  }
  return std::move(mounts.front());
}

Result<std::filesystem::path> MountpointPath(const std::filesystem::path& path) {
  std::filesystem::path tidy = TidyPath(path);
  std::error_code failure;
  if (std::filesystem::is_symlink(std::filesystem::symlink_status(tidy, failure))) {
    tidy = std::filesystem::canonical(tidy, failure);
    if (failure) return SystemError(path, failure.value());
    return tidy;
  }
  const std::filesystem::path parent = std::filesystem::canonical(tidy.parent_path(), failure);
  if (failure) return SystemError(tidy.parent_path(), failure.value());
  return parent / tidy.filename();
}

std::filesystem::path StoresOf(const Mount& mount) {
  std::error_code ignored;
  const std::filesystem::path stores = mount.mountpoint / "stores";
  return std::filesystem::is_directory(stores, ignored) ? stores : mount.mountpoint;
}

}  // namespace certfs
