#include "tools/vecs/store_place.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "store/policy.h"
#include "tools/entry_writer.h"
#include "tools/refusal_line.h"
#include "tools/system.h"
#include "tools/vecs/errors.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

namespace {

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

Result<void> CheckServer(const Options& options) {
  if (options.server.empty() != options.upn.empty()) {
    return Error(ErrorCode::kInvalidArgument, kInvalidState,
                 "You have to provide both server and upn; for this machine neither is needed");
  }
  const std::array<std::string, 5> self{"", "localhost", "127.0.0.1", "::1", HostName()};
  if (std::find(self.begin(), self.end(), options.server) != self.end()) return {};
  return Error(ErrorCode::kUnsupported, "--server " + options.server +
                                            ": vecs-cli works on what is mounted on this machine; run it "
                                            "there: ssh " +
                                            options.server + " vecs-cli …");
}

bool Allows(const fs::path& path, int mode) {
  return faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0;
}

// "root's, mode 0600".
std::string OwnerOf(const fs::path& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return {};
  const passwd* const user = getpwuid(status.st_uid);
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", status.st_mode & 07777U);
  const std::string owner = user != nullptr ? user->pw_name : std::to_string(status.st_uid);
  return owner + "'s, mode " + mode.data();
}

// The code in a line of status/why, which says more than an errno.
std::optional<ErrorCode> CodeIn(std::string_view line) {
  const auto refusal = ParseRefusal(line);
  return refusal ? CodeOf(refusal->code) : std::nullopt;
}

// What the kernel keeps this user from, to read `path`, or to make, write or remove it: the first directory
// from the stores down that he may not enter, the one that `path` is in, or `path`. Nothing where it does
// not.
std::optional<fs::path> WhatKeepsOut(const fs::path& stores, const fs::path& path, bool to_write) {
  fs::path at = stores;
  for (const fs::path& part : path.lexically_relative(stores)) {
    if (!Allows(at, X_OK)) return at;
    at /= part;
  }
  if (to_write && path != stores && !Allows(path.parent_path(), W_OK)) return path.parent_path();
  struct stat status {};
  const bool there = lstat(path.c_str(), &status) == 0;
  return there && !Allows(path, to_write ? W_OK : R_OK) ? std::optional(path) : std::nullopt;
}

}  // namespace

Result<Mount> MountOf(const Options& options) {
  TRY(CheckServer(options));
  auto mount = ChooseMount(options.mount);
  if (!mount.has_value()) {
    if (mount.error().code() != ErrorCode::kNotFound) return mount;
    return Error(ErrorCode::kNotFound, kNoMount, mount.error().message());
  }
  if (IsDead(mount.value())) {
    const std::string& path = mount.value().mountpoint.string();
    return Error(ErrorCode::kNotFound, kNoMount,
                 path + ": its daemon has ended; certfs umount " + path + ", and mount it again");
  }
  return mount;
}

Result<StorePlace> FindStore(const Options& options) {
  auto name = StoreName::Parse(options.store);
  if (!name.has_value()) {
    const ErrorCode code = name.error().code() == ErrorCode::kNameTooLong ? ErrorCode::kNameTooLong
                                                                          : ErrorCode::kInvalidArgument;
    return Error(code, "store name [" + options.store + "]: " + name.error().message());
  }
  const Mount mount = TRY(MountOf(options));
  const fs::path stores = StoresOf(mount);
  const bool by_link = FoldName(options.store) == FoldName(kLinkName);
  const std::string wanted = FoldName(by_link ? kLinkTarget : std::string_view(options.store));
  for (const std::string& each : TRY(NamesIn(stores))) {
    if (FoldName(each) != wanted) continue;
    StoreName name = TRY(StoreName::Parse(each));
    return StorePlace{mount, std::move(name), stores / each};
  }
  return Error(ErrorCode::kNotFound, kNoSuchObject, "Store [" + options.store + "] does not exist");
}

std::string ShownName(std::string_view store) {
  return std::string(store == kLinkTarget ? kLinkName : store);
}

Result<std::vector<std::string>> NamesIn(const fs::path& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(directory.c_str()), closedir);
  if (!open) return SystemError(directory, errno);
  std::vector<std::pair<ino_t, std::string>> found;
  for (;;) {
    errno = 0;
    const dirent* const entry = readdir(open.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") found.emplace_back(entry->d_ino, name);
  }
  if (errno == EIO) {
    return Error(
        ErrorCode::kCorrupt,
        directory.string() + ": an entry in it is damaged: what is stored fails its integrity check");
  }
  if (errno != 0) return SystemError(directory, errno);
  std::sort(found.begin(), found.end());
  std::vector<std::string> names;
  names.reserve(found.size());
  for (auto& [number, name] : found) names.push_back(std::move(name));
  return names;
}

Result<Alias> AliasOf(const Options& options) {
  auto alias = Alias::ParseGiven(options.alias);
  if (alias.has_value()) return alias;
  const ErrorCode code =
      alias.error().code() == ErrorCode::kNameTooLong ? ErrorCode::kNameTooLong : ErrorCode::kInvalidArgument;
  return Error(code, "alias [" + options.alias + "]: " + alias.error().message());
}

Result<std::optional<fs::path>> FindEntry(const StorePlace& store, const Alias& alias) {
  // As it is written, first: a store may be large, and may be closed to listing.
  const fs::path as_written = store.directory / alias.text();
  struct stat status {};
  if (lstat(as_written.c_str(), &status) == 0) return std::optional(as_written);
  const int error = errno;
  if (error != ENOENT) {
    return Explain(SystemError(as_written, error), store.mount, as_written, "read");
  }
  const auto names = NamesIn(store.directory);
  // Whoever may not list it has been told that there is no entry of that name.
  if (!names.has_value()) return std::optional<fs::path>();
  for (const std::string& name : names.value()) {
    if (FoldName(name) == FoldName(alias.text())) return std::optional(store.directory / name);
  }
  return std::optional<fs::path>();
}

Result<fs::path> GetEntry(const StorePlace& store, const Options& options) {
  auto entry = TRY(FindEntry(store, TRY(AliasOf(options))));
  if (entry) return *std::move(entry);
  return Error(ErrorCode::kNotFound, kNoSuchObject,
               "Entry with alias [" + options.alias + "] in store [" + options.store + "] does not exist");
}

Error Explain(Error error, const Mount& mount, const fs::path& path, std::string_view right) {
  if (!error.rule().empty()) return error;  // It has its reason already.
  for (const fs::path& directory : {path.parent_path(), path}) {
    if (error.message().find('\n') == std::string::npos) error = WithRefusal(error, mount, directory);
  }
  const std::size_t told = error.message().find('\n');
  if (told != std::string::npos) {
    return {CodeIn(std::string_view(error.message()).substr(told + 1)).value_or(error.code()),
            error.message()};
  }
  if (error.code() != ErrorCode::kNotPermitted) return error;
  const fs::path stores = StoresOf(mount);
  const std::optional<fs::path> place = WhatKeepsOut(stores, path, right == "write");
  if (!place) return error;
  std::string words = error.message() + "\n" + place->string() + " is " + OwnerOf(*place) +
                      ", and you are user " + std::to_string(geteuid());
  const std::string store = place->lexically_relative(stores).begin()->string();
  if (store != "." && store != ".." && store != kBackupStore) {
    words += "; its owner may allow it: vecs-cli store permission --name " + store + " --user " +
             std::to_string(geteuid()) + " --grant " + std::string(right);
  }
  return {error.code(), error.rule(), words};
}

Error Unreadable(const Error& error, const Mount& mount, const fs::path& path) {
  if (error.code() != ErrorCode::kIo) return Explain(error, mount, path, "read");
  return {ErrorCode::kCorrupt, error.message() + ": what is stored fails its integrity check"};
}

Result<void> MayChange(const Mount& mount, const fs::path& directory) {
  if (Allows(directory, W_OK | X_OK)) return {};
  return Explain(SystemError(directory, errno), mount, directory, "write");
}

}  // namespace certfs::vecs
