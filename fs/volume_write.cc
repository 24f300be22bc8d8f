// Writing: staging inodes, and the states of a handle that writes.

#include <algorithm>
#include <utility>

#include "crypto/pem.h"
#include "fs/volume.h"
#include "fs/volume/state.h"

namespace certfs {

namespace {

// How much of a file's start decides whether it may be one at all.
constexpr std::size_t kStartBytes = 64;

Error WriterDied() {
  return {ErrorCode::kCancelled, "writer-died", "the writer was killed before it had finished"};
}

Error MadeByCertfs() { return {ErrorCode::kReadOnly, "request.csr is made from request.cfg"}; }

// What a file has that `caller` makes in `entry`.
Attributes NewAttributesOf(Member member, const Caller& caller, const Entry& entry, Time now) {
  const Actor owner{caller.uid, GroupToBe(caller, entry.attributes)};
  return NewFileAttributes(member, owner, entry.attributes, now);
}

// One that `caller` writes to.
Result<StagingPointer> MakeStaging(WriterShares& shares, const Caller& caller) {
  auto staging = std::make_shared<Staging>(shares.Of(caller.uid), shares.WritersOf(caller.uid));
  if (staging->Count()) return staging;
  return Error(ErrorCode::kNoMemory, "too-many-writers", "too many files are open for writing: close some");
}

}  // namespace

Result<Node> Volume::Stage(const Caller& caller, NodeId live, NodeId as) {
  if (live.fixed() || live.is_view()) return Error(ErrorCode::kReadOnly, "a generated file");
  const auto member = live.member();
  if (!member) return Error(ErrorCode::kIsADirectory, "not a file");
  const auto snapshot = TRY(keystore_.Snapshot());
  const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(live.number()));
  // It was removed after the kernel had looked it up. Who opens with O_CREAT makes it anew, and must not be
  // told that it is not there.
  if (!entry) return Error(ErrorCode::kStale, "the file is gone");
  std::optional<Entry> shown = entry;  // Whose file the name shows.
  if (!entry->file(*member)) shown = TRY(state_->FindWentLive(*snapshot, *entry, *member, state_->Now()));
  if (!shown) return Error(ErrorCode::kStale, "the file is gone");
  if (*member == Member::kSigningRequest) return MadeByCertfs();
  const std::optional<Store> store = TRY(snapshot->FindStoreByNumber(entry->store));
  if (store && PolicyOf(store->name).holds == Holds::kNothing) return WrittenByCertfs(*store);

  auto staging = TRY(MakeStaging(state_->shares, caller));
  staging->entry = entry->number;
  staging->member = *member;
  staging->shown_as = live;
  staging->path = PathOf(*snapshot, *entry) + "/" + std::string(FileName(*member));
  staging->created = !entry->file(*member);
  staging->attributes = staging->created ? NewAttributesOf(*member, caller, *entry, keystore_.Now())
                                         : entry->file(*member)->attributes;
  staging->live_size = shown->file(*member)->size;
  staging->basis = shown->number;
  staging->replaces = entry->is_staged() ? entry->origin : 0;
  staging->opener = caller;
  Register(staging, as);
  const std::lock_guard lock(staging->mutex);
  return NodeOf(*staging);
}

void Volume::Unstage(NodeId node) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->stagings.find(node);
  if (found == state_->stagings.end()) return;
  for (const auto& [handle, staging] : state_->writers) {
    if (staging == found->second) return;
  }
  state_->stagings.erase(found);
}

Result<StagingPointer> Volume::NewStaging(const Caller& caller, NodeId parent, std::string_view name) {
  const auto snapshot = TRY(keystore_.Snapshot());
  const Place place = TRY(Resolve(*snapshot, parent));
  if (place.store && PolicyOf(place.store->name).holds == Holds::kNothing)
    return WrittenByCertfs(*place.store);
  if (IsGenerated(parent)) return Generated();
  if (parent.fixed() == Fixed::kRequests)
    return NotPermitted("ca/requests takes NAME.csr and NAME.cfg, and no other name");
  if (parent.fixed() == Fixed::kProfiles)
    return NotPermitted("ca/profiles takes NAME.toml, and no other name");
  if (!place.entry) return NotPermitted("files live in entries: mkdir one first");
  const std::optional<Store> store = TRY(snapshot->FindStoreByNumber(place.entry->store));
  if (store && PolicyOf(store->name).holds == Holds::kNothing) return WrittenByCertfs(*store);
  const auto member = MemberNamed(name);
  if (!member) return NotPermitted("an entry holds cert.pem, key.pem, crl.pem and secret, and no other name");
  if (*member == Member::kSigningRequest && place.entry->is_staged()) return MadeByCertfs();
  if (!store || !MayHold(PolicyOf(store->name), *place.entry, *member)) {
    return NotPermitted("this entry holds no " + std::string(name));
  }

  auto staging = TRY(MakeStaging(state_->shares, caller));
  staging->entry = place.entry->number;
  staging->member = *member;
  staging->path = PathOf(*snapshot, *place.entry) + "/" + std::string(name);
  staging->replaces = place.entry->is_staged() ? place.entry->origin : 0;
  staging->opener = caller;
  if (const auto& live = place.entry->file(*member)) {
    staging->attributes = live->attributes;
    return staging;
  }
  staging->removed =
      state_->first_halves.TakeRemoved(place.entry->number, *member, caller.thread, state_->Now());
  staging->created = !staging->removed;
  staging->attributes = staging->removed ? staging->removed->file.attributes
                                         : NewAttributesOf(*member, caller, *place.entry, keystore_.Now());
  return staging;
}

NodeId Volume::Register(const StagingPointer& staging, NodeId as) {
  const std::lock_guard lock(state_->mutex);
  staging->node = as != NodeId() ? as : NodeId::OfStaging(state_->next_staging++);
  state_->stagings.insert_or_assign(staging->node, staging);
  return staging->node;
}

Result<Volume::Created> Volume::Create(const Caller& caller, NodeId parent, std::string_view name,
                                       OpenMode mode, std::uint32_t permissions) {
  return Recorded(caller, "create", parent, name, [&]() -> Result<Created> {
    if (parent.fixed() == Fixed::kStatus) return Error(ErrorCode::kReadOnly, "nothing can be made here");
    if (IsGenerated(parent)) return Generated();
    mode.write = true;
    if (TRY(TakesScratch(parent, name))) {
      const ScratchPointer scratch = TRY(MakeScratch(caller, parent, name, permissions, false));
      const HandleId handle = TRY(OpenScratch(caller, scratch, mode));
      return Created{NodeOfScratch(*scratch), handle};
    }
    const StagingPointer staging = TRY(NewStaging(caller, parent, name));
    // The kernel saw no such name, but somebody may have made the file since; to whoever renamed it away it
    // is still there to be replaced.
    const bool there = !staging->created && !staging->removed;
    const bool away =
        there && state_->first_halves.IsAway(staging->entry, staging->member, caller.thread, state_->Now());
    if (mode.exclusive && there && !away) return NameTaken();
    staging->exclusive = mode.exclusive && !away;
    mode.truncate = true;
    const HandleId handle = TRY(OpenStaging(caller, Register(staging), mode));
    const std::lock_guard lock(staging->mutex);
    return Created{NodeOf(*staging), handle};
  });
}

Result<HandleId> Volume::OpenStaging(const Caller& caller, NodeId node, OpenMode mode) {
  StagingPointer staging;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->stagings.find(node);
    if (found == state_->stagings.end()) return Error(ErrorCode::kStale, "its writer is gone");
    staging = found->second;
    if (!mode.write && !staging->opened) {
      // The retry that this inode was made for never came; whoever reads now wants the live file.
      state_->stagings.erase(found);
      return Error(ErrorCode::kStale, "a staging inode that nobody writes");
    }
  }
  SecretBytes live;
  NodeId edited;  // The key with whose bytes it begins.
  if (mode.write && !mode.truncate && staging->basis != 0) {
    const auto snapshot = TRY(keystore_.Snapshot());
    const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(staging->basis));
    // What is withheld is not read by whoever edits it, either.
    if (entry && mode.read && staging->member == Member::kKey) {
      auto released = state_->key_release.Check(*snapshot, *entry);
      if (!released.has_value())
        return state_->Refuse(caller, keystore_.Now(), staging->path, std::move(released).error());
    }
    if (entry && entry->file(staging->member)) live = TRY(snapshot->ReadFile(*entry, staging->member));
    if (mode.read && !live.empty() && IsKeyMaterial(staging->member))
      edited = NodeId::OfFile(entry->number, staging->member, entry->revision);
  }
  const std::lock_guard staging_lock(staging->mutex);
  if (staging->opened) {
    return state_->Refuse(caller, keystore_.Now(), staging->path,
                          NotPermitted("what is being written cannot be opened again"));
  }
  if (edited != NodeId()) {
    CallerRequest request(caller, state_->processes, "read", staging->path);
    request.Describe("to edit it");
    TRY(NoteReading(request.request(), edited));
  }
  if (!live.empty()) {
    if (!staging->Resize(live.size())) return NoMemory();
    const BytesView bytes = live.Reveal();
    std::copy(bytes.begin(), bytes.end(), staging->buffer.data());
  }
  staging->opened = true;
  staging->opener = state_->audit != nullptr ? Known(caller, state_->processes) : caller;
  staging->opener_process = state_->processes.ProcessOf(caller.thread);
  staging->append = mode.append;
  const std::lock_guard lock(state_->mutex);
  const HandleId handle = state_->NewHandle(HandleUse::kWrites);
  state_->writers.emplace(handle, staging);
  return handle;
}

std::shared_ptr<Staging> Volume::FindWriter(HandleId handle) {
  const std::lock_guard lock(state_->mutex);
  const auto writer = state_->writers.find(handle);
  return writer == state_->writers.end() ? nullptr : writer->second;
}

Result<void> Volume::Write(const Caller& caller, HandleId handle, std::uint64_t offset, BytesView bytes) {
  const StagingPointer staging = FindWriter(handle);
  if (!staging) {
    if (const auto control = FindControl(handle)) return Command(caller, *control, bytes);
    if (state_->IsLostWriter(handle)) return LostWithItsDaemon();
    return WriteScratch(caller, handle, offset, bytes);
  }
  std::unique_lock lock(staging->mutex);
  if (staging->refused) return *staging->refused;
  if (bytes.empty()) return {};
  if (staging->append) offset = staging->buffer.size();
  const auto refuse = [&](Error error) -> Result<void> {
    const bool returns = staging->removed.has_value();
    Undo(caller, *staging);
    error = state_->Refuse(caller, keystore_.Now(), staging->path, std::move(error));
    staging->refused = error;
    lock.unlock();
    if (returns) state_->observer.Settle(KernelHolds::kNoDirectory);
    return error;
  };
  if (offset > kFileBytesMax || bytes.size() > kFileBytesMax - offset) return refuse(TooLarge());

  const auto start = static_cast<std::size_t>(offset);
  if (staging->buffer.size() < start + bytes.size()) {
    // Else the close would commit the bytes before this write, and the writer may not look at this call.
    if (!staging->Resize(start + bytes.size())) return refuse(NoMemory());
  }
  std::copy(bytes.begin(), bytes.end(), staging->buffer.data() + start);
  staging->dirty = true;
  if (staging->writer_thread != caller.thread || staging->writer_process == 0) {
    staging->writer_process = staging->ProcessOf(caller.thread, state_->processes);
    staging->writer_thread = caller.thread;
  }
  // A shell's built-in echo does not look at close: what can never become valid is told here.
  const BytesView written = staging->buffer.Reveal();
  const bool any_start = staging->member == Member::kSecret || staging->member == Member::kRequest;
  if (start < kStartBytes && !any_start && !MayBegin(written.first(std::min(written.size(), kStartBytes)))) {
    return refuse({ErrorCode::kMalformed, "unreadable", "no certificate, key or CRL file begins like this"});
  }
  return {};
}

Result<void> Volume::Flush(const Caller& closer, HandleId handle) {
  const StagingPointer staging = FindWriter(handle);
  if (!staging && state_->IsLostWriter(handle)) return LostWithItsDaemon();
  if (!staging) return FlushDrop(closer, handle, false);
  bool changed = false;
  const auto flush = [&]() -> Result<void> {
    const std::lock_guard lock(staging->mutex);
    const std::int32_t process = staging->ProcessOf(closer.thread, state_->processes);
    const Caller caller = Closing(closer, process, staging->opener, staging->opener_process);
    if (!staging->dirty) {
      if (process != staging->opener_process) return {};
      if (staging->refused) return *staging->refused;
      // Closed with nothing written: what its process had removed for it returns at once, as far as can be
      // told; should it go on to write, it replaces that.
      changed = BringBack(caller, *staging);
      AddPlaceholder(*staging);
      return {};
    }
    const auto asked = state_->processes.IsDyingOfSignal(caller.thread);
    if (!asked.has_value()) {
      // It may be half of a file. Only what a living writer finished may go live.
      changed = staging->removed.has_value();
      Undo(caller, *staging);
      staging->refused = state_->Refuse(caller, keystore_.Now(), staging->path, asked.error());
      return *staging->refused;
    }
    const bool dying = asked.value();
    if (dying && process == staging->writer_process) {
      Undo(caller, *staging);
      staging->refused = state_->Refuse(caller, keystore_.Now(), staging->path, WriterDied());
      return {};  // Nobody is left to hear it.
    }
    if (dying || process != staging->opener_process) return {};
    changed = staging->removed.has_value();  // A refusal changes names, too.
    if (TRY(Commit(caller, *staging))) changed = true;
    return {};
  };
  auto outcome = flush();
  if (changed) state_->observer.Settle(KernelHolds::kNoDirectory);
  return outcome;
}

Result<void> Volume::Sync(const Caller& caller, HandleId handle) {
  const StagingPointer staging = FindWriter(handle);
  if (!staging && state_->IsLostWriter(handle)) return LostWithItsDaemon();
  if (!staging) return FlushDrop(caller, handle, true);
  bool changed = false;
  const auto sync = [&]() -> Result<void> {
    const std::lock_guard lock(staging->mutex);
    changed = staging->removed.has_value();  // A refusal changes names, too.
    if (TRY(Commit(caller, *staging))) changed = true;
    return {};
  };
  auto outcome = sync();
  if (changed) state_->observer.Settle(KernelHolds::kNoDirectory);
  return outcome;
}

void Volume::Release(NodeId node, HandleId handle) {
  StagingPointer staging;
  std::optional<State::ScratchHandle> scratch;
  {
    const std::lock_guard lock(state_->mutex);
    state_->controls.erase(handle);
    state_->backups_read.erase(handle);
    if (const auto reader = state_->readers.find(handle); reader != state_->readers.end()) {
      const auto open = state_->open_contents.find(reader->second->node);
      if (--open->second.handles == 0) state_->open_contents.erase(open);
      state_->RemoveStatusHandle(reader->second->node, handle);
      state_->readers.erase(reader);
    }
    const auto writer = state_->writers.find(handle);
    if (writer != state_->writers.end()) {
      staging = writer->second;
      state_->writers.erase(writer);
      state_->stagings.erase(node);
      state_->stagings.erase(staging->node);
    }
    const auto open = state_->scratch_handles.find(handle);
    if (open != state_->scratch_handles.end()) {
      scratch = open->second;
      state_->scratch_handles.erase(open);
    }
  }
  if (scratch && scratch->drop) ReleaseDrop(*scratch->file, *scratch->drop);
  if (scratch) state_->scratch.Closed(scratch->file->node, state_->Now());
  if (staging && staging->from_placeholder == node && node != NodeId())
    state_->scratch.Closed(node, state_->Now());
  if (!staging) return;
  // Whoever opened it closed it before it was written: the last close commits, and a refusal is only logged.
  const std::lock_guard lock(staging->mutex);
  if (staging->dirty) static_cast<void>(Commit(staging->opener, *staging));
  // What its process had removed for it returns if nothing came of it; its last close may have been
  // another's.
  BringBack(staging->opener, *staging);
}

// Precondition: the staging's mutex is held.
Result<void> Volume::Resize(const Caller& caller, Staging& staging, std::uint64_t size) {
  if (size == 0) {
    staging.Discard();
    staging.refused.reset();
    return {};
  }
  if (staging.refused) return *staging.refused;
  if (size > kFileBytesMax) return TooLarge();
  if (size == staging.buffer.size()) return {};
  if (!staging.Resize(static_cast<std::size_t>(size))) {
    Undo(caller, staging);
    staging.refused = NoMemory();
    return *staging.refused;
  }
  staging.dirty = true;
  return {};
}

Result<Node> Volume::SetStagingAttributes(const Caller& caller, Staging& staging,
                                          const AttributeChange& change, std::optional<std::uint64_t> size) {
  const CallerRequest request(caller, state_->processes, NameOfChange(change, size), staging.path);
  const std::lock_guard lock(staging.mutex);
  if (size) {
    if (!staging.opened) return NotPermitted("truncating by path");
    auto resized = Resize(caller, staging, *size);
    if (!resized.has_value()) {
      return state_->Refuse(caller, keystore_.Now(), staging.path, std::move(resized).error());
    }
  }
  auto allowed = CheckFilePermissions(staging.member, change);
  if (!allowed.has_value())
    return state_->Refuse(caller, keystore_.Now(), staging.path, std::move(allowed).error());
  // A replacement keeps the live owner, mode and ACL, however it is written; its times are the writer's to
  // set.
  AttributeChange effective;
  if (staging.created && !staging.went_live) effective = change;
  effective.atime = change.atime;
  effective.mtime = change.mtime;
  if (effective.empty()) return NodeOf(staging);

  const bool pending = staging.dirty || (staging.created && staging.buffer.empty());
  if (!pending) {
    const Number holder = staging.went_live ? staging.replaces : staging.entry;
    auto entry = keystore_.SetFileAttributes(holder, staging.member, effective, OwnerToBe(caller, effective));
    if (entry.has_value()) {
      staging.attributes = entry.value().file(staging.member)->attributes;
      state_->observer.NameChanged(NodeId::OfDirectory(holder), FileName(staging.member));
      state_->observer.AttributesChanged(NodeOf(entry.value(), staging.member).id);
      return NodeOf(staging);
    }
    if (entry.error().code() != ErrorCode::kNotFound) {
      return state_->Refuse(caller, keystore_.Now(), staging.path, std::move(entry).error());
    }
  }
  const auto take = [](auto& to, const auto& from) {
    if (from) to = from;
  };
  take(staging.wanted.uid, effective.uid);
  take(staging.wanted.gid, effective.gid);
  take(staging.wanted.atime, effective.atime);
  take(staging.wanted.mtime, effective.mtime);
  SetPermissions(staging.attributes, effective);
  if (effective.atime) staging.attributes.atime = *effective.atime;
  if (effective.mtime) staging.attributes.mtime = *effective.mtime;
  return NodeOf(staging);
}

}  // namespace certfs
