#include "store/memory_ledger.h"

#include "crypto/sealing.h"
#include "store/hash_tree.h"

namespace certfs {

std::optional<IssuedCertificate> MemoryLedger::Find(const SerialNumber& serial) const {
  const auto found = lines_.find(Sha256({serial}));
  return found == lines_.end() ? std::nullopt : std::optional(found->second->Clone());
}

std::optional<IssuedCertificate> MemoryLedger::FindByNumber(Number number) const {
  const auto found = numbers_.find(number);
  return found == numbers_.end() ? std::nullopt : std::optional(lines_.at(found->second)->Clone());
}

void MemoryLedger::List(Cursor after, const IssuedSink& sink) const {
  for (const auto& [key, line] : lines_) {
    if (CursorOf(key) > after && !sink(CursorOf(key), *line)) return;
  }
}

void MemoryLedger::List(const IssuedGroupKey& group, const IssuedSink& sink) const {
  const auto found = groups_.find({group.group, group.value});
  if (found == groups_.end()) return;
  for (const Digest& key : found->second) {
    if (!sink(CursorOf(key), *lines_.at(key))) return;
  }
}

void MemoryLedger::Put(IssuedCertificate issued) {
  const Digest key = Sha256({issued.serial});
  if (const auto old = lines_.find(key); old != lines_.end()) {
    for (const IssuedGroupKey& group : GroupsOf(*old->second)) {
      const auto place = groups_.find({group.group, group.value});
      place->second.erase(key);
      if (place->second.empty()) groups_.erase(place);
    }
  }
  for (const IssuedGroupKey& group : GroupsOf(issued)) groups_[{group.group, group.value}].insert(key);
  numbers_[issued.number] = key;
  lines_[key] = std::make_shared<const IssuedCertificate>(std::move(issued));
}

}  // namespace certfs
