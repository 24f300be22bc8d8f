#include "fs/fuse/redirect.h"

namespace certfs {

void Redirect::DropExpired(Instant now) {
  for (auto note = notes_.begin(); note != notes_.end();) {
    if (now - note->second.made <= kNoteLife) {
      ++note;
      continue;
    }
    volume_.Unstage(note->second.staging);
    note = notes_.erase(note);
  }
}

Redirect::Earlier Redirect::DropEarlier(const Caller& caller, NodeId node, Instant now) {
  const std::lock_guard lock(mutex_);
  DropExpired(now);
  const auto found = notes_.find(caller.thread);
  if (found == notes_.end()) return Earlier::kNone;
  const Note note = found->second;
  notes_.erase(found);
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
  if (!staged.has_value()) return std::move(staged).error();
  // Stage refuses whatever is no member of an entry.
  const Note note{node.number(), node.member().value(), staged.value().id, false, now};
  const std::lock_guard lock(mutex_);
  const auto [place, added] = notes_.try_emplace(caller.thread, note);
  if (!added) {
    // Callers from outside our pid namespace all show as thread 0, and may have come here at once.
    volume_.Unstage(place->second.staging);
    place->second = note;
  }
  return {ErrorCode::kStale, "look up again"};
}

std::optional<NodeId> Redirect::Find(const Caller& caller, NodeId parent, std::string_view name,
                                     Instant now) {
  const std::lock_guard lock(mutex_);
  const auto note = notes_.find(caller.thread);
  if (note == notes_.end() || now - note->second.made > kNoteLife) return std::nullopt;
  if (parent.directory() != note->second.entry || MemberNamed(name) != note->second.member)
    return std::nullopt;
  note->second.looked_up = true;
  return note->second.staging;
}

void Redirect::Arrived(const Caller& caller, NodeId staging) {
  const std::lock_guard lock(mutex_);
  const auto note = notes_.find(caller.thread);
  if (note != notes_.end() && note->second.staging == staging) notes_.erase(note);
}

}  // namespace certfs
