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

Result<void> TableSnapshot::ListEntries(Number store, Cursor after, const EntryHeadSink& sink) {
  std::optional<Error> damage;
  for (;;) {
    Cursor skipped = after;
    auto next = NextEntry(store, after, &skipped);
    if (!next.has_value()) {
      if (next.error().code() != ErrorCode::kCorrupt || skipped <= after) return std::move(next).error();
      damage = std::move(next).error();
      after = skipped;
      continue;
    }
    if (!next.value()) break;
    const Entry& entry = next.value()->item;
    after = next.value()->at;
    if (!sink(after, {entry.number, entry.alias, entry.attributes, entry.revision, entry.members()}))
      return {};
  }
  if (damage) return *std::move(damage);
  return {};
}

}  // namespace certfs
