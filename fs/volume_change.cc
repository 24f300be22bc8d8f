// Changes of the tree: directories, names, attributes.

#include "fs/volume.h"
#include "fs/volume/state.h"

namespace certfs {

namespace {

Actor ActorOf(const Caller& caller) { return {caller.uid, caller.gid, caller.umask}; }

// Says whether a refusal is worth a line: an outcome that any program provokes as a matter of course is not.
bool IsWorthALine(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kAlreadyExists:  // A name, or what a rule has only one of.
      return !error.rule().empty();
    case ErrorCode::kNotFound:
    case ErrorCode::kNotEmpty:
    case ErrorCode::kNotADirectory:
    case ErrorCode::kIsADirectory:
    case ErrorCode::kNameTooLong:
    case ErrorCode::kCrossStore:
    case ErrorCode::kStale:
      return false;
    default:
      return true;
  }
}

std::string FixedPath(Fixed fixed) {
  switch (fixed) {
    case Fixed::kRoot:
      return "";
    case Fixed::kStores:
      return "stores/";
    case Fixed::kStatus:
      return "status/";
    case Fixed::kLink:
      return "stores/" + std::string(kLinkName);
    case Fixed::kExport:
      return "export/";
    case Fixed::kBackup:
      return "backup/";
    case Fixed::kAuthority:
      return "ca/";
    case Fixed::kRequests:
      return "ca/requests/";
    case Fixed::kIssued:
      return "ca/issued/";
    case Fixed::kProfiles:
      return "ca/profiles/";
    case Fixed::kControl:
      return "ca/control";
    default:
      const StatusFile* const file = FindStatusFile(fixed);
      return file != nullptr ? "status/" + std::string(file->name) : "";
  }
}

// What export/ shows under a path that begins with "stores/".
std::string ExportPath(const std::string& path) { return "export" + path.substr(path.find('/')); }

// The path of a file of the authority. Of what was issued the number of its line stands for its name.
std::string AuthorityPath(AuthorityFile file, Number number) {
  switch (file) {
    case AuthorityFile::kRoot:
      return "ca/root.pem";
    case AuthorityFile::kChain:
      return "ca/chain.pem";
    case AuthorityFile::kListPem:
      return "ca/crl.pem";
    case AuthorityFile::kListDer:
      return "ca/crl.der";
    case AuthorityFile::kBackup:
      return "backup/ca.p12";
    case AuthorityFile::kProfile:
      return "ca/profiles/?";
    case AuthorityFile::kSerial:
    case AuthorityFile::kPickup:
    case AuthorityFile::kPickupKey:
      return "ca/issued/#" + std::to_string(number);
  }
  return "ca/?";
}

// The path of `node`, which is beneath export/ or backup/, or a file of the authority.
std::string ViewPath(Keystore& keystore, NodeId node) {
  const auto kind = node.view_kind();
  if (const auto file = AuthorityFileOf(node)) return AuthorityPath(*file, node.number());
  if (IsBackup(node)) return "backup/" + std::string(NameOf(static_cast<BackupFile>(*kind)));
  const View* const view = kind ? FindViewOf(static_cast<ViewKind>(*kind)) : nullptr;
  const std::string name(view != nullptr ? view->name : kind ? "?" : "");
  if (node.number() == 0) return "export/" + name;
  const auto snapshot = keystore.Snapshot();
  if (!snapshot.has_value()) return "export/?";
  const auto place = Resolve(*snapshot.value(), NodeId::OfDirectory(node.number()));
  if (!place.has_value()) return "export/?";
  std::string path = "export/?";
  if (place.value().store) path = ExportPath(PathOf(*place.value().store));
  if (place.value().entry) path = ExportPath(PathOf(*snapshot.value(), *place.value().entry));
  return name.empty() ? path : path + "/" + name;
}

}  // namespace

std::string ChildPath(Keystore& keystore, NodeId parent, std::string_view name) {
  if (const auto fixed = parent.fixed()) return FixedPath(*fixed) + std::string(name);
  if (parent.is_view()) return ViewPath(keystore, parent) + "/" + std::string(name);
  const auto snapshot = keystore.Snapshot();
  if (!snapshot.has_value()) return std::string(name);
  const auto place = Resolve(*snapshot.value(), parent);
  if (!place.has_value()) return std::string(name);
  if (place.value().store) return PathOf(*place.value().store) + "/" + std::string(name);
  if (place.value().entry) return PathOf(*snapshot.value(), *place.value().entry) + "/" + std::string(name);
  return std::string(name);
}

std::string NodePath(Keystore& keystore, NodeId node) {
  if (const auto fixed = node.fixed()) return FixedPath(*fixed);
  if (node.is_view()) return ViewPath(keystore, node);
  const auto snapshot = keystore.Snapshot();
  if (!snapshot.has_value()) return "?";
  const auto place = Resolve(*snapshot.value(), node);
  if (!place.has_value()) return "?";
  if (place.value().store) return PathOf(*place.value().store);
  if (!place.value().entry) return "?";
  const std::string entry = PathOf(*snapshot.value(), *place.value().entry);
  return node.member() ? entry + "/" + std::string(FileName(*node.member())) : entry;
}

std::optional<std::uint32_t> OwnerToBe(const Caller& caller, const AttributeChange& change) {
  if (!change.SetsPermissions() || caller.uid == 0) return std::nullopt;
  return caller.uid;
}

Error Volume::RefuseOpen(const Caller& caller, NodeId node, Error error) {
  if (!IsWorthALine(error)) return error;
  return state_->Refuse(caller, keystore_.Now(), NodePath(keystore_, node), std::move(error));
}

void Volume::Record(const Caller& caller, NodeId parent, std::string_view name, const Error& error) {
  if (!IsWorthALine(error)) return;
  static_cast<void>(state_->Refuse(caller, keystore_.Now(), ChildPath(keystore_, parent, name), error));
}

Result<Node> Volume::MakeDirectory(const Caller& caller, NodeId parent, std::string_view name,
                                   std::uint32_t mode) {
  return Recorded(caller, "mkdir", parent, name, [&]() -> Result<Node> {
    if (IsGenerated(parent)) return Generated();
    if (parent == NodeId::Of(Fixed::kStores)) {
      const Store made = TRY(keystore_.CreateStore(TRY(StoreName::Parse(name)), ActorOf(caller), mode));
      state_->stores_changed = keystore_.Now();
      return NodeOf(made);
    }
    const Place place = TRY(Resolve(keystore_, parent));
    const auto in = [&](const Attributes& directory) {
      mode |= directory.mode & kSetGroupId;  // A directory hands the bit down.
      Actor owner = ActorOf(caller);
      owner.gid = GroupToBe(caller, directory);
      return owner;
    };
    if (place.entry && name == kNextName && !place.entry->is_staged()) {
      const Actor owner = in(place.entry->attributes);
      return NodeOf(TRY(keystore_.CreateNext(place.entry->number, owner, mode)));
    }
    if (place.entry && TRY(TakesScratch(parent, name)))
      return NodeOfScratch(*TRY(MakeScratch(caller, parent, name, mode, true)));
    if (!place.store) return NotPermitted("no directory can be made here");
    const Actor owner = in(place.store->attributes);
    return NodeOf(TRY(keystore_.CreateEntry(place.store->number, TRY(Alias::Parse(name)), owner, mode)));
  });
}

Result<void> Volume::MakeSpecial(const Caller& caller, NodeId parent, std::string_view name) {
  return Recorded(caller, "mknod", parent, name, [&]() -> Result<void> {
    return NotPermitted("neither symbolic links nor special files are kept here");
  });
}

Result<void> Volume::RemoveDirectory(const Caller& caller, NodeId parent, std::string_view name) {
  return Recorded(caller, "rmdir", parent, name, [&]() -> Result<void> {
    if (IsGenerated(parent)) return Generated();
    if (parent == NodeId::Of(Fixed::kStores)) {
      if (name == kLinkName) return Error(ErrorCode::kNotADirectory, "a link");
      TRY(keystore_.RemoveStore(TRY(StoreName::Parse(name))));
      state_->stores_changed = keystore_.Now();
      return {};
    }
    if (const auto removed = RemoveScratchDirectory(caller, parent, name)) return *removed;
    const Place place = TRY(Resolve(keystore_, parent));
    // Scratch is no reason to stay, and goes along.
    const auto child = Lookup(caller, parent, name);
    if (!child.has_value() && child.error().code() != ErrorCode::kNotFound) return child.error();
    const auto with_scratch = [&](Result<void> removed) {
      if (removed.has_value() && child.has_value()) state_->scratch.Clear(child.value().id);
      return removed;
    };
    if (place.store) {
      return with_scratch(
          keystore_.RemoveEntry(place.store->number, TRY(Alias::ParseGiven(name)), ActorOf(caller)));
    }
    if (place.entry && name == kNextName && !place.entry->is_staged())
      return with_scratch(keystore_.RemoveNext(place.entry->number));
    if (place.entry) return Error(ErrorCode::kNotADirectory, "a file");
    return NotPermitted("this directory stays");
  });
}

Result<void> Volume::Unlink(const Caller& caller, NodeId parent, std::string_view name) {
  return Recorded(caller, "remove", parent, name, [&]() -> Result<void> {
    if (parent == NodeId::Of(Fixed::kStatus)) return Error(ErrorCode::kReadOnly, "a generated file");
    if (IsAuthorityDirectory(parent)) return UnlinkAuthority(caller, parent, name);
    if (IsGenerated(parent)) return Generated();
    if (parent == NodeId::Of(Fixed::kStores) && name == kLinkName) return NotPermitted("this link stays");
    if (parent.is_staging()) return UnlinkScratch(caller, parent, name);
    const Place place = TRY(Resolve(keystore_, parent));
    if (!place.entry) return Error(ErrorCode::kIsADirectory, "a directory");
    if (name == kNextName && !place.entry->is_staged()) return Error(ErrorCode::kIsADirectory, "a directory");
    const auto member = MemberNamed(name);
    if (!member || !place.entry->file(*member)) {
      if (member && state_->went_live.Remove(place.entry->number, *member, state_->Now())) return {};
      return UnlinkScratch(caller, parent, name);
    }
    // An open may lie between its lookup and this removal, as it may before a commit.
    WriteOutcome outcome;
    {
      Replacement replacement = BeginReplacing({&place.entry->number, 1});
      RemovedFile removed;
      outcome = TRY(keystore_.RemoveFile(place.entry->number, *member, ActorOf(caller), &removed));
      replacement.Done();
      state_->seen_entries.Moved(place.entry->number, 0, SetOf(*member));
      state_->first_halves.Replaced(place.entry->number, *member);
      state_->first_halves.Removed(caller.thread, std::move(removed), state_->Now());
    }
    TellKept(outcome.kept);
    // Of BACKUP_STORE alone: the kernel holds this directory until the answer.
    if (outcome.kept != 0) state_->observer.Settle(KernelHolds::kDirectory);
    return {};
  });
}

void Volume::TellKept(Number entry, Staging* staging) {
  if (entry == 0 || !state_->seen_entries.IsHeld(entry)) return;
  for (const Member member : kMembers) {
    if (staging != nullptr) {
      Tell(*staging, NodeId::OfDirectory(entry), FileName(member));
    } else {
      state_->observer.NameChanged(NodeId::OfDirectory(entry), FileName(member));
    }
  }
}

Result<void> Volume::Rename(const Caller& caller, NodeId parent, std::string_view name, NodeId new_parent,
                            std::string_view new_name, unsigned flags) {
  const bool known_flags = (flags & ~kRenameNoReplace) == 0;
  if (known_flags) {
    const bool replace = (flags & kRenameNoReplace) == 0;
    if (const auto renamed = RenameScratch(caller, parent, name, new_parent, new_name, replace)) {
      // What it was refused as is what people look for.
      if (!renamed->has_value()) Record(caller, new_parent, new_name, renamed->error());
      return *renamed;
    }
  }
  return Recorded(caller, "rename", parent, name, [&]() -> Result<void> {
    AuditedRequest::Current()->Describe("to " + ChildPath(keystore_, new_parent, new_name));
    if (!known_flags) return Error(ErrorCode::kInvalidArgument, "names cannot be exchanged");
    if (IsGenerated(parent) || IsGenerated(new_parent)) return Generated();
    const NodeId stores = NodeId::Of(Fixed::kStores);
    if (parent == stores) {
      if (name == kLinkName) return NotPermitted("this link stays");
      const StoreName from = TRY(StoreName::Parse(name));
      if (!PolicyOf(from).removable) {
        return Error(ErrorCode::kNotPermitted, "protected-store",
                     "the store " + from.text() + " is protected");
      }
      if (new_parent != stores) return NotPermitted("a store stays among the stores");
      TRY(keystore_.RenameStore(from, TRY(StoreName::Parse(new_name))));
      state_->stores_changed = keystore_.Now();
      return {};
    }
    const Place from = TRY(Resolve(keystore_, parent));
    const Place to = TRY(Resolve(keystore_, new_parent));
    if (!from.store) return NotPermitted("files keep their names");
    if (!to.store) return NotPermitted("an entry stays in its store");
    if (from.store->number != to.store->number) {
      return Error(ErrorCode::kCrossStore, "an entry is renamed only within its store");
    }
    return keystore_.RenameEntry(from.store->number, TRY(Alias::Parse(name)), TRY(Alias::Parse(new_name)),
                                 ActorOf(caller));
  });
}

Result<Node> Volume::SetWentLive(const Entry& next, Number number, Member member,
                                 const AttributeChange& change) {
  AttributeChange times;
  times.atime = change.atime;
  times.mtime = change.mtime;
  if (!times.empty()) {
    const Entry live = TRY(keystore_.SetFileAttributes(number, member, times));
    state_->observer.NameChanged(NodeId::OfDirectory(number), FileName(member));
    state_->observer.AttributesChanged(NodeOf(live, member).id);
    return NodeOf(next, live, member);
  }
  const auto snapshot = TRY(keystore_.Snapshot());
  const std::optional<Entry> live = TRY(snapshot->FindEntryByNumber(number));
  if (!live || !live->file(member)) return Error(ErrorCode::kStale, "the live file is gone");
  return NodeOf(next, *live, member);
}

Result<Node> Volume::SetAttributes(const Caller& caller, NodeId node, HandleId handle,
                                   const AttributeChange& change, std::optional<std::uint64_t> size) {
  StagingPointer staging;
  {
    const std::lock_guard lock(state_->mutex);
    const auto writer = state_->writers.find(handle);
    if (writer != state_->writers.end()) staging = writer->second;
    const auto named = state_->stagings.find(node);
    if (!staging && named != state_->stagings.end()) staging = named->second;
  }
  if (staging) {
    auto set = SetStagingAttributes(caller, *staging, change, size);
    // A refusal may have changed names: what was removed to be replaced is there again.
    if (!set.has_value() || change.SetsPermissions()) state_->observer.Settle(KernelHolds::kNoDirectory);
    return set;
  }
  if (auto set = SetDropAttributes(caller, node, handle, change, size)) return *std::move(set);
  if (const ScratchPointer scratch = FindScratch(node))
    return SetScratchAttributes(caller, *scratch, change, size);
  if (node.is_staging()) return Error(ErrorCode::kStale, "its writer is gone");

  const CallerRequest request(caller, state_->processes, NameOfChange(change, size),
                              NodePath(keystore_, node));
  const auto set = [&]() -> Result<Node> {
    if (node.fixed() == Fixed::kRequests && !size && !change.empty()) {
      if (change.access_acl || change.default_acl)
        return Error(ErrorCode::kUnsupported, "ca/requests has an owner, a group and a mode");
      // Its times are those of the mount, whatever is set.
      Node requests = TRY(GetAttributes(caller, node, handle));
      if (change.SetsPermissions()) TRY(state_->authority.SetRequestsAttributes(change));
      SetPermissions(requests.attributes, change);
      return requests;
    }
    // Of what is taken as it is, times and permissions are nobody's to set; tools do so all the same.
    if (AuthorityFileOf(node) == AuthorityFile::kProfile && !size) return GetAttributes(caller, node, handle);
    if (node.fixed() == Fixed::kControl && size) return GetAttributes(caller, node, handle);
    if (IsGenerated(node)) {
      if (!size && change.empty()) return GetAttributes(caller, node, handle);
      return Generated();
    }
    if (const auto fixed = node.fixed()) {
      if (size) return Error(ErrorCode::kReadOnly, "a generated file");
      if (change.empty()) return GetAttributes(caller, node, handle);
      return NotPermitted("its owner, mode and times are fixed");
    }
    if (size)
      return NotPermitted("truncating by path would take the bytes from its readers; open it for writing");
    if (change.empty()) return GetAttributes(caller, node, handle);
    const Place place = TRY(Resolve(keystore_, node));
    if (const auto member = node.member()) {
      const bool live = place.entry && place.entry->file(*member) && node.HasRevision(place.entry->revision);
      // The kernel takes the answer for what this node is: of a superseded revision it must not learn the
      // live size.
      if (!live && place.entry && !place.entry->file(*member) && node.HasRevision(place.entry->revision)) {
        if (const auto went = state_->went_live.Find(place.entry->number, *member, state_->Now()))
          return SetWentLive(*place.entry, *went, *member, change);
      }
      if (!live && !state_->FindSuperseded(node, state_->Now())) {
        return Error(ErrorCode::kStale, "a superseded revision");
      }
      const Entry entry =
          TRY(keystore_.SetFileAttributes(node.number(), *member, change, OwnerToBe(caller, change)));
      if (change.SetsPermissions()) TellViews(node);
      if (node.HasRevision(entry.revision)) return NodeOf(entry, *member);
      state_->observer.AttributesChanged(NodeOf(entry, *member).id);
      if (change.SetsPermissions()) state_->observer.Settle(KernelHolds::kNoDirectory);
      if (auto superseded = state_->FindSuperseded(node, state_->Now())) return *std::move(superseded);
      return Error(ErrorCode::kStale, "a superseded revision");
    }
    const auto told = [&](const Node& changed) {
      if (change.SetsPermissions()) TellViews(node);
      return changed;
    };
    if (place.entry) return told(NodeOf(TRY(keystore_.SetEntryAttributes(place.entry->number, change))));
    if (place.store) return told(NodeOf(TRY(keystore_.SetStoreAttributes(place.store->number, change))));
    return Error(ErrorCode::kStale, "the directory is gone");
  };
  auto outcome = set();
  // Whoever may not read any more must not get at it by a view either.
  if (outcome.has_value() && change.SetsPermissions()) {
    state_->observer.Settle(node.member() ? KernelHolds::kNoDirectory : KernelHolds::kDirectory);
  }
  if (!outcome.has_value() && IsWorthALine(outcome.error())) {
    static_cast<void>(state_->Refuse(caller, keystore_.Now(), NodePath(keystore_, node), outcome.error()));
  }
  return outcome;
}

}  // namespace certfs
