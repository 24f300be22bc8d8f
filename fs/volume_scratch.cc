// Scratch: the temporary files of tools, and how they become live.

#include <algorithm>

#include "crypto/pem.h"
#include "fs/volume.h"
#include "fs/volume/state.h"

namespace certfs {

namespace {

ScratchTable::Name NameOf(const Caller& caller, NodeId directory, std::string_view name) {
  return {directory, std::string(name), caller.uid};
}

}  // namespace

Node NodeOf(const ScratchFile& scratch, std::uint32_t links) {
  Node node;
  node.id = scratch.node;
  node.type = scratch.directory ? NodeType::kDirectory : NodeType::kFile;
  node.attributes = scratch.attributes;
  // It may hold a key, whatever its name says.
  if (!scratch.placeholder) node.attributes.mode &= ~kBitsForOthers;
  node.size = scratch.bytes.size();
  node.links = scratch.directory ? 2 : links;
  node.volatile_name = true;  // It leads there for its owner alone.
  node.uncached = true;
  return node;
}

// --- Finding

ScratchPointer Volume::FindScratch(const Caller& caller, NodeId directory, std::string_view name) {
  return state_->scratch.Find(NameOf(caller, directory, name), state_->Now());
}

ScratchPointer Volume::FindScratch(NodeId node) {
  return node.is_staging() ? state_->scratch.FindNode(node, state_->Now()) : nullptr;
}

Node Volume::NodeOfScratch(ScratchFile& scratch) {
  const std::uint32_t links = state_->scratch.LinksOf(scratch.node);
  const std::lock_guard lock(scratch.mutex);
  return NodeOf(scratch, links);
}

Result<Node> Volume::LookupScratch(const Caller& caller, NodeId directory, std::string_view name) {
  const ScratchPointer scratch = FindScratch(caller, directory, name);
  if (!scratch) return NoSuchName();
  return NodeOfScratch(*scratch);
}

void Volume::DropExpired() {
  const Instant now = state_->Now();
  state_->scratch.DropExpired(now);
  state_->first_halves.DropExpired(now);
  state_->superseded.DropExpired(now);
  state_->pins.DropExpired(now);
  state_->stale_answers.DropExpired(now);
  state_->backups.DropExpired(now);
  state_->taken.DropExpired(now);
}

// --- Making

Result<bool> Volume::TakesScratch(NodeId directory, std::string_view name) {
  if (IsDropDirectory(directory)) return TakesDrop(directory, name);
  if (directory.is_staging()) {
    const ScratchPointer scratch = FindScratch(directory);
    if (!scratch) return Error(ErrorCode::kStale, "the directory is gone");
    if (!scratch->directory) return Error(ErrorCode::kNotADirectory, "not a directory");
  } else {
    if (!directory.directory() || !IsScratchName(name)) return false;
    const auto snapshot = TRY(keystore_.Snapshot());
    const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(*directory.directory()));
    if (!entry) return false;
    const std::optional<Store> store = TRY(snapshot->FindStoreByNumber(entry->store));
    if (store && PolicyOf(store->name).holds == Holds::kNothing) return WrittenByCertfs(*store);
  }
  if (name.size() > kNameBytesMax) return Error(ErrorCode::kNameTooLong, "a name is at most 255 bytes");
  return true;
}

Result<ScratchPointer> Volume::PrepareScratch(const Caller& caller, NodeId directory,
                                              std::uint32_t permissions, bool is_directory) {
  NodeId node;
  {
    const std::lock_guard lock(state_->mutex);
    node = NodeId::OfStaging(state_->next_staging++);
  }
  const ScratchPointer scratch = state_->scratch.Make(node, caller.uid);
  scratch->directory = is_directory;
  scratch->attributes.uid = caller.uid;
  scratch->attributes.gid = caller.gid;
  if (const auto entry = directory.directory()) {
    const auto snapshot = TRY(keystore_.Snapshot());
    if (const auto above = TRY(snapshot->FindEntryByNumber(*entry)))
      scratch->attributes.gid = GroupToBe(caller, above->attributes);
  }
  scratch->attributes.mode = permissions & 0777;
  scratch->attributes.atime = scratch->attributes.mtime = scratch->attributes.ctime = keystore_.Now();
  return scratch;
}

Result<ScratchPointer> Volume::MakeScratch(const Caller& caller, NodeId directory, std::string_view name,
                                           std::uint32_t permissions, bool is_directory, bool replace) {
  const ScratchPointer scratch = TRY(PrepareScratch(caller, directory, permissions, is_directory));
  TRY(state_->scratch.Add(NameOf(caller, directory, name), scratch, state_->Now(), replace));
  return scratch;
}

Result<Node> Volume::CopyToScratch(const Caller& caller, NodeId directory, Member member,
                                   std::string_view name, bool replace) {
  const auto snapshot = TRY(keystore_.Snapshot());
  const Place place = TRY(Resolve(*snapshot, directory));
  if (!place.entry || !place.entry->file(member)) return Error(ErrorCode::kStale, "the file is gone");
  // What is withheld is not to be had by another name.
  if (member == Member::kKey) TRY(state_->key_release.Check(*snapshot, *place.entry));
  const SecretBytes bytes = TRY(snapshot->ReadFile(*place.entry, member));
  if (IsKeyMaterial(member)) {
    const NodeId live = NodeId::OfFile(place.entry->number, member, place.entry->revision);
    CallerRequest request(caller, state_->processes, "read", NodePath(keystore_, live));
    request.Describe("as a scratch file");
    TRY(NoteReading(request.request(), live));
  }
  if (replace) {
    const ScratchPointer there = FindScratch(caller, directory, name);
    if (there && there->directory) return Error(ErrorCode::kIsADirectory, "a directory");
  }
  const ScratchPointer scratch = TRY(PrepareScratch(caller, directory, 0, false));
  const std::lock_guard lock(scratch->mutex);
  scratch->copied = true;
  // Whoever may not read the live file may not read its copy.
  scratch->attributes = place.entry->file(member)->attributes;
  scratch->wanted.mode = scratch->attributes.mode;
  // Under an ACL the bits of the group are its mask, and grant more than they seem to.
  if (!scratch->attributes.access_acl.empty()) scratch->attributes.mode &= ~0070U;
  scratch->attributes.access_acl = {};
  if (!scratch->bytes.Assign(bytes.Reveal())) return NoMemory();
  // A name that another has is taken from it only now that nothing can fail.
  TRY(state_->scratch.Add(NameOf(caller, directory, name), scratch, state_->Now(), replace));
  return NodeOf(*scratch, 1);
}

void Volume::AddPlaceholder(Staging& staging) {
  const bool made =
      staging.created && staging.basis == 0;  // Not so a name of next that still led to a live file.
  const bool due = made && !staging.committed && !staging.placeholder && staging.buffer.empty();
  if (!due) return;
  // Somebody else may have made the file meanwhile.
  const auto there = Lookup(staging.opener, NodeId::OfDirectory(staging.entry), FileName(staging.member));
  if (there.has_value()) return;
  NodeId node;
  {
    const std::lock_guard lock(state_->mutex);
    node = NodeId::OfStaging(state_->next_staging++);
  }
  const ScratchPointer scratch = state_->scratch.Make(node, staging.opener.uid);
  scratch->placeholder = staging.member;
  scratch->entry = staging.entry;
  scratch->attributes = staging.attributes;
  scratch->wanted = staging.wanted;
  const NodeId directory = NodeId::OfDirectory(staging.entry);
  // Without it an empty file is simply not there, as for all others.
  staging.placeholder =
      state_->scratch.Add(NameOf(staging.opener, directory, FileName(staging.member)), scratch, state_->Now())
          .has_value();
}

// --- Using

Result<HandleId> Volume::OpenScratch(const Caller& caller, const ScratchPointer& scratch, OpenMode mode) {
  if (scratch->directory) return Error(ErrorCode::kIsADirectory, "a directory");
  if (scratch->placeholder && mode.write) {
    const NodeId directory = NodeId::OfDirectory(scratch->entry);
    const StagingPointer staging = TRY(NewStaging(caller, directory, FileName(*scratch->placeholder)));
    if (staging->created) {
      const std::lock_guard lock(scratch->mutex);
      staging->attributes = scratch->attributes;
      staging->wanted = scratch->wanted;
    }
    staging->from_placeholder = scratch->node;
    const HandleId handle = TRY(OpenStaging(caller, Register(staging), mode));
    state_->scratch.Opened(scratch);
    return handle;
  }
  if (mode.truncate) {
    const std::lock_guard lock(scratch->mutex);
    scratch->bytes.Clear();
  }
  state_->scratch.Opened(scratch);
  auto drop = mode.write ? BeginDrop(caller, scratch->node) : nullptr;
  const std::lock_guard lock(state_->mutex);
  const HandleId handle = state_->NewHandle(mode.write ? HandleUse::kWrites : HandleUse::kReads);
  state_->scratch_handles.emplace(handle, State::ScratchHandle{scratch, mode.append, std::move(drop)});
  return handle;
}

Error Volume::RefuseScratch(const Caller& caller, NodeId scratch, Error error) {
  const auto names = state_->scratch.NamesOf(scratch);
  if (names.empty()) return error;  // Nor would anybody know which was meant.
  return state_->Refuse(caller, keystore_.Now(),
                        ChildPath(keystore_, names.front().directory, names.front().name), std::move(error));
}

Result<void> Volume::WriteScratch(const Caller& caller, HandleId handle, std::uint64_t offset,
                                  BytesView bytes) {
  State::ScratchHandle open;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->scratch_handles.find(handle);
    if (found == state_->scratch_handles.end()) return LostWithItsDaemon();
    open = found->second;
  }
  ScratchFile& scratch = *open.file;
  std::unique_lock lock(scratch.mutex);
  if (scratch.went_live) return NotPermitted("it went live: open it by its name to write it");
  if (open.drop && open.drop->refused) return *open.drop->refused;
  if (open.append) offset = scratch.bytes.size();
  const auto refuse = [&](Error error) {
    lock.unlock();
    return RefuseScratch(caller, scratch.node, std::move(error));
  };
  if (offset > kFileBytesMax || bytes.size() > kFileBytesMax - offset) return refuse(TooLarge());
  const auto start = static_cast<std::size_t>(offset);
  if (scratch.bytes.size() < start + bytes.size() && !scratch.bytes.Resize(start + bytes.size()))
    return refuse(NoMemory());
  std::copy(bytes.begin(), bytes.end(), scratch.bytes.data() + start);
  scratch.attributes.mtime = scratch.attributes.ctime = keystore_.Now();
  if (open.drop && !bytes.empty()) return WroteDrop(caller, scratch, *open.drop, start);
  return {};
}

Result<Node> Volume::SetScratchAttributes(const Caller& caller, ScratchFile& scratch,
                                          const AttributeChange& change, std::optional<std::uint64_t> size) {
  const bool key = scratch.placeholder && IsKeyMaterial(*scratch.placeholder);
  if (key && !CheckFilePermissions(*scratch.placeholder, change).has_value()) {
    Record(caller, NodeId::OfDirectory(scratch.entry), FileName(*scratch.placeholder), KeyForOthers());
    return KeyForOthers();
  }
  const std::uint32_t links = state_->scratch.LinksOf(scratch.node);
  std::unique_lock lock(scratch.mutex);
  const auto refuse = [&](Error error) {
    lock.unlock();
    return RefuseScratch(caller, scratch.node, std::move(error));
  };
  if (size) {
    if (scratch.directory) return Error(ErrorCode::kIsADirectory, "a directory");
    if (scratch.placeholder && *size != 0) return NotPermitted("an empty file is opened to be written");
    if (scratch.went_live) return NotPermitted("it went live: open it by its name to write it");
    if (*size > kFileBytesMax) return refuse(TooLarge());
    if (!scratch.bytes.Resize(static_cast<std::size_t>(*size))) return refuse(NoMemory());
    scratch.attributes.mtime = keystore_.Now();
  }
  Attributes& attributes = scratch.attributes;
  if (change.mode || change.access_acl) {
    // Tools set a mode by way of an ACL, too. Nobody but its owner sees it: its mode is all that counts of
    // one.
    SetPermissions(attributes, change);
    attributes.mode &= 0777;
    attributes.access_acl = {};
    scratch.wanted.mode = attributes.mode;
  }
  if (change.uid) scratch.wanted.uid = attributes.uid = *change.uid;
  if (change.gid) scratch.wanted.gid = attributes.gid = *change.gid;
  if (change.atime) scratch.wanted.atime = attributes.atime = *change.atime;
  if (change.mtime) scratch.wanted.mtime = attributes.mtime = *change.mtime;
  attributes.ctime = keystore_.Now();
  return NodeOf(scratch, links);
}

Result<void> Volume::UnlinkScratch(const Caller& caller, NodeId directory, std::string_view name) {
  const ScratchPointer scratch = FindScratch(caller, directory, name);
  if (!scratch) return NoSuchName();
  if (scratch->directory) return Error(ErrorCode::kIsADirectory, "a directory");
  state_->scratch.Remove(NameOf(caller, directory, name), state_->Now());
  return {};
}

std::optional<Result<void>> Volume::RemoveScratchDirectory(const Caller& caller, NodeId parent,
                                                           std::string_view name) {
  const ScratchPointer scratch = FindScratch(caller, parent, name);
  if (!scratch) return std::nullopt;
  if (!scratch->directory) return Result<void>(Error(ErrorCode::kNotADirectory, "a file"));
  const Instant now = state_->Now();
  if (state_->scratch.HasAny(scratch->node, now))
    return Result<void>(Error(ErrorCode::kNotEmpty, "there are files in it"));
  state_->scratch.Remove(NameOf(caller, parent, name), now);
  return Result<void>();
}

// --- Other names, and becoming live

std::optional<Result<void>> Volume::RenameScratch(const Caller& caller, NodeId parent, std::string_view name,
                                                  NodeId new_parent, std::string_view new_name,
                                                  bool replace) {
  const auto rename_away = [&](const Entry& entry, Member member) -> Result<void> {
    TRY(CopyToScratch(caller, parent, member, new_name, replace));
    state_->first_halves.RenamedAway(entry.number, member, caller.thread, state_->Now());
    // The kernel moves what it knows under the old name to the new one.
    state_->observer.NameChanged(parent, name);
    state_->observer.NameChanged(parent, new_name);
    return {};
  };
  const auto rename = [&](const ScratchPointer& scratch) -> Result<void> {
    const Instant now = state_->Now();
    const ScratchTable::Name from = NameOf(caller, parent, name);
    if (TRY(TakesScratch(new_parent, new_name))) {
      if (scratch->directory && new_parent.is_staging())
        return NotPermitted("a temporary directory holds files");
      const ScratchPointer there = FindScratch(caller, new_parent, new_name);
      if (there && !replace) return NameTaken();
      if (there && (there->directory || scratch->directory)) return NameTaken();
      if (IsDropDirectory(new_parent)) {
        const std::lock_guard lock(scratch->mutex);
        const auto taken = TRY(Take(caller, *scratch, new_parent, new_name));
        if (taken == DropKind::kProfile) {
          // The profile itself is there now, for everybody.
          state_->scratch.Remove(from, now);
          state_->observer.NameChanged(parent, name);
          state_->observer.NameChanged(new_parent, new_name);
          return {};
        }
      }
      if (!scratch->placeholder) {
        state_->scratch.Move(from, NameOf(caller, new_parent, new_name), now);
        return {};
      }
      // What it stood for does not move along: an empty file does.
      const std::uint32_t mode = [&] {
        const std::lock_guard lock(scratch->mutex);
        return scratch->attributes.mode;
      }();
      TRY(MakeScratch(caller, new_parent, new_name, mode, false, true));
      state_->scratch.Remove(from, now);
      return {};
    }
    std::vector<std::pair<NodeId, std::string_view>> untold;
    auto committed = CommitScratch(caller, *scratch, new_parent, new_name, replace, true, untold);
    TellAround(new_parent, untold);
    TRY(std::move(committed));
    state_->scratch.Remove(from, now);
    state_->observer.NameChanged(parent, name);
    state_->observer.NameChanged(new_parent, new_name);
    return {};
  };
  const auto live = [&]() -> Result<std::optional<Entry>> {
    const auto member = MemberNamed(name);
    if (!member || parent.is_staging()) return std::optional<Entry>();
    Place place = TRY(Resolve(keystore_, parent));
    if (place.entry && !place.entry->file(*member)) place.entry.reset();
    return std::move(place.entry);
  }();
  if (!live.has_value()) return Result<void>(live.error());
  if (live.value()) {
    if (parent != new_parent || !IsScratchName(new_name)) return std::nullopt;
    const Result<bool> takes = TakesScratch(parent, new_name);
    if (!takes.has_value()) {
      // Of BACKUP_STORE the tree's own table speaks.
      if (takes.error().code() == ErrorCode::kReadOnly) return std::nullopt;
      return Result<void>(takes.error());
    }
    return rename_away(*live.value(), *MemberNamed(name));
  }
  const ScratchPointer scratch = FindScratch(caller, parent, name);
  if (!scratch) return RenameProfileAway(caller, parent, name, new_parent, new_name);
  return rename(scratch);
}

Result<Node> Volume::Link(const Caller& caller, NodeId node, NodeId parent, std::string_view name) {
  return Recorded(caller, "link", parent, name, [&]() -> Result<Node> {
    if (IsGenerated(parent)) return Generated();
    const bool takes = TRY(TakesScratch(parent, name));
    if (const ScratchPointer scratch = FindScratch(node)) {
      if (scratch->directory || scratch->placeholder || scratch->uid != caller.uid)
        return NotPermitted("it cannot be linked");
      if (!takes) {
        std::vector<std::pair<NodeId, std::string_view>> untold;
        auto committed = CommitScratch(caller, *scratch, parent, name, false, false, untold);
        TellAround(parent, untold);
        const Node became = TRY(std::move(committed));
        // It is done, also where it cannot be looked at any more.
        auto found = Lookup(caller, parent, name);
        return found.has_value() ? found : became;
      }
      if (IsDropDirectory(parent)) {
        if (FindScratch(caller, parent, name)) return NameTaken();
        const std::lock_guard lock(scratch->mutex);
        if (TRY(Take(caller, *scratch, parent, name)) == DropKind::kProfile) {
          auto found = Lookup(caller, parent, name);
          // Its name is looked up again before anybody uses it.
          return found.has_value() ? found : NodeOf(*scratch, 1);
        }
      }
      TRY(state_->scratch.Add(NameOf(caller, parent, name), scratch, state_->Now()));
      return NodeOfScratch(*scratch);
    }
    const auto member = node.member();
    if (!takes || !member || parent != NodeId::OfDirectory(node.number()))
      return NotPermitted("files of entries have one name");
    return CopyToScratch(caller, parent, *member, name, false);
  });
}

}  // namespace certfs
