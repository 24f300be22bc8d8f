// What a merge does about BACKUP_STORE: a state there is of a change that came later than the backup's, or
// gives way to one.

#include <utility>

#include "crypto/sealing.h"
#include "store/kept_state.h"
#include "store/keystore_change.h"
#include "store/merge.h"

namespace certfs {

namespace {

constexpr auto kKeptAlready = "a state of that name is kept already";

}  // namespace

// A state that the target keeps is of a change that came later, or of another entry.
Result<void> Merger::MergeKept(const BackupEntry& from) {
  std::optional<Entry> kept;
  bool damaged = false;
  if (store_) kept = TRY(Sound(target_.state.FindEntryFolded(store_->number, from.alias), damaged));
  if (damaged) {
    Note(MergeAction::kKeep, from, kDamagedThere);
    return {};
  }
  const bool displaced = displaced_.count(FoldName(from.alias.text())) != 0;
  if (kept && !displaced && TRY(IsSame(from, *kept))) {
    ++plan_.same;
    return {};
  }
  if (kept || displaced) {
    Note(MergeAction::kKeep, from, kKeptAlready);
    return {};
  }
  AddedState& added = added_states_[FoldName(from.alias.text())];
  added = {plan_.steps.size(), from.origin, {}};
  for (const Member member : kMembers) {
    if (from.file(member)) added.files.emplace(member, Sha256({from.file(member)->bytes.Reveal()}));
  }
  Note(MergeAction::kAdd, from);
  if (target_.change == nullptr) return {};
  Number origin = 0;
  if (from.origin) {
    if (const auto store = TRY(Sound(target_.state.FindStoreFolded(*from.origin), damaged)))
      origin = store->number;
  }
  return AddAs(from, origin);
}

// A plan has not added the states of the backup, nor kept any: where a merge would find them, `free` is not.
std::string Merger::PlaceToKeep(const Alias& free) const {
  std::string folded = FoldName(free.text());
  if (target_.change != nullptr) return folded;
  const auto name_at = [&](std::size_t place) {
    return FoldName(KeptName(live_->alias.text(), store_->name.text(), place));
  };
  for (const std::size_t place : {0, 1}) {
    const auto added = added_states_.find(name_at(place));
    if (added == added_states_.end() || !added->second.origin) continue;
    if (FoldName(added->second.origin->text()) == FoldName(store_->name.text())) return added->first;
  }
  const bool taken = displaced_.count(folded) != 0 || added_states_.count(folded) != 0;
  return taken ? name_at(1) : folded;
}

// As KeepState does it: what damage took counts for nothing.
Result<bool> Merger::HoldsAll(const AddedState& added, const Entry& live) {
  for (const Member member : kMembers) {
    if (!live.file(member)) continue;
    const SecretBytes bytes = TRY(ReadLive(target_.state, live, member));
    if (bytes.empty()) continue;
    const auto file = added.files.find(member);
    if (file == added.files.end() || file->second != Sha256({bytes.Reveal()})) return false;
  }
  return true;
}

// What is replaced now is kept in the place of what the backup kept, which came before.
Result<void> Merger::Displace(const Alias& name, const Entry& live) {
  const std::string folded = PlaceToKeep(name);
  if (const auto added = added_states_.find(folded); added != added_states_.end()) {
    // A merge has been told so by NameToKeepUnder.
    if (target_.change == nullptr && TRY(HoldsAll(added->second, live))) return {};
    plan_.steps[added->second.step].action = MergeAction::kKeep;
    plan_.steps[added->second.step].why = kKeptAlready;
    added_states_.erase(added);
  }
  displaced_.insert(folded);
  return {};
}

}  // namespace certfs
