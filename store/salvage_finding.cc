// The finding half of Salvager.

#include "store/keystore_change.h"
#include "store/salvager.h"

namespace certfs {

Chosen Salvager::Choose(const SalvagedRecords::Key& key, const Digest* expected) const {
  const SalvagedRecord* const exact = expected != nullptr ? records_.Find(key, *expected) : nullptr;
  const SalvagedRecord* const newest = records_.Newest(key);
  // Beside a manifest that is not the last one there may be records that are newer than it.
  const bool newer = newest != nullptr && newest->revision > records_.manifest().commit;
  if (exact != nullptr && (records_.is_current() || !newer)) return {exact, true, false};
  const SalvagedRecord* const left = newest != nullptr ? newest : records_.NewestFree(key);
  if (left == nullptr) return {};
  // Where a tree says which one it should be, any other is of before.
  const bool expects = expected != nullptr && records_.is_current();
  return {left, false, expects || left->standing != Standing::kCurrent};
}

Attributes Salvager::PrivateAttributes(std::uint32_t mode) const { return NewAttributes(owner_, mode, now_); }

// --- Finding

void Salvager::AddStore(Number number, const Digest* expected) {
  const SalvagedRecords::Key key{RecordKind::kStore, number, 0};
  FoundStore found;
  found.chosen = Choose(key, expected);
  auto store = Decode(key, found.chosen, DecodeStore);
  if (store && store->number == number) {
    found.store = *std::move(store);
  } else {
    found.chosen = {};
    found.store.number = number;
    // Hardly a store is called so by anybody; NameStores looks.
    found.store.name = StoreName::Parse(std::string(kNamelessStore) + "-" + std::to_string(number)).value();
    found.store.attributes = PrivateAttributes(kForOwner);
  }
  found.whole = found.chosen.proven;
  whole_ = whole_ && found.whole;
  stores_.emplace(number, std::move(found));
}

void Salvager::FindStores() {
  const Manifest& manifest = records_.manifest();
  bool whole = true;
  for (const TreeItem& item : records_.ItemsOf(manifest.stores, whole)) {
    AddStore(item.number, &item.digest);
    stores_.at(item.number).listed = true;
  }
  if (!whole || !records_.is_current()) {
    for (const auto& [kind, number, member] : records_.KeysOf(RecordKind::kStore)) {
      if (stores_.count(number) == 0 && records_.Newest({kind, number, member}) != nullptr)
        AddStore(number, nullptr);
    }
  }
  if (!whole)
    report_.doubts.emplace_back("the hash tree of the stores is damaged: they were taken as they stand");
  stores_whole_ = whole && records_.is_current();
  whole_ = whole_ && stores_whole_;
  for (auto& [number, found] : stores_) FindEntries(found);
  if (!whole_) {
    FindStrayEntries();
    FindStrayFiles();
  }
  CountLosses();
}

std::optional<FoundEntry> Salvager::ReadEntry(Number number, const Digest* expected) const {
  const SalvagedRecords::Key key{RecordKind::kEntry, number, 0};
  FoundEntry found;
  found.chosen = Choose(key, expected);
  auto entry = Decode(key, found.chosen, DecodeEntry);
  if (!entry || entry->number != number) return std::nullopt;
  found.entry = *std::move(entry);
  return found;
}

void Salvager::FindEntries(FoundStore& found) {
  // A store's record of before leads to its entries as they were, and to what was removed since: what is
  // there still is there as it is now.
  const bool of_before = records_.is_current() && !found.chosen.proven;
  for (const TreeItem& item : records_.ItemsOf(found.store.entries, found.whole)) {
    if (of_before && records_.Newest({RecordKind::kEntry, item.number, 0}) == nullptr) {
      whole_ = false;
      continue;
    }
    auto entry = ReadEntry(item.number, of_before ? nullptr : &item.digest);
    // The tree of a store of before leads to entries that may have gone elsewhere.
    if (entry && entry->entry.store == found.store.number) {
      whole_ = whole_ && entry->chosen.proven;
      placed_.insert(item.number);
      found.entries.emplace(item.number, *std::move(entry));
    } else {
      whole_ = false;
    }
  }
  whole_ = whole_ && found.whole;
}

void Salvager::FindStrayEntries() {
  for (const auto& key : records_.KeysOf(RecordKind::kEntry)) {
    const Number number = std::get<1>(key);
    if (placed_.count(number) != 0 || records_.Newest(key) == nullptr) continue;
    auto entry = ReadEntry(number, nullptr);
    if (!entry) continue;
    if (stores_.count(entry->entry.store) == 0) AddStore(entry->entry.store, nullptr);
    FoundStore& store = stores_.at(entry->entry.store);
    // What a whole tree does not lead to is none of its entries.
    if (records_.is_current() && store.chosen.proven && store.whole) continue;
    placed_.insert(number);
    store.entries.emplace(number, *std::move(entry));
  }
}

void Salvager::FindStrayFiles() {
  for (const auto& key : records_.KeysOf(RecordKind::kContent)) {
    const Number number = std::get<1>(key);
    const SalvagedRecord* const newest = records_.Newest(key);
    if (newest == nullptr || placed_.count(number) != 0) continue;
    // A record of the entry that was replaced still has its name.
    if (auto old = ReadEntry(number, nullptr); old && stores_.count(old->entry.store) != 0) {
      placed_.insert(number);
      FoundStore& store = stores_.at(old->entry.store);
      store.entries.emplace(number, *std::move(old));
      continue;
    }
    nameless_[number][static_cast<Member>(std::get<2>(key))] = {newest, false, false};
  }
}

// What there should be is known of everything whose own record is whole.
void Salvager::CountLosses() {
  const auto lose = [&](std::uint64_t expected, std::uint64_t found, const std::string& what) {
    if (found >= expected) return;
    report_.losses.push_back(what + ": " + std::to_string(expected - found) + " of " +
                             std::to_string(expected) + " are lost");
  };
  if (records_.is_current()) lose(records_.manifest().store_count, stores_.size(), "stores");
  for (const auto& [number, found] : stores_) {
    if (!found.chosen.proven) continue;
    lose(found.store.entry_count, found.entries.size(), "entries of the store " + found.store.name.text());
    if (!found.whole) {
      report_.doubts.push_back("the hash tree of the store " + found.store.name.text() +
                               " is damaged: its entries were taken as they stand");
    }
  }
}

}  // namespace certfs
