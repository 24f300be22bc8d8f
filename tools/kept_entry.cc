#include "tools/kept_entry.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>

#include "fs/fuse/attribute_names.h"
#include "store/name.h"
#include "store/policy.h"
#include "tools/system.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;

// The store whose entry is kept in `directory`; nothing where nothing is kept.
Result<std::optional<std::string>> StoreKeptIn(const fs::path& directory) {
  std::array<char, kStoreNameBytesMax> name{};
  const ssize_t size = getxattr(directory.c_str(), kStoreAttribute, name.data(), name.size());
  if (size < 0 && errno == ENOENT) return std::optional<std::string>();
  if (size < 0) return SystemError(directory, errno);
  return std::optional(std::string(name.data(), static_cast<std::size_t>(size)));
}

}  // namespace

// Two stores may hold one alias; only the name of the second one's state says of which it is.
Result<fs::path> FindKept(const fs::path& stores, const EntryName& entry) {
  const fs::path backup = stores / kBackupStore;
  if (access(backup.c_str(), R_OK | X_OK) != 0) return SystemError(backup, errno);
  const std::string name = std::string(kKeptPrefix) + entry.alias.text();
  for (const std::string& candidate : {name, name + "@" + entry.store.text()}) {
    const auto store = TRY(StoreKeptIn(backup / candidate));
    if (store && FoldName(*store) == FoldName(entry.store.text())) return backup / candidate;
  }
  return Error(ErrorCode::kNotFound, entry.store.text() + "/" + entry.alias.text() +
                                         ": BACKUP_STORE keeps no state of it: its content never changed");
}

}  // namespace certfs
