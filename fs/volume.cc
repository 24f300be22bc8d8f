#include "fs/volume.h"

#include "fs/volume/state.h"

namespace certfs {

Node FixedNode(Fixed fixed, const VolumeOptions& options) {
  Node node;
  node.id = NodeId::Of(fixed);
  node.attributes.uid = options.uid;
  node.attributes.gid = options.gid;
  switch (fixed) {
    case Fixed::kRoot:
    case Fixed::kStores:
    case Fixed::kStatus:
    case Fixed::kExport:
    case Fixed::kBackup:
    case Fixed::kAuthority:
    case Fixed::kRequests:
    case Fixed::kIssued:
    case Fixed::kProfiles:
      node.type = NodeType::kDirectory;
      // What is in backup/ holds every key. From ca/issued/ whoever asked for something takes what is his
      // own.
      node.attributes.mode = fixed == Fixed::kBackup ? 0700 : fixed == Fixed::kIssued ? 01777 : 0755;
      break;
    case Fixed::kLink:
      node.type = NodeType::kLink;
      node.attributes.mode = 0777;
      node.size = kLinkTarget.size();
      break;
    case Fixed::kControl:
      node.attributes.mode = 0600;
      node.volatile_attributes = true;  // Its size stays 0, whatever is written.
      node.uncached = true;
      break;
    default:
      // What the files of status/ show depends on the moment and on the reader.
      if (const StatusFile* const file = FindStatusFile(fixed)) node.attributes.mode = file->mode;
      node.volatile_name = node.volatile_attributes = true;
      node.uncached = true;
      break;
  }
  return node;
}

namespace {

std::optional<Fixed> FixedChild(Fixed parent, std::string_view name) {
  if (parent == Fixed::kRoot && name == "stores") return Fixed::kStores;
  if (parent == Fixed::kRoot && name == "status") return Fixed::kStatus;
  if (parent == Fixed::kRoot && name == "export") return Fixed::kExport;
  if (parent == Fixed::kRoot && name == "backup") return Fixed::kBackup;
  if (parent == Fixed::kRoot && name == "ca") return Fixed::kAuthority;
  if (parent == Fixed::kAuthority) return FixedChildOfAuthority(name);
  if (parent == Fixed::kStores && name == kLinkName) return Fixed::kLink;
  if (const StatusFile* const file = parent == Fixed::kStatus ? FindStatusFile(name) : nullptr)
    return file->node;
  return std::nullopt;
}

}  // namespace

// --- Volume

// Of the numbers of handles and staging inodes: room for two thousand million of each a daemon.
constexpr int kIncarnationShift = 32;

Volume::Volume(Keystore& keystore, const ProcessTable& processes, VolumeObserver& observer,
               VolumeOptions options)
    : keystore_(keystore),
      state_(std::make_unique<State>(keystore, processes, observer, std::move(options))) {
  // A successor process must not give out its predecessors' numbers again.
  state_->last_handle = std::uint64_t{state_->options.incarnation} << kIncarnationShift;
  state_->next_staging = state_->last_handle + 1;
  // What those have told the kernel it knows, and nobody else does.
  if (state_->options.incarnation > 1) state_->superseded.SupposeNamed();
  const auto foreign = keystore.ForeignCommits();
  state_->foreign_commits = foreign.has_value() ? foreign.value() : 0;
  const auto stores = StoresOf(keystore_);
  if (stores.has_value()) state_->listed = stores.value();
  InheritPairs();
}

Volume::~Volume() = default;

OperationCounts& Volume::counts() { return state_->counts; }

Volume::Held Volume::GetHeld() {
  const std::lock_guard lock(state_->mutex);
  Held held;
  held.handles = state_->readers.size() + state_->open_contents.size() + state_->status_handles.size() +
                 state_->status_openers.size() + state_->writers.size() + state_->scratch_handles.size() +
                 state_->controls.size() + state_->backups_read.size();
  held.stagings = state_->stagings.size();
  held.scratch = state_->scratch.size();
  held.staged_bytes = state_->shares.taken();
  return held;
}

Error Volume::State::Refuse(const Caller& caller, Time now, std::string path, Error error) {
  NoteRefusal(caller, path, error);
  const std::string line = refusals.Record({now, caller.uid, processes.ProcessOf(caller.thread),
                                            processes.ProgramOf(caller.thread), std::move(path), error});
  counts.Refused(error.code());
  observer.Refused(line);
  return error;
}

Result<StatusText> Volume::State::Show(Keystore& keystore, const StatusFile& file, const Caller& caller,
                                       Wanted wanted) {
  std::optional<Error> failure;
  {
    const std::lock_guard lock(mutex);
    failure = list_failure;
  }
  return file.show({keystore, options, refusals, counts, reports, std::move(failure), caller, wanted});
}

bool Volume::State::AddStatusHandle(const StatusOpener& opener, NodeId node, HandleId handle) {
  std::size_t& held = status_bytes[opener.uid];
  // One at least, however long it is.
  if (held != 0 && held + opener.bytes > kStatusBytesOfUserMax) return false;
  held += opener.bytes;
  status_handles.emplace(opener.thread, node, handle);
  status_openers.emplace(handle, opener);
  return true;
}

void Volume::State::RemoveStatusHandle(NodeId node, HandleId handle) {
  const auto found = status_openers.find(handle);
  if (found == status_openers.end()) return;
  const StatusOpener& opener = found->second;
  const auto held = status_bytes.find(opener.uid);
  if (held != status_bytes.end() && (held->second -= opener.bytes) == 0) status_bytes.erase(held);
  status_handles.erase({opener.thread, node, handle});
  status_openers.erase(found);
}

Result<std::optional<Entry>> Volume::State::FindWentLive(TableSnapshot& snapshot, const Entry& next,
                                                         Member member, Instant now) {
  const auto number = went_live.Find(next.number, member, now);
  if (!number) return std::optional<Entry>();
  std::optional<Entry> live = TRY(snapshot.FindEntryByNumber(*number));
  if (live && !live->file(member)) live.reset();
  return live;
}

std::optional<Node> Volume::State::FindSuperseded(NodeId node, Instant now) {
  ContentPointer content;
  {
    const std::lock_guard lock(mutex);
    if (const auto open = open_contents.find(node); open != open_contents.end())
      content = open->second.content;
  }
  if (!content) content = superseded.Find(node, now);
  if (!content) return std::nullopt;
  return NodeOf(*content);
}

Result<Node> Volume::Lookup(const Caller& caller, NodeId parent, std::string_view name) {
  auto found = FindChild(caller, parent, name);
  // Whoever finds nothing where he looks again opens nothing there, either.
  if (!found.has_value()) state_->stale_answers.Clear(caller.thread);
  return found;
}

Result<Node> Volume::FindChild(const Caller& caller, NodeId parent, std::string_view name) {
  // The kernel has no such limit for us, and looks up before it makes, removes or renames.
  if (name.size() > kNameBytesMax) return Error(ErrorCode::kNameTooLong, "a name is at most 255 bytes");
  if (const auto fixed = parent.fixed()) {
    if (const auto child = FixedChild(*fixed, name)) return GetAttributes(caller, NodeId::Of(*child), 0);
    if (IsAuthorityDirectory(parent)) return LookupAuthority(caller, parent, name);
    if (*fixed == Fixed::kExport || *fixed == Fixed::kBackup) return LookupView(caller, parent, name);
    if (*fixed != Fixed::kStores) return NoSuchName();
    const auto store_name = StoreName::Parse(name);
    if (!store_name.has_value()) {
      if (store_name.error().code() == ErrorCode::kNameTooLong) return store_name.error();
      return NoSuchName();
    }
    const auto snapshot = TRY(keystore_.Snapshot());
    const std::optional<Store> store = TRY(snapshot->FindStore(store_name.value()));
    if (!store) return NoSuchName();
    return NodeOf(*store);
  }
  if (parent.is_view()) return LookupView(caller, parent, name);
  const auto snapshot = TRY(keystore_.Snapshot());
  const Place place = TRY(Resolve(*snapshot, parent));
  if (place.store) {
    const auto alias = Alias::ParseGiven(name);
    if (!alias.has_value()) {
      if (alias.error().code() == ErrorCode::kNameTooLong) return alias.error();
      return NoSuchName();
    }
    const std::optional<Entry> entry = TRY(snapshot->FindEntry(place.store->number, alias.value()));
    if (!entry) return NoSuchName();
    return NodeOf(*entry);
  }
  if (parent.is_staging()) return LookupScratch(caller, parent, name);
  if (!place.entry) return Error(ErrorCode::kStale, "the directory is gone");
  if (name == kNextName && !place.entry->is_staged()) {
    const auto next = TRY(snapshot->FindEntry(place.entry->store, place.entry->alias.Next()));
    if (!next) return NoSuchName();
    return NodeOf(*next);
  }
  const auto member = MemberNamed(name);
  if (!member) return LookupScratch(caller, parent, name);
  const Instant now = state_->Now();
  // Whoever renamed it away is about to make it anew; all others have it until then.
  if (state_->first_halves.IsAway(place.entry->number, *member, caller.thread, now)) return NoSuchName();
  const bool moving = state_->pins.IsMoving(place.entry->number, now);
  if (moving) {
    if (const auto pinned = state_->pins.Find(place.entry->number, *member, caller, now))
      return NodeOf(*pinned);
  }
  if (!place.entry->file(*member)) {
    const auto live = TRY(state_->FindWentLive(*snapshot, *place.entry, *member, now));
    if (!live) return LookupScratch(caller, parent, name);
    return NodeOf(*place.entry, *live, *member);
  }
  if (state_->stale_answers.IsLookingAgain(caller.thread, now)) {
    // Its open must not fail a second time, whoever replaces the file before it, and whenever that is.
    std::vector<ContentPointer> found;
    for (const Member each : kMembers) {
      if (!place.entry->file(each) || (each != *member && !place.entry->is_pair())) continue;
      auto content = OpenContent(*snapshot, *place.entry, each);
      if (content.has_value()) found.push_back(std::move(content).value());
    }
    state_->stale_answers.Found(caller.thread, std::move(found));
  }
  Node node = NodeOf(*place.entry, *member);
  // Whoever comes next may be pinned to another revision.
  node.volatile_name = moving || state_->first_halves.IsAwayForAny(place.entry->number, now);
  return node;
}

Result<Node> Volume::GetAttributes(const Caller& caller, NodeId node, HandleId handle) {
  if (const auto fixed = node.fixed()) {
    Node found = FixedNode(*fixed, state_->options);
    if (*fixed == Fixed::kRequests) {
      const auto snapshot = TRY(keystore_.Snapshot());
      SetPermissions(found.attributes, TRY(state_->authority_files.RequestsAttributes(*snapshot)));
    }
    Time when = *fixed == Fixed::kStores ? state_->stores_changed.load() : state_->began;
    if (found.type == NodeType::kFile) {
      when = keystore_.Now();
      ContentPointer open;
      {
        const std::lock_guard lock(state_->mutex);
        open = state_->FindOpenStatus(caller.thread, node, handle);
      }
      if (open) {
        found.size = open->size();
        when = open->attributes.mtime;  // tar looks whether it moved meanwhile.
      } else if (const StatusFile* const file = FindStatusFile(*fixed)) {
        const StatusText shown = TRY(state_->Show(keystore_, *file, caller, Wanted::kSize));
        found.size = shown.size();
        when = shown.since;
      }
    }
    found.attributes.mtime = found.attributes.ctime = found.attributes.atime = when;
    return found;
  }
  if (node.is_view()) return ViewAttributes(caller, node, handle);
  if (node.is_staging()) {
    StagingPointer staging;
    {
      const std::lock_guard lock(state_->mutex);
      const auto found = state_->stagings.find(node);
      const auto writer = state_->writers.find(handle);
      if (found != state_->stagings.end()) staging = found->second;
      if (writer != state_->writers.end()) staging = writer->second;
    }
    if (!staging) {
      const ScratchPointer scratch = FindScratch(node);
      if (!scratch) return Error(ErrorCode::kStale, "its writer is gone");
      return NodeOfScratch(*scratch);
    }
    const std::lock_guard lock(staging->mutex);
    Node found = NodeOf(*staging);
    found.id = node;  // Who came by a placeholder holds that.
    return found;
  }
  const auto snapshot = TRY(keystore_.Snapshot());
  const Place place = TRY(Resolve(*snapshot, node));
  if (const auto member = node.member()) {
    const bool live = place.entry && place.entry->file(*member) && node.HasRevision(place.entry->revision);
    if (live) return NodeOf(*place.entry, *member);
    if (place.entry && !place.entry->file(*member) && node.HasRevision(place.entry->revision)) {
      const auto went = TRY(state_->FindWentLive(*snapshot, *place.entry, *member, state_->Now()));
      if (went) return NodeOf(*place.entry, *went, *member);
    }
    if (auto superseded = state_->FindSuperseded(node, state_->Now())) return *std::move(superseded);
    if (auto kept = TRY(KeptAttributes(*snapshot, place, node))) return *std::move(kept);
    return Error(ErrorCode::kStale, "a superseded revision");
  }
  if (place.entry) return NodeOf(*place.entry);
  if (place.store) return NodeOf(*place.store);
  return Error(ErrorCode::kStale, "the directory is gone");
}

Result<std::string> Volume::ReadLink(NodeId node) {
  if (node.fixed() != Fixed::kLink) return Error(ErrorCode::kInvalidArgument, "not a link");
  return std::string(kLinkTarget);
}

Result<std::optional<std::string>> Volume::KeptFrom(NodeId node) {
  const std::optional<std::string> nothing;
  const auto number = node.directory();
  if (!number) return nothing;
  const auto snapshot = TRY(keystore_.Snapshot());
  const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(*number));
  if (!entry || entry->origin == 0 || entry->is_staged()) return nothing;
  const std::optional<Store> store = TRY(snapshot->FindStoreByNumber(entry->origin));
  return std::optional(store ? store->name.text() : std::string());
}

void Volume::Named(const Node& node) {
  state_->superseded.Named(node.id);
  if (node.revision) state_->seen_entries.Named(node.id.number(), *node.revision, node.members);
}

bool Volume::IsHeld(NodeId node) { return state_->superseded.IsHeld(node); }

Result<std::optional<std::string>> Volume::PathOfDirectory(NodeId directory) {
  return WithinMemory([&]() -> Result<std::optional<std::string>> {
    if (directory.fixed() == Fixed::kStores) return std::optional<std::string>("stores");
    if (directory.fixed() == Fixed::kIssued) return std::optional<std::string>("ca/issued");
    const auto snapshot = TRY(keystore_.Snapshot());
    const Place place = TRY(Resolve(*snapshot, directory));
    if (place.store) return std::optional(PathOf(*place.store));
    if (!place.entry) return std::optional<std::string>();
    const std::optional<Store> store = TRY(snapshot->FindStoreByNumber(place.entry->store));
    if (!store) return std::optional<std::string>();
    return std::optional(PathOf(*store) + "/" + place.entry->alias.text());
  });
}

void Volume::Forget(NodeId node, std::uint64_t count) {
  state_->superseded.Forget(node, count);
  if (const auto number = node.directory()) state_->seen_entries.Forget(*number, count);
}

}  // namespace certfs
