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

// The name under which a state is kept, and the second one, for when another store's entry has the first.
Result<Alias> FirstName(const Alias& alias) {
  return Alias::ParseGiven(std::string(kKeptPrefix) + alias.text());
}
Result<Alias> SecondName(const Alias& alias, const Store& store) {
  return Alias::ParseGiven(std::string(kKeptPrefix) + alias.text() + "@" + store.name.text());
}

// The entry of BACKUP_STORE for `entry`: the one that is there, or a new one of the first name that is free.
Result<Entry> PlaceFor(TableTransaction& transaction, const Store& backup, const Store& store,
                       const Entry& entry) {
  Alias alias = TRY(FirstName(entry.alias));
  std::optional<Entry> found = TRY(transaction.FindEntryFolded(backup.number, alias));
  if (found && found->origin != store.number) {
    alias = TRY(SecondName(entry.alias, store));
    found = TRY(transaction.FindEntryFolded(backup.number, alias));
  }
  if (found) return *std::move(found);
  Entry place;
  place.store = backup.number;
  place.origin = store.number;
  place.alias = std::move(alias);
  place.attributes = entry.attributes;
  place.number = TRY(transaction.PutEntry(place));
  return place;
}

}  // namespace

Result<std::optional<Entry>> FindKeptState(TableSnapshot& snapshot, const Store& store, const Alias& alias) {
  const Store backup = TRY(GetStore(snapshot, TRY(StoreName::Parse(kBackupStore))));
  const Alias first = TRY(FirstName(alias));
  const Alias second = TRY(SecondName(alias, store));
  for (const Alias& name : {first, second}) {
    auto found = TRY(snapshot.FindEntryFolded(backup.number, name));
    if (found && found->origin == store.number) return found;
  }
  return std::optional<Entry>();
}

Result<Number> KeepState(TableTransaction& transaction, const Store& store, const Entry& entry, Time now,
                         KeptBefore* before) {
  std::vector<KeptFile> files;
  for (const Member member : kMembers) {
    if (!entry.file(member)) continue;
    if (auto bytes = TRY(ReadSound(transaction, entry, member))) files.push_back({member, *std::move(bytes)});
  }
  if (files.empty()) return Number{0};

  const Store backup = TRY(GetStore(transaction, TRY(StoreName::Parse(kBackupStore))));
  Entry kept = TRY(PlaceFor(transaction, backup, store, entry));
  bool holds_all = true;
  for (const KeptFile& file : files) holds_all = holds_all && TRY(HasSame(transaction, kept, file));
  if (holds_all) return Number{0};
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
  for (const KeptFile& file : files) {
    TRY(transaction.PutFile(kept, file.member, file.bytes.Reveal()));
    kept.file(file.member)->attributes = entry.file(file.member)->attributes;
  }
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
