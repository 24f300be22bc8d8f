#include "tools/package/mount_keys.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "store/entry.h"
#include "store/policy.h"
#include "tools/entry_name.h"
#include "tools/system.h"

namespace certfs::package {

namespace {

namespace fs = std::filesystem;

Result<fs::path> DirectoryOf(const Mount& mount, const std::string& entry) {
  const EntryName name = TRY(ParseEntryName(entry));
  return StoresOf(mount) / name.store.text() / name.alias.text();
}

// What is not there was named wrongly.
Error Unreadable(const fs::path& path, int error) {
  Error failure = SystemError(path, error);
  if (failure.code() != ErrorCode::kNotFound) return failure;
  return {ErrorCode::kInvalidArgument, failure.message()};
}

Result<Descriptor> Open(const fs::path& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return Unreadable(path, errno);
  return file;
}

Result<std::vector<Certificate>> ReadFrom(const Descriptor& file, const fs::path& path) {
  // Nothing secret, and so not in locked memory, of which there is little.
  Bytes text;
  std::array<std::uint8_t, 16384> piece{};
  while (text.size() <= kFileBytesMax) {
    const ssize_t got = ::read(file.number(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, errno);
    if (got == 0) break;
    text.insert(text.end(), piece.begin(), piece.begin() + got);
  }
  auto read = ReadCertificateFile(text);
  if (!read.has_value()) return std::move(read).error().Within(path.string());
  return std::move(read).value().certificates;
}

// The names in `directory`; none where they cannot be listed.
std::vector<std::string> NamesIn(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator at(directory, failure), end; !failure && at != end; at.increment(failure))
    names.push_back(at->path().filename().string());
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<Pair> ReadPair(const Mount& mount, const std::string& entry) {
  const fs::path directory = TRY(DirectoryOf(mount, entry));
  const fs::path certificate_path = directory / FileName(Member::kCertificate);
  const fs::path key_path = directory / FileName(Member::kKey);
  // Both are opened before either is read.
  const Descriptor certificate_file = TRY(Open(certificate_path));
  const Descriptor key_file = TRY(Open(key_path));
  std::vector<Certificate> certificates = TRY(ReadFrom(certificate_file, certificate_path));
  const SecretBytes text = TRY(ReadSecret(key_file.number(), key_path, kFileBytesMax));
  auto key = ReadKeyFile(text.Reveal());
  if (!key.has_value()) return std::move(key).error().Within(key_path.string());
  if (!key.value().key.Matches(certificates.front()))
    return Error(ErrorCode::kRejected, entry + ": its certificate and its key do not match");
  return Pair{entry, std::move(certificates), std::move(key).value().key};
}

Result<std::vector<Certificate>> ReadCertificatesOf(const Mount& mount, const std::string& entry) {
  const fs::path directory = TRY(DirectoryOf(mount, entry));
  const fs::path path = directory / FileName(Member::kCertificate);
  return ReadFrom(TRY(Open(path)), path);
}

std::vector<std::string> FindPairs(const Mount& mount,
                                   const std::function<bool(const Certificate&)>& wanted) {
  std::vector<std::string> found;
  const fs::path stores = StoresOf(mount);
  std::vector<std::string> names = NamesIn(stores);
  // What is live comes before what was.
  std::stable_partition(names.begin(), names.end(),
                        [](const std::string& name) { return name != kBackupStore; });
  for (const std::string& store : names) {
    // TRUSTED_ROOT_CRLS is another name, and no store; neither it nor the others hold keys.
    std::error_code ignored;
    if (store == kTrustedRoots || store == kTrustedLists ||
        fs::is_symlink(fs::symlink_status(stores / store, ignored))) {
      continue;
    }
    for (const std::string& alias : NamesIn(stores / store)) {
      const fs::path entry = stores / store / alias;
      if (access((entry / FileName(Member::kKey)).c_str(), F_OK) != 0) continue;
      const fs::path path = entry / FileName(Member::kCertificate);
      const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file.open()) continue;
      const auto certificates = ReadFrom(file, path);
      if (certificates.has_value() && wanted(certificates.value().front()))
        found.push_back(store + "/" + alias);
    }
  }
  return found;
}

}  // namespace certfs::package
