// Where a store and its entries are in the mount, by the names that VECS knows them by: in any case, and with
// either spelling of TRUSTED_ROOT_CRLS.
//
// Thread-safety: free functions. Errors: kNotFound ("vecs-not-found", "vecs-no-mount"); kNotPermitted, with
// who decided it; kCorrupt.

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"
#include "store/name.h"
#include "tools/mounts.h"
#include "tools/vecs/commands.h"

namespace certfs::vecs {

struct StorePlace {
  Mount mount;
  StoreName name;  // As the mount spells it.
  std::filesystem::path directory;
};

// The mount that `options` mean. kInvalidArgument ("vecs-invalid-state") for half of --server and --upn,
// kUnsupported for a server that is not this machine.
Result<Mount> MountOf(const Options& options);

// The store that they name, which is there.
Result<StorePlace> FindStore(const Options& options);

// The name that `store list` and --json show a store by: of the one with two spellings VECS's own.
std::string ShownName(std::string_view store);

// The names in a directory of the mount, in one pass; by inode number, which is by age, because the mount
// derives it from a number that grows.
Result<std::vector<std::string>> NamesIn(const std::filesystem::path& directory);

// The alias that they name. kInvalidArgument for one that no entry can have, kNameTooLong.
Result<Alias> AliasOf(const Options& options);

// The entry of that alias, in whatever case, where there is one.
Result<std::optional<std::filesystem::path>> FindEntry(const StorePlace& store, const Alias& alias);
// The same; kNotFound where there is none.
Result<std::filesystem::path> GetEntry(const StorePlace& store, const Options& options);

// Adds to a refusal why: the mount's own words where it has some for this process, else whose `path` is, or
// the directory above it that keeps this user out. `right` is what would have to be granted: "read", "write".
Error Explain(Error error, const Mount& mount, const std::filesystem::path& path, std::string_view right);

// The same for a failure to read a file of the mount: what that cannot read it has found damaged (kCorrupt).
Error Unreadable(const Error& error, const Mount& mount, const std::filesystem::path& path);

// Says whether this user may make and remove names in `directory`; kNotPermitted with the reason if not.
Result<void> MayChange(const Mount& mount, const std::filesystem::path& directory);

}  // namespace certfs::vecs
