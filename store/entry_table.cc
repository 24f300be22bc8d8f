#include "store/entry_table.h"

namespace certfs {

Result<std::optional<Store>> TableSnapshot::FindStore(const StoreName& name) {
  std::optional<Store> store = TRY(FindStoreFolded(name));
  if (store && store->name != name) store.reset();
  return store;
}

Result<std::optional<Entry>> TableSnapshot::FindEntry(Number store, const Alias& alias) {
  std::optional<Entry> entry = TRY(FindEntryFolded(store, alias));
  if (entry && entry->alias != alias) entry.reset();
  return entry;
}

}  // namespace certfs
