// Where a store and its entries are in the mount, by the names that VECS knows them by: in any case, and with
// its spelling TRUSTED_ROOT_CRLS.
//
// Thread-safety: free functions. Errors: kNotFound ("vecs-not-found").

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "tools/mounts.h"
#include "tools/vecs/commands.h"

namespace certfs::vecs {

struct StorePlace {
  Mount mount;
  std::filesystem::path directory;
};

// The mount that `options` mean. kInvalidArgument for a server that is not this machine.
Result<Mount> MountOf(const Options& options);

// The store that they name, which is there.
Result<StorePlace> FindStore(const Options& options);

// The names in a directory of the mount, as it lists them.
Result<std::vector<std::string>> NamesIn(const std::filesystem::path& directory);

// The entry that they name, where there is one.
Result<std::optional<std::filesystem::path>> FindEntry(const StorePlace& store, const std::string& alias);
// The same; kNotFound where there is none.
Result<std::filesystem::path> GetEntry(const StorePlace& store, const Options& options);

}  // namespace certfs::vecs
