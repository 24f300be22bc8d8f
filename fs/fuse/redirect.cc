#include "fs/fuse/redirect.h"

namespace certfs {

Redirect::Redirect(Volume& volume, NoteKeeper* keeper) : volume_(volume), keeper_(keeper) {
  if (keeper_ == nullptr) return;
  for (const RedirectNote& note : keeper_->Kept()) inherited_.emplace(note.thread, note);
}

void Redirect::DropExpired(Instant now) {
  for (auto note = notes_.begin(); note != notes_.end();) {
    if (now - note->second.made <= kNoteLife) {
      ++note;
      continue;
    }
    volume_.Unstage(note->second.staging);
    if (keeper_ != nullptr) keeper_->Drop(note->first);
    note = notes_.erase(note);
  }
}

std::optional<RedirectNote> Redirect::TakeInherited(std::int32_t thread, Instant now) {
  const auto found = inherited_.find(thread);
  if (found == inherited_.end()) return std::nullopt;
  const RedirectNote note = found->second;
  inherited_.erase(found);
  // What another process left is believed as far as it can be true.
  if (note.made > now || now - note.made > kNoteLife || !note.live.member() || !note.staging.is_staging())
    return std::nullopt;
  return note;
}

Redirect::Earlier Redirect::DropEarlier(const Caller& caller, NodeId node, Instant now) {
  const std::lock_guard lock(mutex_);
  DropExpired(now);
  inherited_.erase(caller.thread);
  const auto found = notes_.find(caller.thread);
  if (found == notes_.end()) return Earlier::kNone;
  const Note note = found->second;
  notes_.erase(found);
  if (keeper_ != nullptr) keeper_->Drop(caller.thread);
  volume_.Unstage(note.staging);
  const bool same = node.member() == note.member && node.number() == note.entry;
  return same && !note.looked_up ? Earlier::kLedNowhere : Earlier::kNone;
}

Error Redirect::OpenLive(const Caller& caller, NodeId node, Instant now) {
  if (DropEarlier(caller, node, now) == Earlier::kLedNowhere) {
    return volume_.RefuseOpen(
        caller, node,
        {ErrorCode::kNotPermitted, "no-way-to-stage",
         "a live file cannot be opened for writing through /proc/self/fd or a bind mount of a single file"});
  }
  auto staged = volume_.Stage(caller, node);
  if (!staged.has_value()) return volume_.RefuseOpen(caller, node, std::move(staged).error());
  // Stage refuses whatever is no member of an entry.
  const Note note{node.number(), node.member().value(), staged.value().id, false, now};
  const std::lock_guard lock(mutex_);
  const auto [place, added] = notes_.try_emplace(caller.thread, note);
  if (!added) {
    // Callers from outside our pid namespace all show as thread 0, and may have come here at once.
    volume_.Unstage(place->second.staging);
    place->second = note;
  }
  if (keeper_ != nullptr) keeper_->Keep({caller.thread, node, note.staging, now});
  return {ErrorCode::kStale, "look up again"};
}

std::optional<NodeId> Redirect::FindInherited(const Caller& caller, NodeId parent, std::string_view name,
                                              Instant now) {
  const auto left = inherited_.find(caller.thread);
  if (left == inherited_.end() || parent.directory() != left->second.live.number() ||
      MemberNamed(name) != left->second.live.member())
    return std::nullopt;
  const auto note = TakeInherited(caller.thread, now);
  if (!note) return std::nullopt;
  const auto staged = volume_.Stage(caller, note->live);
  if (!staged.has_value()) return std::nullopt;
  const NodeId staging = staged.value().id;
  notes_.insert_or_assign(caller.thread,
                          Note{note->live.number(), *note->live.member(), staging, true, note->made});
  keeper_->Keep({caller.thread, note->live, staging, note->made});
  return staging;
}

std::optional<NodeId> Redirect::Find(const Caller& caller, NodeId parent, std::string_view name,
                                     Instant now) {
  const std::lock_guard lock(mutex_);
  const auto note = notes_.find(caller.thread);
  if (note == notes_.end()) return FindInherited(caller, parent, name, now);
  if (now - note->second.made > kNoteLife) return std::nullopt;
  if (parent.directory() != note->second.entry || MemberNamed(name) != note->second.member)
    return std::nullopt;
  note->second.looked_up = true;
  return note->second.staging;
}

void Redirect::MakeInherited(const Caller& caller, NodeId staging) {
  const auto left = inherited_.find(caller.thread);
  if (left == inherited_.end() || left->second.staging != staging) return;
  const auto note = TakeInherited(caller.thread, std::chrono::steady_clock::now());
  // Where that is refused now, opening it says so.
  if (!note || !volume_.Stage(caller, note->live, staging).has_value()) return;
  notes_.insert_or_assign(caller.thread,
                          Note{note->live.number(), *note->live.member(), staging, true, note->made});
}

void Redirect::Asked(const Caller& caller, NodeId staging) {
  const std::lock_guard lock(mutex_);
  MakeInherited(caller, staging);
}

void Redirect::Arrived(const Caller& caller, NodeId staging) {
  const std::lock_guard lock(mutex_);
  MakeInherited(caller, staging);
  const auto note = notes_.find(caller.thread);
  if (note != notes_.end() && note->second.staging == staging) notes_.erase(note);
}

void Redirect::Done(const Caller& caller) {
  if (keeper_ == nullptr) return;
  const std::lock_guard lock(mutex_);
  keeper_->Drop(caller.thread);
}

}  // namespace certfs
