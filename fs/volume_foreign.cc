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

Result<std::map<Number, ListedStore>> StoresOf(TableSnapshot& snapshot) {
  std::map<Number, ListedStore> stores;
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
    const Store& store = next.value()->item;
    stores.emplace(store.number, ListedStore{store.name.text(), store.entries});
  }
}

Result<std::map<Number, ListedStore>> StoresOf(Keystore& keystore) {
  const auto snapshot = TRY(keystore.Snapshot());
  return StoresOf(*snapshot);
}

// Tells of each store in which anything changed, and whether stores came, went or were renamed. What changed
// by commits of our own since the last call is told with it: of that, too, once is enough.
Result<void> Volume::CatchUpListings(TableSnapshot& snapshot) {
  std::map<Number, ListedStore> now = TRY(StoresOf(snapshot));
  const NodeId stores = NodeId::Of(Fixed::kStores);
  bool others = now.size() != state_->listed.size();
  for (const auto& [number, store] : now) {
    const auto before = state_->listed.find(number);
    if (before == state_->listed.end()) {
      others = true;
      continue;
    }
    if (before->second.entries != store.entries) state_->observer.ListingChanged(NodeId::OfDirectory(number));
    if (before->second.name != store.name) {
      others = true;
      state_->observer.NameChanged(stores, before->second.name);
    }
  }
  if (others) state_->observer.ListingChanged(stores);
  state_->listed = std::move(now);
  return {};
}

// Puts the pair of `entry` as it was at `before` back at hand, for those who are between opening its halves.
// The process that replaced it has it no more, but BACKUP_STORE may.
Result<void> Volume::KeepReplaced(TableSnapshot& snapshot, const Entry& entry, Revision before) {
  const NodeId certificate = NodeId::OfFile(entry.number, Member::kCertificate, before);
  const std::optional<Entry> kept = TRY(FindKept(snapshot, entry, certificate));
  if (!kept || !kept->is_pair()) return {};
  std::vector<ContentPointer> contents;
  for (const Member member : {Member::kCertificate, Member::kKey})
    contents.push_back(
        TRY(LoadContent(snapshot, *kept, member, NodeId::OfFile(entry.number, member, before))));
  const Instant now = state_->Now();
  for (const ContentPointer& content : contents) state_->superseded.Add(now, content);
  // Nobody here has committed it, so that nobody is to read what he wrote.
  state_->pins.Replacing(entry.number, before, contents, 0, now);
  return {};
}

// Looks at an entry that the kernel knows as `known`. Returns it if the kernel is to hear of it; what it is
// not to hear of counts as looked at.
Result<std::optional<Volume::ForeignChange>> Volume::LookAt(TableSnapshot& snapshot, const SeenEntry& known,
                                                            Replacer replacer) {
  std::optional<ForeignChange> change;
  const std::uint64_t mark = TRY(snapshot.FindEntryMark(known.entry)).value_or(kGone);
  if (mark == known.mark) return change;
  if (mark == kGone) {
    change = ForeignChange{known, mark, std::nullopt};
    return change;
  }
  auto found = snapshot.FindEntryByNumber(known.entry);
  // A damaged one answers for itself.
  if (!found.has_value() && found.error().code() != ErrorCode::kCorrupt) return std::move(found).error();
  if (found.has_value() && found.value() &&
      (found.value()->revision != known.told || found.value()->members() != known.members)) {
    // What cannot be kept costs those in between their second look, and their pair.
    if (replacer == Replacer::kAnother)
      static_cast<void>(WithinMemory([&] { return KeepReplaced(snapshot, *found.value(), known.told); }));
    change = ForeignChange{known, mark, *std::move(found).value()};
  } else {
    state_->seen_entries.Looked(known.entry, mark);
  }
  return change;
}

// Tells of one entry, of whose files the kernel holds the nodes `held`.
void Volume::TellForeign(const ForeignChange& change, const std::vector<NodeId>& held) {
  const Number number = change.known.entry;
  const NodeId directory = NodeId::OfDirectory(number);
  if (!change.now) {
    // Its own name expires; its store tells of the change.
    for (const Member member : kMembers) state_->observer.NameChanged(directory, FileName(member));
    state_->seen_entries.Looked(number, change.mark);
    return;
  }
  const Entry& entry = *change.now;
  const bool moved = entry.revision != change.known.told;
  bool removed = false;
  for (const Member member : kMembers) {
    const bool was_there = (change.known.members & SetOf(member)) != 0;
    if (!moved && was_there == entry.file(member).has_value()) continue;
    state_->observer.NameChanged(directory, FileName(member));
    if (!entry.file(member)) {
      removed |= was_there;
      continue;
    }
    bool told = false;
    for (const NodeId node : held) {
      if (node.member() != member || node.HasRevision(entry.revision)) continue;
      state_->observer.Replaced(directory, FileName(member), node);
      told = true;
    }
    if (!told) state_->observer.Replaced(directory, FileName(member), NodeId());
  }
  if (removed) state_->observer.ListingChanged(directory);
  state_->seen_entries.Told(number, change.known.told, entry.revision);
  state_->seen_entries.Moved(number, entry.members(), static_cast<Members>(~entry.members()));
  state_->seen_entries.Looked(number, change.mark);
}

Result<void> Volume::CatchUp() {
  return WithinMemory([this]() -> Result<void> {
    const std::uint64_t foreign = TRY(keystore_.ForeignCommits());
    if (foreign == state_->foreign_commits) return {};
    // Between a commit of our own and its telling nothing may be found out here: it would be told twice.
    const std::lock_guard alone(state_->commits);
    const auto snapshot = TRY(keystore_.Snapshot());
    std::vector<ForeignChange> changes;
    std::unordered_set<Number> numbers;
    // What cannot be looked at holds up nothing else, and is looked at again.
    std::optional<Error> failure;
    for (const SeenEntry& known : state_->seen_entries.All()) {
      auto change = WithinMemory([&] { return LookAt(*snapshot, known, Replacer::kAnother); });
      if (!change.has_value()) {
        failure = std::move(change).error();
      } else if (change.value()) {
        if (change.value()->now) numbers.insert(known.entry);
        changes.push_back(*std::move(change).value());
      }
    }
    // Revisions that came and went meanwhile may have been met, too.
    std::unordered_map<Number, std::vector<NodeId>> held;
    if (!numbers.empty()) {
      for (const NodeId node : state_->superseded.HeldOf(numbers)) held[node.number()].push_back(node);
    }
    for (const ForeignChange& change : changes) TellForeign(change, held[change.known.entry]);
    TRY(CatchUpListings(*snapshot));
    if (failure) return *std::move(failure);
    state_->foreign_commits = foreign;
    return {};
  });
}

}  // namespace certfs
