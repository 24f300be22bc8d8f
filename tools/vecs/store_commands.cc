// vecs-cli store: create, list, delete.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "store/name.h"
#include "store/policy.h"
#include "tools/entry_writer.h"
#include "tools/system.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

Result<void> AskToContinue(const Options& options, const std::string& warning) {
  if (options.yes) return {};
  std::cout << "Warning: " << warning << "\nDo you wish to continue? Y/N [N] \n" << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y") return {};
  return Error(ErrorCode::kCancelled, "nothing was changed");
}

Result<void> CreateStore(const Options& options) {
  const StoreName name = TRY(StoreName::Parse(options.store));
  const Mount mount = TRY(MountOf(options));
  const fs::path store = StoresOf(mount) / name.text();
  if (mkdir(store.c_str(), 0755) != 0) {
    if (errno == EEXIST)
      return Error(ErrorCode::kAlreadyExists, "Store [" + options.store + "] exists already");
    return WithRefusal(SystemError(store, errno), mount, StoresOf(mount));
  }
  std::cout << "Successfully created store [" << options.store << "]\n";
  return {};
}

Result<void> ListStores(const Options& options) {
  const Mount mount = TRY(MountOf(options));
  for (const std::string& name : TRY(NamesIn(StoresOf(mount)))) {
    // One store of two names is shown once, by the name that scripts for this tool leave it out by.
    if (name == kLinkName) continue;
    std::cout << (name == kLinkTarget ? kLinkName : std::string_view(name)) << "\n";
  }
  return {};
}

Result<void> DeleteStore(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  TRY(AskToContinue(options, "This operation will delete store [" + options.store + "]"));
  if (rmdir(store.directory.c_str()) != 0)
    return WithRefusal(SystemError(store.directory, errno), store.mount, store.directory.parent_path());
  std::cout << "Successfully deleted store [" << options.store << "]\n";
  return {};
}

}  // namespace certfs::vecs
