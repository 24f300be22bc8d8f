// export/: what is generated from stores and entries (store/view.h), as nodes.

#include "fs/volume.h"
#include "fs/volume/pinned_snapshot.h"
#include "fs/volume/state.h"

namespace certfs {

namespace {

// The half of a pair that a view shows; nothing for what shows both, or neither.
std::optional<Member> HalfOf(ViewKind kind) {
  switch (kind) {
    case ViewKind::kFullChain:
    case ViewKind::kChain:
    case ViewKind::kCertificateDer:
    case ViewKind::kPublicKey:
      return Member::kCertificate;
    default:
      return std::nullopt;
  }
}

// Whether a view of an entry bears its key.
bool IsOfKey(ViewKind kind) { return kind == ViewKind::kCombined || kind == ViewKind::kKeystore; }

NodeId IdOf(const ShownView& shown) {
  return NodeId::OfView(static_cast<std::uint8_t>(shown.view->kind), shown.number, shown.identity);
}

// A name is looked up each time, and what it leads to then has the permissions of the moment; only who holds
// the node by other ways goes by what the kernel keeps, and is told when they change (TellViews).
Node NodeOf(const ShownView& shown) {
  Node node;
  node.id = IdOf(shown);
  node.shown_as = ShownAs(node.id);
  node.attributes = shown.attributes;
  node.size = shown.size;
  node.volatile_name = true;
  node.uncached = true;
  return node;
}

// A store or an entry as export/ shows it: nothing can be made there.
Node ShownDirectory(NodeId id, const Attributes& of) {
  Node node;
  node.id = id;
  node.type = NodeType::kDirectory;
  node.attributes = of;
  node.attributes.default_acl = {};
  node.volatile_name = true;
  return node;
}

// Whether a generated file may have this name in `directory`, export/ or a store there.
bool IsViewName(NodeId directory, std::string_view name) {
  for (const View& each : ViewTable()) {
    const bool here = directory.fixed() == Fixed::kExport
                          ? each.place == ViewPlace::kExport
                          : each.place == ViewPlace::kStore || each.place == ViewPlace::kTrustStore;
    if (here && each.name == name) return true;
  }
  return false;
}

Error Gone() { return {ErrorCode::kStale, "what it shows is gone"}; }

}  // namespace

Error Generated() { return {ErrorCode::kReadOnly, "what is shown here is generated"}; }

bool IsGenerated(NodeId node) {
  const auto fixed = node.fixed();
  return node.is_view() || fixed == Fixed::kExport || fixed == Fixed::kBackup || fixed == Fixed::kAuthority ||
         fixed == Fixed::kIssued;
}

void Volume::TellViews(NodeId changed) {
  const auto tell = [&]() -> Result<void> {
    const auto snapshot = TRY(keystore_.Snapshot());
    Place place = TRY(Resolve(*snapshot, changed));
    // What waits in next/ shows in the views of its entry.
    if (place.entry && place.entry->is_staged())
      place.entry = TRY(snapshot->FindEntryByNumber(place.entry->origin));
    std::vector<ShownView> shown;
    if (place.store) {
      state_->observer.AttributesChanged(NodeId::OfViewDirectory(place.store->number));
      state_->observer.AttributesChanged(NodeId::OfHashedDirectory(place.store->number));
      shown = TRY(state_->views.OfStore(*snapshot, *place.store));
    }
    if (place.entry) {
      state_->observer.AttributesChanged(NodeId::OfViewDirectory(place.entry->number));
      shown = TRY(state_->views.OfEntry(*snapshot, *place.entry));
      for (ShownView& each : TRY(state_->views.Hashed(*snapshot))) {
        if (each.number == place.entry->number) shown.push_back(std::move(each));
      }
    }
    for (const ShownView& each : shown) state_->observer.AttributesChanged(IdOf(each));
    return {};
  };
  // What cannot be read at the moment cannot be opened either.
  static_cast<void>(WithinMemory(tell));
}

Result<std::vector<Volume::SeenView>> Volume::ViewsOf(const Caller& caller, TableSnapshot& snapshot,
                                                      const Entry& entry) {
  std::vector<SeenView> seen;
  const Instant now = state_->Now();
  const ContentPointer pinned = state_->pins.IsMoving(entry.number, now)
                                    ? state_->pins.Find(entry.number, Member::kCertificate, caller, now)
                                    : nullptr;
  for (ShownView& each : TRY(state_->views.OfEntry(snapshot, entry))) {
    if (!pinned || !HalfOf(each.view->kind)) seen.push_back({std::move(each), nullptr});
  }
  if (!pinned) return seen;
  PinnedSnapshot before(snapshot, pinned);
  for (ShownView& each : TRY(state_->views.OfEntry(before, before.AsItWas(entry)))) {
    if (HalfOf(each.view->kind)) seen.push_back({std::move(each), pinned});
  }
  return seen;
}

Result<std::vector<Volume::SeenView>> Volume::ViewsIn(const Caller& caller, TableSnapshot& snapshot,
                                                      NodeId directory) {
  std::vector<ShownView> shown;
  if (directory.fixed() == Fixed::kExport) {
    shown = TRY(state_->views.OfExport(snapshot));
  } else if (directory.is_hashed_directory()) {
    shown = TRY(state_->views.Hashed(snapshot));
  } else {
    const Place place = TRY(Resolve(snapshot, NodeId::OfDirectory(directory.number())));
    if (place.entry) return ViewsOf(caller, snapshot, *place.entry);
    if (!place.store) return Gone();
    shown = TRY(state_->views.OfStore(snapshot, *place.store));
  }
  std::vector<SeenView> seen;
  seen.reserve(shown.size());
  for (ShownView& each : shown) seen.push_back({std::move(each), nullptr});
  return seen;
}

Result<std::optional<Volume::SeenView>> Volume::FindView(const Caller& caller, TableSnapshot& snapshot,
                                                         NodeId node) {
  const auto kind = static_cast<ViewKind>(*node.view_kind());
  const View* const view = FindViewOf(kind);
  if (view == nullptr) return std::optional<SeenView>();
  if (view->place != ViewPlace::kEntry) {
    auto shown = TRY(state_->views.Find(snapshot, kind, node.number()));
    if (!shown) return std::optional<SeenView>();
    return std::optional(SeenView{*std::move(shown), nullptr});
  }
  const std::optional<Entry> entry = TRY(snapshot.FindEntryByNumber(node.number()));
  if (!entry) return std::optional<SeenView>();
  for (SeenView& each : TRY(ViewsOf(caller, snapshot, *entry))) {
    if (each.shown.view->kind == kind) return std::optional(std::move(each));
  }
  return std::optional<SeenView>();
}

Result<Node> Volume::LookupView(const Caller& caller, NodeId parent, std::string_view name) {
  const auto snapshot = TRY(keystore_.Snapshot());
  if (parent.fixed() == Fixed::kBackup) {
    for (const auto& [each, node] : TRY(BackupNodes(*snapshot))) {
      if (each == name) return node;
    }
    return NoSuchName();
  }
  // A store or an entry of a generated file's name is shown under stores/ alone.
  const bool taken = IsViewName(parent, name);
  if (parent.fixed() == Fixed::kExport && !taken) {
    const auto store_name = StoreName::Parse(name);
    const auto store = store_name.has_value() ? TRY(snapshot->FindStore(store_name.value())) : std::nullopt;
    if (store && IsExported(*store))
      return ShownDirectory(NodeId::OfViewDirectory(store->number), store->attributes);
  } else if (parent.is_view_directory()) {
    const Place place = TRY(Resolve(*snapshot, NodeId::OfDirectory(parent.number())));
    if (place.store && !taken) {
      if (name == kHashedName && place.store->name.text() == kTrustedRoots)
        return ShownDirectory(NodeId::OfHashedDirectory(parent.number()), place.store->attributes);
      const auto alias = Alias::Parse(name);
      const auto entry =
          alias.has_value() ? TRY(snapshot->FindEntry(parent.number(), alias.value())) : std::nullopt;
      if (entry) return ShownDirectory(NodeId::OfViewDirectory(entry->number), entry->attributes);
    }
  }
  for (const SeenView& each : TRY(ViewsIn(caller, *snapshot, parent))) {
    if (each.shown.name == name) return NodeOf(each.shown);
  }
  return NoSuchName();
}

Result<Node> Volume::ViewAttributes(const Caller& caller, NodeId node, HandleId handle) {
  if (AuthorityFileOf(node)) return AuthorityAttributes(node, handle);
  const auto snapshot = TRY(keystore_.Snapshot());
  if (!node.view_kind()) {
    const Place place = TRY(Resolve(*snapshot, NodeId::OfDirectory(node.number())));
    if (place.store) return ShownDirectory(node, place.store->attributes);
    if (place.entry) return ShownDirectory(node, place.entry->attributes);
    return Gone();
  }
  ContentPointer open;
  {
    const std::lock_guard lock(state_->mutex);
    const auto reader = state_->readers.find(handle);
    const auto shared = state_->open_contents.find(node);
    if (reader != state_->readers.end()) {
      open = reader->second;
    } else if (shared != state_->open_contents.end()) {
      open = shared->second.content;
    }
  }
  if (IsBackup(node)) {
    for (auto& [name, each] : TRY(BackupNodes(*snapshot))) {
      if (each.id != node && (open || each.id.view_kind() != node.view_kind())) continue;
      each.id = node;
      return each;
    }
  }
  std::optional<SeenView> seen;
  if (!IsBackup(node)) seen = TRY(FindView(caller, *snapshot, node));
  if (!open) {
    if (!seen) return Gone();
    // Of a state that is no more: the kernel asks on its way to an open, which then says so.
    Node now = NodeOf(seen->shown);
    now.id = node;
    return now;
  }
  // What is open stays as it was, save who may read it.
  Node found;
  found.id = node;
  found.shown_as = ShownAs(node);
  found.attributes = seen ? seen->shown.attributes : open->attributes;
  found.attributes.mtime = open->attributes.mtime;
  found.size = open->size();
  found.volatile_name = true;
  found.uncached = true;
  return found;
}

Result<void> Volume::ListViews(const Caller& caller, NodeId directory, std::uint64_t first, Cursor start,
                               std::uint64_t behind, const OfferItem& offer) {
  const auto snapshot = TRY(keystore_.Snapshot());
  std::uint64_t place_at = first;
  if (directory.fixed() == Fixed::kBackup) {
    for (const auto& [name, node] : TRY(BackupNodes(*snapshot))) offer(name, node, place_at++);
    return {};
  }
  // What is damaged keeps nothing else from being listed; it is told at the end.
  std::optional<Error> damage;
  auto here = ViewsIn(caller, *snapshot, directory);
  if (!here.has_value()) {
    if (here.error().code() != ErrorCode::kCorrupt) return std::move(here).error();
    damage = std::move(here).error();
  } else {
    for (const SeenView& each : here.value()) offer(each.shown.name, NodeOf(each.shown), place_at++);
  }
  TRY(ListShown(*snapshot, directory, start, behind, offer));
  if (damage) return *std::move(damage);
  return {};
}

Result<void> Volume::ListShown(TableSnapshot& snapshot, NodeId directory, Cursor start, std::uint64_t behind,
                               const OfferItem& offer) {
  if (directory.fixed() == Fixed::kExport) {
    std::optional<Error> damage;
    for (Cursor after = start;;) {
      Cursor skipped = after;
      const auto next = snapshot.NextStore(after, &skipped);
      if (!next.has_value()) {
        if (next.error().code() != ErrorCode::kCorrupt || skipped <= after) return next.error();
        damage = next.error();
        after = skipped;
        continue;
      }
      if (!next.value() && damage) return *std::move(damage);
      if (!next.value()) return {};
      after = next.value()->at;
      const Store& store = next.value()->item;
      if (!IsExported(store) || IsViewName(directory, store.name.text())) continue;
      offer(store.name.text(), ShownDirectory(NodeId::OfViewDirectory(store.number), store.attributes),
            after + behind);
    }
  }
  if (!directory.is_view_directory()) return {};
  const std::optional<Store> store = TRY(snapshot.FindStoreByNumber(directory.number()));
  if (!store) return {};
  const bool trusted = store->name.text() == kTrustedRoots;
  if (trusted)
    offer(kHashedName, ShownDirectory(NodeId::OfHashedDirectory(store->number), store->attributes), behind);
  return snapshot.ListEntries(store->number, start, [&](Cursor at, const EntryHead& head) {
    const std::string& alias = head.alias.text();
    if (head.is_staged() || IsViewName(directory, alias) || (trusted && alias == kHashedName)) return true;
    return offer(alias, ShownDirectory(NodeId::OfViewDirectory(head.number), head.attributes), at + behind);
  });
}

Result<ContentPointer> Volume::LoadView(TableSnapshot& snapshot, const SeenView& seen, NodeId node) {
  ViewBytes bytes;
  if (seen.pinned) {
    PinnedSnapshot before(snapshot, seen.pinned);
    bytes = TRY(state_->views.Read(before, seen.shown));
  } else {
    bytes = TRY(state_->views.Read(snapshot, seen.shown));
  }
  auto content = std::make_shared<Content>();
  content->node = node;
  content->attributes = seen.shown.attributes;
  content->plain = std::move(bytes.plain);
  content->secret = std::move(bytes.secret);
  return ContentPointer(std::move(content));
}

Result<ContentPointer> Volume::OpenView(const Caller& caller, NodeId node) {
  const auto snapshot = TRY(keystore_.Snapshot());
  std::optional<SeenView> seen;
  bool current = false;
  if (IsBackup(node)) {
    for (const auto& [name, each] : TRY(BackupNodes(*snapshot))) current = current || each.id == node;
  } else {
    seen = TRY(FindView(caller, *snapshot, node));
    if (!seen) return Gone();
    current = IdOf(seen->shown) == node;
  }
  // A second such answer would reach the user: then what is there now is opened as what was looked up.
  if (!current && state_->stale_answers.Tell(caller.thread, state_->Now())) return Gone();
  if (seen && IsOfKey(seen->shown.view->kind)) {
    const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(seen->shown.number));
    if (entry) TRY(state_->key_release.Check(*snapshot, *entry));
  }
  ContentPointer content;
  {
    // All handles on one state share its bytes: locked memory is scarce, and whoever may read a key can open
    // its views ten thousand times.
    const std::lock_guard lock(state_->mutex);
    if (const auto open = state_->open_contents.find(node); open != state_->open_contents.end())
      content = open->second.content;
  }
  if (!content) {
    content = IsBackup(node) ? TRY(OpenBackup(*snapshot, node)) : TRY(LoadView(*snapshot, *seen, node));
    // What stat showed of this node was another state's.
    if (!current) {
      state_->observer.AttributesChanged(node);
      state_->observer.Settle(KernelHolds::kNoDirectory);
    }
  }
  if (!seen || !HalfOf(seen->shown.view->kind)) return content;
  const Member half = *HalfOf(seen->shown.view->kind);
  const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(seen->shown.number));
  if (!entry || !entry->is_pair()) return content;
  const NodeId shows =
      seen->pinned ? seen->pinned->node : NodeId::OfFile(entry->number, half, entry->revision);
  state_->pins.Opened(entry->number, shows.revision(), half, caller, state_->Now());
  return content;
}

}  // namespace certfs
