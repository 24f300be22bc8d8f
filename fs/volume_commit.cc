// How bytes become live: the one way in, for what was written to a file and for scratch.

#include <algorithm>
#include <utility>

#include "fs/volume.h"
#include "fs/volume/state.h"

namespace certfs {

namespace {

// Says whether bytes that `caller` may not read would come under another owner or mode: a replacement keeps
// those of the file that it replaces, and who may rename in a directory may not therefore read what is in it.
// Precondition: the mutexes of both are held.
bool IsGivenAway(const Caller& caller, const ScratchFile& scratch, const Staging& staging) {
  const Attributes& from = scratch.attributes;
  if (!scratch.copied || caller.uid == 0 || caller.uid == from.uid) return false;
  const std::uint32_t mode =
      staging.created && scratch.wanted.mode ? *scratch.wanted.mode : staging.attributes.mode;
  return staging.replaces != 0 || staging.attributes.uid != from.uid || staging.attributes.gid != from.gid ||
         (mode & ~from.mode) != 0 || !staging.attributes.access_acl.empty();
}

}  // namespace

Volume::Replacement Volume::BeginReplacing(std::span<const Number> numbers) {
  Replacement replacement(*state_);
  // What cannot be kept costs an open that began before the change its second look; never the change itself.
  static_cast<void>(WithinMemory([&]() -> Result<void> {
    const auto snapshot = TRY(keystore_.Snapshot());
    const auto keep = [&](const Entry& each) {
      for (const Member member : kMembers) {
        if (!each.file(member)) continue;
        replacement.Touches(NodeId::OfFile(each.number, member, each.revision));
        auto content = OpenContent(*snapshot, each, member);
        if (content.has_value()) replacement.Keep(std::move(content).value(), state_->Now());
      }
    };
    for (const Number number : numbers) {
      const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(number));
      if (!entry) continue;
      keep(*entry);
      if (!entry->is_staged()) continue;
      // What is staged may be complete by this change, and replace the live files.
      if (const auto live = TRY(snapshot->FindEntryByNumber(entry->origin))) keep(*live);
    }
    return {};
  }));
  return replacement;
}

// Precondition: the staging's mutex is held.
Result<bool> Volume::Commit(const Caller& caller, Staging& staging) {
  if (staging.refused) return *staging.refused;
  if (!staging.dirty || staging.buffer.empty()) return false;
  auto changed = PutLive(caller, staging, staging.buffer.Reveal());
  if (!changed.has_value()) {
    Undo(caller, staging);
    staging.refused = state_->Refuse(caller, keystore_.Now(), staging.path, std::move(changed).error());
    return *staging.refused;
  }
  staging.dirty = false;
  return changed;
}

void Volume::Undo(const Caller& caller, Staging& staging) {
  staging.Discard();
  if (std::exchange(staging.placeholder, false)) {
    state_->scratch.Remove(
        {NodeId::OfDirectory(staging.entry), std::string(FileName(staging.member)), staging.opener.uid},
        state_->Now());
  }
  BringBack(caller, staging);
}

void Volume::Tell(Staging& staging, NodeId directory, std::string_view name) {
  if (staging.untold != nullptr) {
    staging.untold->emplace_back(directory, name);
  } else {
    state_->observer.NameChanged(directory, name);
  }
}

bool Volume::BringBack(const Caller& caller, Staging& staging) {
  const std::optional<RemovedFile> removed = std::exchange(staging.removed, std::nullopt);
  if (!removed) return false;
  const CallerRequest request(caller, state_->processes, "bring-back", staging.path);
  const std::lock_guard alone(state_->commits);
  auto outcome = WithinMemory([&] { return keystore_.RestoreFile(*removed); });
  if (!outcome.has_value()) {
    const ErrorCode code = outcome.error().code();
    // Another change came first, and stands.
    if (code == ErrorCode::kStale || code == ErrorCode::kNotFound) return false;
    static_cast<void>(
        state_->Refuse(caller, keystore_.Now(), staging.path,
                       std::move(outcome).error().Within("what was removed to be replaced stays removed")));
    return false;
  }
  state_->seen_entries.Moved(staging.entry, SetOf(staging.member), 0);
  Tell(staging, NodeId::OfDirectory(staging.entry), FileName(staging.member));
  TellKept(outcome.value().kept, &staging);
  return true;
}

// Precondition: the staging's mutex is held.
Result<bool> Volume::PutLive(const Caller& caller, Staging& staging, BytesView bytes) {
  const CallerRequest request(caller, state_->processes, "write", staging.path);
  Replacement replacement = BeginReplacing({&staging.entry, 1});
  const Number pair = staging.replaces != 0 ? staging.replaces : staging.entry;
  std::vector<ContentPointer> old = replacement.kept();
  std::erase_if(old, [&](const ContentPointer& content) { return content->node.number() != pair; });
  if (old.size() > 1) {
    // Before the commit shows as well: a lookup may come between the two.
    state_->pins.Replacing(pair, old.front()->node.revision(), old, caller.thread, state_->Now());
  }
  AttributeChange attributes = staging.wanted;
  if (!attributes.mode) attributes.mode = staging.attributes.mode;
  attributes.access_acl = staging.attributes.access_acl;
  // A file that was removed since it was opened, or to make room for this one, returns as it was.
  const Attributes returning = staging.attributes;
  const bool is_new = staging.created && !staging.committed;
  // A close that failed must not be followed by a commit at the last close: running out of memory refuses,
  // too.
  auto outcome = WithinMemory([&]() -> Result<WriteOutcome> {
    // The kernel asks at the create, when what another process is still writing is no file yet. A snapshot
    // that stayed would keep the map from growing.
    if (staging.exclusive && !staging.committed) {
      const auto there = TRY(TRY(keystore_.Snapshot())->FindEntryByNumber(staging.entry));
      if (there && there->file(staging.member))
        return Error(ErrorCode::kAlreadyExists, "another process has made it meanwhile");
    }
    return keystore_.WriteFile(staging.entry, staging.member, bytes,
                               {staging.attributes.uid, staging.attributes.gid}, attributes,
                               is_new ? nullptr : &returning);
  });
  if (!outcome.has_value()) return std::move(outcome).error();
  staging.wanted = {};
  staging.committed = true;
  staging.placeholder = false;
  staging.removed.reset();
  const std::optional<Entry>& live = outcome.value().live;
  const Entry& holder = live ? *live : outcome.value().entry;
  staging.attributes = holder.file(staging.member)->attributes;
  staging.went_live = live.has_value();
  staging.became = live ? NodeOf(outcome.value().entry, *live, staging.member)
                        : NodeOf(outcome.value().entry, staging.member);
  for (const Number number : {staging.entry, holder.number}) {
    state_->first_halves.Replaced(number, staging.member);
    for (const Member member : kMembers) {
      if (holder.file(member)) state_->scratch.RemoveOfAll(NodeId::OfDirectory(number), FileName(member));
    }
  }
  if (!outcome.value().changed) return false;
  if (live) state_->went_live.Add(staging.entry, live->number, state_->Now());
  replacement.Done();
  const auto tell = [&](Number entry, Member member) {
    Tell(staging, NodeId::OfDirectory(entry), FileName(member));
  };
  for (const Member member : kMembers) {
    if (holder.file(member)) tell(holder.number, member);
    if (live) tell(staging.entry, member);  // None of these is staged any more.
  }
  state_->seen_entries.Told(holder.number, holder.revision - 1, holder.revision);
  state_->seen_entries.Moved(holder.number, holder.members(), 0);
  if (live) {
    const Revision cleared = outcome.value().entry.revision;
    state_->seen_entries.Told(staging.entry, cleared - 1, cleared);
    state_->seen_entries.Moved(staging.entry, 0, kAllMembers);
  }
  // The partner's bytes are the same, but not its node: who watches that must come along. Of a new file that
  // was written here the kernel has told the watchers of its directory itself; not of one that was staged
  // elsewhere, or that certfs made besides, as it makes a key and a request of request.cfg.
  for (const Member member : kMembers) {
    if (!holder.file(member)) continue;
    const NodeId before = replacement.NodeBefore(holder.number, member);
    const bool came = before == NodeId();
    const bool told = came && member == staging.member;
    if (live || (!told && (came || member == staging.member || IsHeld(before))))
      state_->observer.Replaced(NodeId::OfDirectory(holder.number), FileName(member), before);
  }
  TellKept(outcome.value().kept, &staging);
  return true;
}

Result<Node> Volume::CommitScratch(const Caller& caller, ScratchFile& scratch, NodeId parent,
                                   std::string_view name, bool replace, bool moves,
                                   std::vector<std::pair<NodeId, std::string_view>>& untold) {
  if (scratch.directory) return NotPermitted("a directory is no " + std::string(name));
  const std::optional<Member> member = MemberNamed(name);
  if (!replace && member) {
    // Who renamed it away may put another there.
    const auto there = Lookup(caller, parent, name);
    if (there.has_value()) return NameTaken();
  }
  const std::lock_guard lock(scratch.mutex);
  if (scratch.went_live) return NotPermitted("it went live already");
  const StagingPointer staging = TRY(NewStaging(caller, parent, name));
  const std::lock_guard staging_lock(staging->mutex);
  staging->untold = &untold;
  staging->wanted.atime = scratch.wanted.atime;
  staging->wanted.mtime = scratch.wanted.mtime;
  if (staging->created) {
    staging->attributes.uid = scratch.attributes.uid;
    staging->attributes.gid = scratch.attributes.gid;
    staging->wanted.mode = scratch.wanted.mode;
  }
  if (IsGivenAway(caller, scratch, *staging)) {
    BringBack(caller, *staging);
    return NotPermitted("the copy of a file that you may not read stays with its owner");
  }
  auto changed = PutLive(caller, *staging, scratch.bytes.Reveal());
  if (changed.has_value()) {
    // With another name left it stays what it is.
    scratch.went_live = moves && state_->scratch.LinksOf(scratch.node) <= 1;
    return staging->became;
  }
  BringBack(caller, *staging);
  return std::move(changed).error();
}

void Volume::TellAround(NodeId busy, const std::vector<std::pair<NodeId, std::string_view>>& untold) {
  bool elsewhere = false;
  for (const auto& [directory, name] : untold) {
    if (directory == busy) continue;
    state_->observer.NameChanged(directory, name);
    elsewhere = true;
  }
  if (elsewhere) state_->observer.Settle(KernelHolds::kDirectory);
  for (const auto& [directory, name] : untold) {
    if (directory == busy) state_->observer.NameChanged(directory, name);
  }
}

}  // namespace certfs
