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

Error Redirect::OpenLive(const Caller& caller, NodeId node, Instant now) {
  const auto member = node.member();
  {
    const std::lock_guard lock(mutex_);
    DropExpired(now);
    const auto note = notes_.find(caller.thread);
    if (note != notes_.end()) {
      const bool same = member && note->second.entry == node.number() && note->second.member == *member;
      const bool led_nowhere = same && !note->second.looked_up;
      volume_.Unstage(note->second.staging);
      notes_.erase(note);
      if (led_nowhere) {
        return volume_.RefuseOpen(
            caller, node,
            {ErrorCode::kNotPermitted, "no-way-to-stage",
             "a live file cannot be opened for writing through /proc/self/fd or a bind mount of a single file"});
      }
    }
  }
  auto staged = volume_.Stage(caller, node);
  if (!staged.has_value()) return std::move(staged).error();
  const std::lock_guard lock(mutex_);
  notes_.insert_or_assign(caller.thread, Note{node.number(), *member, staged.value().id, false, now});
  return {ErrorCode::kStale, "look up again"};
}

std::optional<NodeId> Redirect::Find(const Caller& caller, NodeId parent, std::string_view name, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto note = notes_.find(caller.thread);
  if (note == notes_.end() || now - note->second.made > kNoteLife) return std::nullopt;
  if (parent.directory() != note->second.entry || MemberNamed(name) != note->second.member) return std::nullopt;
  note->second.looked_up = true;
  return note->second.staging;
}

void Redirect::Arrived(const Caller& caller) {
  const std::lock_guard lock(mutex_);
  notes_.erase(caller.thread);
}

}  // namespace certfs
