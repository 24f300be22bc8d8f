// The entries that were checked last, so that a repeated lookup decrypts and hashes nothing. Private to
// store/.
//
// An item says under which digest of its store's entries it was checked. That digest fixes every entry of the
// store: as long as the store still has it, the item is what a fresh check would yield.
//
// Thread-safety: any thread.

#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "store/entry.h"

namespace certfs {

class EntryCache {
 public:
  struct Item {
    std::shared_ptr<const Entry> entry;
    Digest record;   // Of the sealed record.
    Digest entries;  // Of the store, when the entry was checked.
  };

  std::optional<Item> ByNumber(Number number);
  std::optional<Item> ByName(Number store, const std::string& folded);
  void Put(Item item);

 private:
  using Items = std::list<Item>;

  Items::iterator Find(Number number);

  std::mutex mutex_;
  Items items_;  // The last used comes first.
  std::unordered_map<Number, Items::iterator> by_number_;
  std::unordered_map<std::string, Number> by_name_;
};

}  // namespace certfs
