// What other processes commit to the same keystore, and who is to hear of it.

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "fs/volume.h"
#include "fs/volume/state.h"

namespace certfs {

namespace {

// No commit has this number: the mark of an entry that is gone.
constexpr std::uint64_t kGone = std::numeric_limits<std::uint64_t>::max();

}  // namespace

Result<std::map<Number, Digest>> StoresOf(TableSnapshot& snapshot) {
  std::map<Number, Digest> stores;
  for (Cursor after = 0;;) {
    Cursor skipped = 0;
    const auto next = snapshot.NextStore(after, &skipped);
    if (!next.has_value()) {
      // A damaged store answers for itself.
      if (next.error().code() != ErrorCode::kCorrupt || skipped <= after) return next.error();
      after = skipped;
      continue;
    }
    if (!next.value()) return stores;
    after = next.value()->at;
    stores.emplace(next.value()->item.number, next.value()->item.entries);
  }
}

Result<std::map<Number, Digest>> StoresOf(Keystore& keystore) {
  const auto snapshot = TRY(keystore.Snapshot());
  return StoresOf(*snapshot);
}

// Tells of each store in which anything changed, and whether stores came or went. What changed by commits of
// our own since the last call is told with it: of that, too, once is enough.
Result<void> Volume::CatchUpListings(TableSnapshot& snapshot) {
  std::map<Number, Digest> now = TRY(StoresOf(snapshot));
  bool others = now.size() != state_->listed.size();
  for (const auto& [number, entries] : now) {
    const auto before = state_->listed.find(number);
    if (before == state_->listed.end()) {
      others = true;
    } else if (before->second != entries) {
      state_->observer.ListingChanged(NodeId::OfDirectory(number));
    }
  }
  if (others) state_->observer.ListingChanged(NodeId::Of(Fixed::kStores));
  state_->listed = std::move(now);
  return {};
}

// Puts the pair of `entry` as it was at `before` back at hand, for those who are between opening its halves.
// The process that replaced it has it no more, but BACKUP_STORE does, if it was replaced only once since.
Result<void> Volume::KeepReplaced(TableSnapshot& snapshot, const Entry& entry, Revision before) {
  if (entry.revision != before + 1 || entry.is_staged()) return {};
  const std::optional<Store> store = TRY(snapshot.FindStoreByNumber(entry.store));
  const std::optional<Store> backup = TRY(snapshot.FindStore(TRY(StoreName::Parse(kBackupStore))));
  if (!store || !backup) return {};
  const std::string name = std::string(kKeptPrefix) + entry.alias.text();
  for (const std::string& candidate : {name, name + "@" + store->name.text()}) {
    const auto alias = Alias::ParseGiven(candidate);
    if (!alias.has_value()) continue;
    const std::optional<Entry> kept = TRY(snapshot.FindEntryFolded(backup->number, alias.value()));
    if (!kept || kept->origin != entry.store || !kept->is_pair()) continue;
    std::vector<ContentPointer> contents;
    for (const Member member : {Member::kCertificate, Member::kKey}) {
      contents.push_back(
          TRY(LoadContent(snapshot, *kept, member, NodeId::OfFile(entry.number, member, before))));
    }
    const Instant now = state_->Now();
    for (const ContentPointer& content : contents) state_->superseded.Add(now, content);
    // Nobody here has committed it, so that nobody is to read what he wrote.
    state_->pins.Replacing(entry.number, before, contents, 0, now);
    return {};
  }
  return {};
}

Result<void> Volume::CatchUp() {
  const std::uint64_t foreign = TRY(keystore_.ForeignCommits());
  if (foreign == state_->foreign_commits) return {};
  // Between a commit of our own and its telling nothing may be found out here: it would be told twice.
  const std::lock_guard alone(state_->commits);
  const auto snapshot = TRY(keystore_.Snapshot());
  std::vector<Entry> changed;
  std::unordered_set<Number> numbers;
  for (const SeenEntries::Known& known : state_->seen_entries.All()) {
    const auto mark = TRY(snapshot->FindEntryMark(known.entry));
    if (mark.value_or(kGone) == known.mark) continue;
    state_->seen_entries.Looked(known.entry, mark.value_or(kGone));
    if (!mark) {
      // Its own name expires; its store tells of the change.
      for (const Member member : kMembers)
        state_->observer.NameChanged(NodeId::OfDirectory(known.entry), FileName(member));
      continue;
    }
    auto found = snapshot->FindEntryByNumber(known.entry);
    // A damaged one answers for itself.
    if (!found.has_value() || !found.value() || found.value()->revision == known.told) continue;
    state_->seen_entries.Told(known.entry, known.told, found.value()->revision);
    numbers.insert(known.entry);
    // What cannot be kept costs those in between their second look, and their pair.
    static_cast<void>(WithinMemory([&] { return KeepReplaced(*snapshot, *found.value(), known.told); }));
    changed.push_back(*std::move(found).value());
  }
  // Revisions that came and went meanwhile may have been met, too.
  std::unordered_map<Number, std::vector<NodeId>> held;
  if (!numbers.empty()) {
    for (const NodeId node : state_->superseded.HeldOf(numbers)) held[node.number()].push_back(node);
  }
  for (const Entry& entry : changed) {
    const NodeId directory = NodeId::OfDirectory(entry.number);
    for (const Member member : kMembers) {
      state_->observer.NameChanged(directory, FileName(member));
      if (!entry.file(member)) continue;
      bool told = false;
      for (const NodeId node : held[entry.number]) {
        if (node.member() != member || node.HasRevision(entry.revision)) continue;
        state_->observer.Replaced(directory, FileName(member), node);
        told = true;
      }
      if (!told) state_->observer.Replaced(directory, FileName(member), NodeId());
    }
  }
  TRY(CatchUpListings(*snapshot));
  state_->foreign_commits = foreign;
  return {};
}

}  // namespace certfs
