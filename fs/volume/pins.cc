#include "fs/volume/pins.h"

#include <algorithm>

namespace certfs {

namespace {

// More threads than that between the halves of one pair are not told apart: the oldest gets the newest
// revision.
constexpr std::size_t kReadersMax = 256;

// Of more entries than that it is not remembered for longer than a pair takes who opened a half.
constexpr std::size_t kEntriesRemembered = 4096;

// How many commits may pass while one open is under way.
constexpr std::size_t kOldMax = 16;

}  // namespace

std::size_t Pins::Old::bytes() const {
  std::size_t sum = 0;
  for (const ContentPointer& content : contents) sum += content->bytes().size();
  return sum;
}

void Pins::DropOld(Instant now) {
  const auto remembered = readers_.size() > kEntriesRemembered ? kPinned : kRemembered;
  while (!order_.empty() && order_.front().first + kPinned < now) {
    const Number entry = order_.front().second;
    order_.pop_front();
    const auto readers = readers_.find(entry);
    if (readers == readers_.end()) continue;
    std::erase_if(readers->second, [&](const Reader& each) { return each.first + remembered < now; });
    for (Reader& each : readers->second) {
      if (each.first + kPinned < now) each.pinned = nullptr;
    }
    if (readers->second.empty()) {
      readers_.erase(readers);
    } else {
      order_.emplace_back(now, entry);
    }
  }
  std::erase_if(moving_, [&](const auto& each) { return each.second.since + kPinned < now; });
  still_ = moving_.empty();
}

bool Pins::IsPinnedTo(const OldPointer& old) const {
  const auto readers = readers_.find(old->entry);
  if (readers == readers_.end()) return false;
  return std::any_of(readers->second.begin(), readers->second.end(),
                     [&](const Reader& each) { return each.pinned == old; });
}

void Pins::DropTooMuch() {
  std::erase_if(kept_, [](const std::weak_ptr<Old>& each) { return each.expired(); });
  std::size_t bytes = 0;
  for (const std::weak_ptr<Old>& each : kept_) bytes += each.lock()->bytes();
  for (const bool also_pinned : {false, true}) {
    for (const std::weak_ptr<Old>& each : kept_) {
      if (bytes <= kBytesMax) return;
      const OldPointer old = each.lock();
      if (!also_pinned && IsPinnedTo(old)) continue;
      bytes -= old->bytes();
      old->contents.clear();
    }
  }
}

void Pins::DropExpired(Instant now) {
  const std::lock_guard lock(mutex_);
  DropOld(now);
}

Pins::Readers::iterator Pins::OfThread(Readers& readers, std::int32_t thread) const {
  return std::find_if(readers.begin(), readers.end(),
                      [&](const Reader& each) { return each.thread == thread; });
}

std::int32_t Pins::ProcessOf(Reader& reader) const {
  if (reader.process == 0) reader.process = processes_.ProcessOf(reader.thread);
  return reader.process;
}

Pins::Readers::iterator Pins::OfProcess(Readers& readers, const Caller& caller, Member member,
                                        Instant now) const {
  const std::int32_t process = processes_.ProcessOf(caller.thread);
  auto newest = readers.end();
  for (auto each = readers.begin(); each != readers.end(); ++each) {
    if (!each->Wants(member, caller.resent, now) || ProcessOf(*each) != process) continue;
    if (newest == readers.end() || newest->first < each->first) newest = each;
  }
  return newest;
}

void Pins::Note(Number entry, const Reader& reader, bool ended) {
  if (notes_ == nullptr) return;
  notes_->KeepPair({reader.thread, entry, reader.opened, reader.revision, reader.first, ended});
}

void Pins::Drop(Number entry, const Reader& reader) {
  if (notes_ != nullptr) notes_->DropPair(reader.thread, entry);
}

std::vector<PairNote> Pins::Inherit(Instant now) {
  std::vector<PairNote> revisions;
  if (notes_ == nullptr) return revisions;
  const std::lock_guard lock(mutex_);
  for (const PairNote& note : notes_->KeptPairs()) {
    const bool is_half = note.opened == Member::kCertificate || note.opened == Member::kKey;
    if (note.thread <= 0 || !is_half || note.first > now || note.first + kPinned < now) continue;
    const auto [place, added] = readers_.try_emplace(note.entry);
    if (added) order_.emplace_back(now, note.entry);
    place->second.push_back({note.thread, 0, note.opened, note.revision, note.first, nullptr, note.ended});
    const bool known = std::any_of(revisions.begin(), revisions.end(), [&](const PairNote& each) {
      return each.entry == note.entry && each.revision == note.revision;
    });
    if (!known) revisions.push_back(note);
  }
  return revisions;
}

void Pins::Opened(Number entry, Revision revision, Member member, const Caller& caller, Instant now) {
  const std::lock_guard lock(mutex_);
  DropOld(now);
  const auto [place, added] = readers_.try_emplace(entry);
  if (added) order_.emplace_back(now, entry);
  Readers& readers = place->second;
  const auto moving = moving_.find(entry);

  auto reader = OfThread(readers, caller.thread);
  if (reader == readers.end() && moving != moving_.end()) reader = OfProcess(readers, caller, member, now);
  if (reader != readers.end() && reader->Wants(member, caller.resent, now)) {
    Note(entry, *reader, true);
    readers.erase(reader);  // The other half: whatever it was of, the next open begins a pair.
    return;
  }
  if (reader != readers.end() && reader->thread == caller.thread && reader->opened != member &&
      !reader->ended) {
    // It got no processor for so long, and goes on in its order: its next open begins a pair as well.
    Note(entry, *reader, true);
    readers.erase(reader);
    return;
  }
  Reader begun{caller.thread, 0, member, revision, now, nullptr};
  Note(entry, begun, false);
  if (moving != moving_.end()) {
    // A commit may have come between the moment at which this open saw what was live and this one.
    for (const OldPointer& old : moving->second.old) {
      if (old->revision == revision) begun.pinned = old;
    }
  }
  if (reader != readers.end()) {
    *reader = std::move(begun);
    return;
  }
  if (readers.size() >= kReadersMax) readers.erase(readers.begin());
  readers.push_back(std::move(begun));
}

void Pins::Replacing(Number entry, Revision revision, const std::vector<ContentPointer>& contents,
                     std::int32_t committer, Instant now) {
  const std::lock_guard lock(mutex_);
  DropOld(now);
  Moving& moving = moving_[entry];
  moving.since = now;
  still_ = false;
  const auto old = std::make_shared<Old>(Old{entry, revision, contents});
  moving.old.push_back(old);
  if (moving.old.size() > kOldMax) moving.old.pop_front();
  kept_.push_back(old);
  const auto found = readers_.find(entry);
  if (found != readers_.end()) Pin(found->second, old, committer, now);
  DropTooMuch();
}

void Pins::Pin(Readers& readers, const OldPointer& old, std::int32_t committer, Instant now) {
  // Whoever commits wants to read what it wrote.
  const std::int32_t own = processes_.ProcessOf(committer);
  std::erase_if(readers, [&](Reader& each) {
    const bool is_own = ProcessOf(each) == own;
    if (is_own) Drop(old->entry, each);
    return is_own;
  });
  // Threads of one process that opened a half each want nothing more.
  for (std::size_t i = 0; i < readers.size(); ++i) {
    const auto other = std::find_if(
        readers.begin() + static_cast<std::ptrdiff_t>(i) + 1, readers.end(), [&](const Reader& each) {
          return each.process == readers[i].process && each.revision == readers[i].revision &&
                 each.opened != readers[i].opened && !each.ended && !readers[i].ended &&
                 each.first + kPinned >= now && readers[i].first + kPinned >= now;
        });
    if (other == readers.end()) continue;
    Drop(old->entry, *other);
    Drop(old->entry, readers[i]);
    readers.erase(other);
    readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(i));
    --i;
  }
  for (Reader& each : readers) {
    if (each.revision == old->revision && each.first + kPinned >= now) each.pinned = old;
  }
}

bool Pins::IsMoving(Number entry, Instant now) {
  if (still_) return false;
  const std::lock_guard lock(mutex_);
  DropOld(now);
  return moving_.contains(entry);
}

ContentPointer Pins::Find(Number entry, Member member, const Caller& caller, Instant now) {
  if (still_) return nullptr;
  const std::lock_guard lock(mutex_);
  const auto found = readers_.find(entry);
  if (found == readers_.end() || !moving_.contains(entry)) return nullptr;
  Readers& readers = found->second;
  auto reader = OfThread(readers, caller.thread);
  if (reader == readers.end()) reader = OfProcess(readers, caller, member, now);
  if (reader == readers.end() || !reader->pinned || !reader->Wants(member, caller.resent, now))
    return nullptr;
  for (const ContentPointer& content : reader->pinned->contents) {
    if (content->node.member() == member) return content;
  }
  return nullptr;
}

}  // namespace certfs
