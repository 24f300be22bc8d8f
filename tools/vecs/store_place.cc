#include "tools/vecs/store_place.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "store/name.h"
#include "tools/system.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

Result<Mount> MountOf(const Options& options) {
  constexpr std::array<std::string_view, 4> kSelf{"", "localhost", "127.0.0.1", "::1"};
  if (std::find(kSelf.begin(), kSelf.end(), options.server) == kSelf.end()) {
    return Error(ErrorCode::kInvalidArgument,
                 "--server " + options.server + ": vecs-cli works on what is mounted on this machine");
  }
  return ChooseMount(options.mount);
}

Result<StorePlace> FindStore(const Options& options) {
  const Mount mount = TRY(MountOf(options));
  const fs::path stores = StoresOf(mount);
  for (const std::string& name : TRY(NamesIn(stores))) {
    if (FoldName(name) == FoldName(options.store)) return StorePlace{mount, stores / name};
  }
  return Error(ErrorCode::kNotFound, kNoSuchObject, "Store [" + options.store + "] does not exist");
}

Result<std::vector<std::string>> NamesIn(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator at(directory, failure), end; !failure && at != end; at.increment(failure))
    names.push_back(at->path().filename().string());
  if (failure) return SystemError(directory, failure.value());
  return names;
}

Result<std::optional<fs::path>> FindEntry(const StorePlace& store, const std::string& alias) {
  // As it is written, first: a store may be large, and may be closed to listing.
  const fs::path as_written = store.directory / TRY(Alias::Parse(alias)).text();
  if (access(as_written.c_str(), F_OK) == 0) return std::optional(as_written);
  for (const std::string& name : TRY(NamesIn(store.directory))) {
    if (FoldName(name) == FoldName(alias)) return std::optional(store.directory / name);
  }
  return std::optional<fs::path>();
}

Result<fs::path> GetEntry(const StorePlace& store, const Options& options) {
  auto entry = TRY(FindEntry(store, options.alias));
  if (entry) return *std::move(entry);
  return Error(ErrorCode::kNotFound, kNoSuchObject,
               "Entry with alias [" + options.alias + "] in store [" + options.store + "] does not exist");
}

}  // namespace certfs::vecs
