#include "store/kept_state.h"

#include <string>
#include <utility>
#include <vector>

#include "store/keystore_change.h"

namespace certfs {

namespace {

struct KeptFile {
  Member member;
  SecretBytes bytes;
};

// The bytes of a file, or nothing where damage took them.
Result<std::optional<SecretBytes>> ReadSound(TableSnapshot& snapshot, const Entry& entry, Member member) {
  auto bytes = snapshot.ReadFile(entry, member);
  if (bytes.has_value()) return std::optional(std::move(bytes).value());
  if (bytes.error().code() != ErrorCode::kCorrupt) return std::move(bytes).error();
  return std::optional<SecretBytes>();
}

Result<bool> HasSame(TableSnapshot& snapshot, const Entry& kept, const KeptFile& file) {
  if (!kept.file(file.member) || kept.file(file.member)->size != file.bytes.size()) return false;
  const auto bytes = TRY(ReadSound(snapshot, kept, file.member));
  return bytes && EqualSecrets(bytes->Reveal(), file.bytes.Reveal());
}

// Somewhere in BACKUP_STORE, and what is there.
struct Place {
  Alias name;
  std::optional<Entry> kept;
  std::optional<Error> damage;  // Somebody's, and nobody can tell whose.

  bool is_free() const { return !kept && !damage; }
};

// More than some records that are damaged: what finds them is.
constexpr int kMostDamaged = 8;

// Where the state of the entry of that alias may be kept: as far as the place that has it, or else one that
// is free.
Result<std::vector<Place>> PlacesOf(TableSnapshot& snapshot, const Store& backup, const Store& store,
                                    const Alias& alias) {
  std::vector<Place> places;
  int damaged = 0;
  for (;;) {
    const std::string name = KeptName(alias.text(), store.name.text(), places.size());
    Place& place = places.emplace_back(Place{TRY(Alias::ParseGiven(name)), {}, {}});
    auto kept = snapshot.FindEntryFolded(backup.number, place.name);
    if (kept.has_value()) {
      place.kept = std::move(kept).value();
    } else {
      if (kept.error().code() != ErrorCode::kCorrupt || ++damaged > kMostDamaged)
        return std::move(kept).error();
      place.damage = std::move(kept).error();
    }
    if (place.kept ? place.kept->origin == store.number : place.is_free() && places.size() > 1) return places;
  }
}

Result<bool> IsGone(TableSnapshot& snapshot, Number store) {
  if (store == 0) return true;
  const auto found = snapshot.FindStoreByNumber(store);
  // A damaged one is there.
  if (!found.has_value() && found.error().code() != ErrorCode::kCorrupt) return found.error();
  return found.has_value() && !found.value();
}

// The place in BACKUP_STORE for `entry`: its own, or one that another has no use for, or one that is free.
Result<Place> PlaceFor(TableSnapshot& snapshot, const Store& backup, const Store& store, const Entry& entry,
                       KeptFor why) {
  const std::vector<Place> places = TRY(PlacesOf(snapshot, backup, store, entry.alias));
  if (places.back().kept) return places.back();
  // What a store that is no more has left goes to the one that is called so now.
  for (std::size_t i = 1; i + 1 < places.size(); ++i) {
    if (places[i].kept && TRY(IsGone(snapshot, places[i].kept->origin))) return places[i];
  }
  // The first name does not say what its store was called. It goes to one that was made later, and that
  // writes: so neither takes `rm -r` of all stores anything from those that went first, nor a store that
  // stayed.
  const auto& first = places.front().kept;
  if (first && why == KeptFor::kWriting && store.number > first->number) {
    if (TRY(IsGone(snapshot, first->origin))) return places.front();
  }
  return places.front().is_free() ? places.front() : places.back();
}

// What keeping the state of an entry takes.
struct Keeping {
  std::vector<KeptFile> files;
  Place place;
  bool holds_all = true;  // The place, already.
};

// Nothing where there is nothing to keep.
Result<std::optional<Keeping>> PrepareKeeping(TableSnapshot& snapshot, const Store& backup,
                                              const Store& store, const Entry& entry, KeptFor why) {
  Keeping keeping;
  for (const Member member : kMembers) {
    if (!entry.file(member)) continue;
    if (auto bytes = TRY(ReadSound(snapshot, entry, member)))
      keeping.files.push_back({member, *std::move(bytes)});
  }
  if (keeping.files.empty()) return std::optional<Keeping>();
  keeping.place = TRY(PlaceFor(snapshot, backup, store, entry, why));
  const auto& kept = keeping.place.kept;
  for (const KeptFile& file : keeping.files)
    keeping.holds_all = keeping.holds_all && kept && TRY(HasSame(snapshot, *kept, file));
  return std::optional<Keeping>(std::move(keeping));
}

Result<Entry> MakePlace(TableTransaction& transaction, const Store& backup, const Store& store,
                        const Entry& entry, const Alias& name) {
  Entry place;
  place.store = backup.number;
  place.origin = store.number;
  place.alias = name;
  place.attributes = entry.attributes;
  place.number = TRY(transaction.PutEntry(place));
  return place;
}

}  // namespace

std::string KeptName(std::string_view alias, std::string_view store, std::size_t place) {
  std::string name = std::string(kKeptPrefix) + std::string(alias);
  if (place == 1) name += "@" + std::string(store);
  if (place > 1) name += "@@" + std::to_string(place);
  return name;
}

Result<std::optional<Entry>> FindKeptState(TableSnapshot& snapshot, const Store& store, const Alias& alias) {
  const Store backup = TRY(GetStore(snapshot, TRY(StoreName::Parse(kBackupStore))));
  std::vector<Place> places = TRY(PlacesOf(snapshot, backup, store, alias));
  if (places.back().kept) return std::move(places.back().kept);
  for (Place& place : places) {
    if (place.damage) return *std::move(place.damage);
  }
  return std::optional<Entry>();
}

Result<std::optional<Alias>> NameToKeepUnder(TableSnapshot& snapshot, const Store& store, const Entry& entry,
                                             KeptFor why) {
  const Store backup = TRY(GetStore(snapshot, TRY(StoreName::Parse(kBackupStore))));
  const auto keeping = TRY(PrepareKeeping(snapshot, backup, store, entry, why));
  if (!keeping || keeping->holds_all) return std::optional<Alias>();
  return std::optional<Alias>(keeping->place.name);
}

Result<Number> KeepState(TableTransaction& transaction, const Store& store, const Entry& entry, Time now,
                         KeptFor why, KeptBefore* before) {
  const Store backup = TRY(GetStore(transaction, TRY(StoreName::Parse(kBackupStore))));
  const auto keeping = TRY(PrepareKeeping(transaction, backup, store, entry, why));
  if (!keeping) return Number{0};
  Entry kept = keeping->place.kept ? *keeping->place.kept
                                   : TRY(MakePlace(transaction, backup, store, entry, keeping->place.name));
  if (keeping->holds_all) {
    if (kept.origin == store.number) return Number{0};
    // Of another store until now, and no revision of this entry.
    kept.origin = store.number;
    kept.keeps = 0;
    kept.attributes.ctime = now;
    TRY(transaction.PutEntry(std::move(kept)));
    return Number{0};
  }
  if (before != nullptr) {
    before->entry = kept;
    before->bytes.clear();
    for (const Member member : kMembers) {
      if (!kept.file(member)) continue;
      if (auto bytes = TRY(ReadSound(transaction, kept, member)))
        before->bytes.emplace_back(member, *std::move(bytes));
    }
  }

  for (const Member member : kMembers) {
    if (kept.file(member)) TRY(transaction.RemoveFile(kept, member));
  }
  for (const KeptFile& file : keeping->files) {
    TRY(transaction.PutFile(kept, file.member, file.bytes.Reveal()));
    kept.file(file.member)->attributes = entry.file(file.member)->attributes;
  }
  kept.origin = store.number;
  kept.attributes = entry.attributes;
  kept.attributes.ctime = now;
  kept.changed = entry.changed;
  kept.keeps = entry.revision;
  ++kept.revision;
  if (before != nullptr) before->revision = kept.revision;
  const Number number = TRY(transaction.PutEntry(std::move(kept)));
  TRY(TouchStore(transaction, backup.number, now));
  return number;
}

Result<Number> RestoreState(TableTransaction& transaction, const KeptBefore& before, Time now) {
  std::optional<Entry> kept = TRY(transaction.FindEntryByNumber(before.entry.number));
  if (!kept || kept->revision != before.revision) return Number{0};
  // What damage took does not come back, and what displaced it is better than nothing.
  if (!before.entry.empty() && before.bytes.empty()) return Number{0};
  const Number store = kept->store;
  if (before.entry.empty()) {
    TRY(transaction.RemoveEntry(*kept));
  } else {
    for (const Member member : kMembers) {
      if (kept->file(member)) TRY(transaction.RemoveFile(*kept, member));
    }
    for (const auto& [member, bytes] : before.bytes) {
      TRY(transaction.PutFile(*kept, member, bytes.Reveal()));
      kept->file(member)->attributes = before.entry.file(member)->attributes;
    }
    kept->origin = before.entry.origin;
    kept->attributes = before.entry.attributes;
    kept->attributes.ctime = now;
    kept->changed = before.entry.changed;
    kept->keeps = before.entry.keeps;
    // Forward, never back: what a revision holds must not change.
    ++kept->revision;
    TRY(transaction.PutEntry(*std::move(kept)));
  }
  TRY(TouchStore(transaction, store, now));
  return before.entry.number;
}

}  // namespace certfs
