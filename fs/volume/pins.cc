#include "fs/volume/pins.h"

#include <algorithm>

namespace certfs {

namespace {

// More threads than that between the halves of one pair are not told apart: the oldest gets the newest
// revision.
constexpr std::size_t kOpeningsMax = 256;

// How many commits may pass while one open is under way.
constexpr std::size_t kOldMax = 16;

}  // namespace

void Pins::DropOld(Time now) {
  while (!order_.empty() && order_.front().first + kPinned < now) {
    const Number entry = order_.front().second;
    order_.pop_front();
    const auto openings = openings_.find(entry);
    if (openings == openings_.end()) continue;
    std::erase_if(openings->second, [&](const Opening& each) { return each.first + kPinned < now; });
    if (openings->second.empty()) {
      openings_.erase(openings);
    } else {
      order_.emplace_back(now, entry);
    }
  }
  std::erase_if(moving_, [&](const auto& each) { return each.second.since + kPinned < now; });
  still_ = moving_.empty();
}

// Ends the pin of `process`: both halves are open now, or it began anew and has the newest again. Returns
// whether this open was the second half.
bool Pins::TakePinned(Moving& moving, Revision revision, Member member, std::int32_t process, Time now) {
  const auto found = moving.pins.find(process);
  if (found == moving.pins.end()) return false;
  const Pin& pin = found->second;
  const bool second =
      pin.revision == revision && (pin.opened & BitOf(member)) == 0 && pin.first + kPinned >= now;
  moving.pins.erase(found);
  return second;
}

void Pins::Opened(Number entry, Revision revision, Member member, std::int32_t thread, Time now) {
  const std::lock_guard lock(mutex_);
  DropOld(now);
  if (const auto moving = moving_.find(entry); moving != moving_.end()) {
    const std::int32_t process = processes_.ProcessOf(thread);
    if (TakePinned(moving->second, revision, member, process, now)) return;
    // A commit came between the moment at which this open saw what was live and this one.
    for (const Old& old : moving->second.old) {
      if (old.revision != revision) continue;
      moving->second.pins.insert_or_assign(process, Pin{revision, BitOf(member), now, old.contents});
      return;
    }
  }
  const auto [place, added] = openings_.try_emplace(entry);
  if (added) order_.emplace_back(now, entry);
  std::vector<Opening>& openings = place->second;
  const auto mine = std::find_if(openings.begin(), openings.end(),
                                 [&](const Opening& each) { return each.thread == thread; });
  if (mine == openings.end()) {
    if (openings.size() >= kOpeningsMax) openings.erase(openings.begin());
    openings.push_back({thread, revision, BitOf(member), now});
    return;
  }
  // The second half ends it; the same half again begins it anew.
  if (mine->revision == revision && (mine->opened & BitOf(member)) == 0) {
    openings.erase(mine);
  } else {
    *mine = {thread, revision, BitOf(member), now};
  }
}

void Pins::Replaced(Number entry, Revision revision, const std::vector<ContentPointer>& contents,
                    std::int32_t committer, Time now) {
  const std::int32_t own = processes_.ProcessOf(committer);
  const std::lock_guard lock(mutex_);
  DropOld(now);
  Moving& moving = moving_[entry];
  moving.since = now;
  still_ = false;
  moving.old.push_back({revision, contents});
  if (moving.old.size() > kOldMax) moving.old.pop_front();
  if (const auto openings = openings_.find(entry); openings != openings_.end()) {
    // Threads of one process may have opened a half each.
    std::map<std::int32_t, Pin> begun;
    for (const Opening& each : openings->second) {
      if (each.revision != revision) continue;
      const auto [pin, added] = begun.try_emplace(processes_.ProcessOf(each.thread),
                                                  Pin{revision, each.opened, each.first, contents});
      if (!added) pin->second.opened |= each.opened;
    }
    openings_.erase(openings);
    for (auto& [process, pin] : begun) {
      const bool both = std::all_of(contents.begin(), contents.end(), [&](const ContentPointer& content) {
        return (pin.opened & BitOf(*content->node.member())) != 0;
      });
      if (!both) moving.pins.insert_or_assign(process, std::move(pin));
    }
  }
  // Whoever commits wants to read what it wrote.
  moving.pins.erase(own);
}

bool Pins::IsMoving(Number entry, Time now) {
  if (still_) return false;
  const std::lock_guard lock(mutex_);
  DropOld(now);
  return moving_.contains(entry);
}

ContentPointer Pins::Find(Number entry, Member member, std::int32_t thread, Time now) {
  if (still_) return nullptr;
  const std::lock_guard lock(mutex_);
  const auto moving = moving_.find(entry);
  if (moving == moving_.end() || moving->second.pins.empty()) return nullptr;
  const auto pin = moving->second.pins.find(processes_.ProcessOf(thread));
  if (pin == moving->second.pins.end() || pin->second.first + kPinned < now) return nullptr;
  if ((pin->second.opened & BitOf(member)) != 0) return nullptr;
  for (const ContentPointer& content : pin->second.contents) {
    if (content->node.member() == member) return content;
  }
  return nullptr;
}

}  // namespace certfs
