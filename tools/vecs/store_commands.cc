// vecs-cli store: create, list, delete.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iostream>

#include "store/policy.h"
#include "tools/json_text.h"
#include "tools/system.h"
#include "tools/vecs/errors.h"
#include "tools/vecs/forecast.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

void Say(const Options& options, std::string_view words, const Json& object) {
  if (options.json) {
    PrintJson(object);
  } else {
    std::cout << words << "\n";
  }
}

Result<void> AskToContinue(const Options& options, const std::string& warning) {
  if (options.yes) return {};
  if (options.json)
    return Error(ErrorCode::kInvalidArgument, "--json asks nothing: add -y, or --dry-run to only look");
  std::cout << "Warning: " << warning << "\nDo you wish to continue? Y/N [N] \n" << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (FoldName(answer) == "y" || FoldName(answer) == "yes") return {};
  return Error(ErrorCode::kCancelled, "not confirmed with y: nothing was changed");
}

Result<void> CreateStore(const Options& options) {
  const Mount mount = TRY(MountOf(options));
  const auto there = FindStore(options);
  if (there.has_value())
    return Error(ErrorCode::kAlreadyExists, "Store [" + options.store + "] exists already");
  if (there.error().rule() != kNoSuchObject) return there.error();
  Json object{{"store", options.store}, {"created", !options.dry_run}};
  if (options.dry_run) {
    TRY(MayCreateStore(mount));
    object["dry_run"] = true;
    Say(options, "Would create store [" + options.store + "]", object);
    return {};
  }
  const fs::path store = StoresOf(mount) / options.store;
  if (mkdir(store.c_str(), 0755) != 0) return Explain(SystemError(store, errno), mount, store, "write");
  Say(options, "Successfully created store [" + options.store + "]", object);
  return {};
}

Result<void> ListStores(const Options& options) {
  const Mount mount = TRY(MountOf(options));
  std::vector<std::string> names = TRY(NamesIn(StoresOf(mount)));
  // One store of two names is listed once.
  names.erase(std::remove(names.begin(), names.end(), kLinkName), names.end());
  // VECS lists by age, and this one came last.
  std::stable_partition(names.begin(), names.end(),
                        [](const std::string& name) { return name != kBackupStore; });
  if (names.empty()) std::cerr << "No stores found\n";
  if (!options.json) {
    for (const std::string& name : names) std::cout << ShownName(name) << "\n";
    return {};
  }
  Json stores = Json::array();
  for (const std::string& name : names) {
    const fs::path path = StoresOf(mount) / name;
    const auto entries = NamesIn(path);
    stores.push_back({{"name", ShownName(name)},
                      {"path", path.string()},
                      {"entries", entries.has_value() ? Json(entries.value().size()) : Json()},
                      {"protected", !PolicyOf(TRY(StoreName::Parse(name))).removable}});
  }
  PrintJson({{"mount", mount.mountpoint.string()}, {"stores", std::move(stores)}});
  return {};
}

Result<void> DeleteStore(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  Json object{{"store", ShownName(store.name.text())}, {"deleted", !options.dry_run}};
  const auto entries = NamesIn(store.directory);
  if (entries.has_value() && !entries.value().empty() && PolicyOf(store.name).removable) {
    return Error(ErrorCode::kNotEmpty, "Store [" + options.store + "] holds " +
                                           std::to_string(entries.value().size()) +
                                           " entries; a store is deleted once it is empty");
  }
  if (options.dry_run) {
    TRY(MayDeleteStore(store));
    object["dry_run"] = true;
    Say(options, "Would delete store [" + options.store + "]", object);
    return {};
  }
  TRY(AskToContinue(options, "This operation will delete store [" + options.store + "]"));
  if (rmdir(store.directory.c_str()) != 0)
    return Explain(SystemError(store.directory, errno), store.mount, store.directory, "write");
  Say(options, "Successfully deleted store [" + options.store + "]", object);
  return {};
}

}  // namespace certfs::vecs
