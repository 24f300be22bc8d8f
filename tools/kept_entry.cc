#include "tools/kept_entry.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "fs/fuse/attribute_names.h"
#include "store/kept_state.h"
#include "store/name.h"
#include "store/policy.h"
#include "tools/system.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;

// The store whose entry is kept in `directory`, empty for one that is no more; nothing where nothing is kept.
Result<std::optional<std::string>> StoreKeptIn(const fs::path& directory) {
  std::array<char, kStoreNameBytesMax> name{};
  const ssize_t size = getxattr(directory.c_str(), kStoreAttribute, name.data(), name.size());
  if (size < 0 && errno == ENOENT) return std::optional<std::string>();
  if (size < 0 && errno == EOPNOTSUPP) return std::optional(std::string());  // As a backup brings it back.
  if (size < 0) return SystemError(directory, errno);
  return std::optional(std::string(name.data(), static_cast<std::size_t>(size)));
}

Result<bool> KeepsStateOf(const fs::path& directory, const EntryName& entry) {
  const auto store = TRY(StoreKeptIn(directory));
  return store && FoldName(*store) == FoldName(entry.store.text());
}

Result<void> CheckReadable(const fs::path& backup) {
  if (access(backup.c_str(), R_OK | X_OK) != 0) return SystemError(backup, errno);
  return {};
}

// Where a store has been renamed, its states are under its former name until the next change of each, and a
// state's name keeps the case that the alias had; the mount alone knows whose they are. Of several the one
// that was kept last.
Result<std::optional<fs::path>> FindUnderFormerName(const fs::path& backup, const EntryName& entry) {
  const std::string first = FoldName(KeptName(entry.alias.text(), entry.store.text(), 0));
  std::optional<fs::path> newest;
  struct stat best {};
  std::error_code failure;
  for (fs::directory_iterator at(backup, failure), end; !failure && at != end; at.increment(failure)) {
    const fs::path& path = at->path();
    const std::string name = FoldName(path.filename().string());
    if (name != first && !name.starts_with(first + "@")) continue;
    if (!TRY(KeepsStateOf(path, entry))) continue;
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) continue;  // Gone since.
    const auto kept = [](const struct stat& of) { return std::pair(of.st_ctim.tv_sec, of.st_ctim.tv_nsec); };
    if (newest && kept(status) <= kept(best)) continue;
    newest = path;
    best = status;
  }
  if (failure && !newest) return SystemError(backup, failure.value());
  return newest;
}

}  // namespace

Result<std::optional<fs::path>> FindKeptByName(const fs::path& stores, const EntryName& entry) {
  const fs::path backup = stores / kBackupStore;
  TRY(CheckReadable(backup));
  for (std::size_t place = 0;; ++place) {
    fs::path path = backup / KeptName(entry.alias.text(), entry.store.text(), place);
    if (TRY(KeepsStateOf(path, entry))) return std::optional(std::move(path));
    if (place > 0 && access(path.c_str(), F_OK) != 0) return std::optional<fs::path>();
  }
}

Result<fs::path> FindKept(const fs::path& stores, const EntryName& entry) {
  auto found = TRY(FindKeptByName(stores, entry));
  if (!found) found = TRY(FindUnderFormerName(stores / kBackupStore, entry));
  if (found) return *std::move(found);
  return Error(ErrorCode::kNotFound, entry.store.text() + "/" + entry.alias.text() +
                                         ": BACKUP_STORE keeps no state of it: its content never changed");
}

}  // namespace certfs
