// What a daemon makes of what its predecessors had given out: handles, and revisions that are live no more.

#include "fs/volume.h"
#include "fs/volume/state.h"
#include "store/kept_state.h"

namespace certfs {

bool Volume::State::IsLostWriter(HandleId handle) {
  if ((handle & static_cast<HandleId>(HandleUse::kWrites)) == 0) return false;
  const std::lock_guard lock(mutex);
  return !writers.contains(handle) && !scratch_handles.contains(handle);
}

Result<std::optional<Entry>> Volume::FindKept(TableSnapshot& snapshot, const Entry& entry, NodeId node) {
  const std::optional<Store> store = TRY(snapshot.FindStoreByNumber(entry.store));
  if (!store || entry.is_staged()) return std::optional<Entry>();
  std::optional<Entry> kept = TRY(FindKeptState(snapshot, *store, entry.alias));
  if (!kept || kept->keeps == 0 || !node.HasRevision(kept->keeps) || !kept->file(*node.member()))
    return std::optional<Entry>();
  return kept;
}

Result<std::optional<Node>> Volume::KeptAttributes(TableSnapshot& snapshot, const Place& place, NodeId node) {
  // While one daemon serves, it knows itself who has what open.
  if (state_->options.incarnation <= 1 || !place.entry) return std::optional<Node>();
  const std::optional<Entry> kept = TRY(FindKept(snapshot, *place.entry, node));
  if (!kept) return std::optional<Node>();
  Node shown = NodeOf(*kept, *node.member());
  shown.id = node;
  return std::optional(std::move(shown));
}

// The node still says what the handle shows. From here on the handle is one of our own.
Result<ContentPointer> Volume::Adopt(NodeId node, HandleId handle) {
  if (state_->IsLostWriter(handle)) return LostWithItsDaemon();
  ContentPointer content;
  if (node.is_view() && node.view_kind() && !IsBackup(node)) {
    // A generated file that is as it was; who opened it, nobody knows any more.
    content = TRY(AuthorityFileOf(node) ? OpenAuthority(Caller{}, node) : OpenView(Caller{}, node));
    if (content->node != node) return Error(ErrorCode::kStale, "a superseded state");
  } else {
    const auto member = node.member();
    if (!member) return Error(ErrorCode::kStale, "an unknown handle");
    const auto snapshot = TRY(keystore_.Snapshot());
    const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(node.number()));
    if (!entry) return Error(ErrorCode::kStale, "the file is gone");
    const bool current = entry->file(*member) && node.HasRevision(entry->revision);
    const std::optional<Entry> kept = current ? std::nullopt : TRY(FindKept(*snapshot, *entry, node));
    if (!current && !kept) return Error(ErrorCode::kStale, "a superseded revision");
    if (IsKeyMaterial(*member)) {
      const UnknownCaller unknown;
      AuditedRequest request(unknown, "read", NodePath(keystore_, node));
      request.Describe("through a handle of an earlier daemon");
      TRY(NoteReading(request, node));
    }
    content = current ? TRY(OpenContent(*snapshot, *entry, *member))
                      : TRY(LoadContent(*snapshot, *kept, *member, node));
  }
  const std::lock_guard lock(state_->mutex);
  const auto [place, added] = state_->readers.try_emplace(handle, content);
  if (!added) return place->second;  // By another read of the same handle.
  auto& open = state_->open_contents[content->node];
  open.content = content;
  ++open.handles;
  return content;
}

// Those who are between the halves of a pair get what they began with, also where the daemon before has
// replaced it: if it had no time to tell what BACKUP_STORE keeps, nobody has.
void Volume::InheritPairs() {
  for (const PairNote& note : state_->pins.Inherit(state_->Now())) {
    // What cannot be looked at, or is kept no more, costs them their pair.
    static_cast<void>(WithinMemory([&]() -> Result<void> {
      const auto snapshot = TRY(keystore_.Snapshot());
      const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(note.entry));
      if (!entry || entry->revision == note.revision) return {};
      return KeepReplaced(*snapshot, *entry, note.revision);
    }));
  }
}

}  // namespace certfs
