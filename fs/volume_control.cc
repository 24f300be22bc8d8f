// ca/control: what no file operation says (fs/README.md, "ca/control"), and the changes that the authority
// makes to entries.

#include <algorithm>
#include <set>

#include "fs/control/commands.h"
#include "fs/volume.h"
#include "fs/volume/state.h"
#include "store/kept_state.h"

namespace certfs {

namespace {

// Of so many pairs the bytes before a change are at hand for those who are between their halves; an operation
// over more keeps those of the first.
constexpr std::size_t kPairsKeptMax = 256;

// The entries in which the authority's roots and CRLs lie.
Result<std::vector<Number>> TrustEntries(TableSnapshot& snapshot) {
  std::vector<Number> entries;
  for (const AuthorityCertificate& each : TRY(snapshot.GetAuthority()).certificates) {
    for (const Number entry : {each.root_entry, each.crl_entry}) {
      if (entry != 0) entries.push_back(entry);
    }
  }
  return entries;
}

// Where BACKUP_STORE keeps what `entry` held; 0 for nowhere, and where nobody can tell for damage.
Result<Number> KeptOf(TableSnapshot& snapshot, const Entry& entry) {
  const std::optional<Store> store = TRY(snapshot.FindStoreByNumber(entry.store));
  if (!store || entry.is_staged() || PolicyOf(store->name).holds == Holds::kNothing) return Number{0};
  const auto kept = FindKeptState(snapshot, *store, entry.alias);
  if (!kept.has_value()) {
    if (kept.error().code() != ErrorCode::kCorrupt) return kept.error();
    return Number{0};
  }
  return kept.value() ? kept.value()->number : Number{0};
}

}  // namespace

void Volume::PinPairs(const Caller& caller, const std::vector<ContentPointer>& kept) {
  std::map<Number, std::vector<ContentPointer>> pairs;
  for (const ContentPointer& content : kept) pairs[content->node.number()].push_back(content);
  for (const auto& [entry, halves] : pairs) {
    if (halves.size() > 1)
      state_->pins.Replacing(entry, halves.front()->node.revision(), halves, caller.thread, state_->Now());
  }
}

// Precondition: `commits` is held.
Result<void> Volume::TellChanged(const std::set<Number>& entries) {
  const auto snapshot = TRY(keystore_.Snapshot());
  std::vector<ForeignChange> changes;
  std::unordered_set<Number> numbers;
  for (const Number number : entries) {
    const auto known = state_->seen_entries.Find(number);
    if (const auto entry = TRY(snapshot->FindEntryByNumber(number))) TellKept(TRY(KeptOf(*snapshot, *entry)));
    if (!known) continue;
    auto change = TRY(LookAt(*snapshot, *known, Replacer::kSelf));
    if (!change) continue;
    numbers.insert(number);
    changes.push_back(*std::move(change));
  }
  std::map<Number, std::vector<NodeId>> held;
  if (!numbers.empty()) {
    for (const NodeId node : state_->superseded.HeldOf(numbers)) held[node.number()].push_back(node);
  }
  for (const ForeignChange& change : changes) TellForeign(change, held[change.known.entry]);
  return CatchUpListings(*snapshot);
}

Result<void> Volume::ChangeByAuthority(const Caller& caller, KernelHolds holds,
                                       const std::vector<Number>& entries,
                                       const std::function<Result<void>()>& change) {
  Result<void> outcome;
  {
    Replacement replacement = BeginReplacing({entries.data(), std::min(entries.size(), kPairsKeptMax)});
    // Before the commit shows as well: a lookup may come between the two.
    PinPairs(caller, replacement.kept());
    const auto trust = [&]() -> Result<std::vector<Number>> {
      const auto snapshot = TRY(keystore_.Snapshot());
      return TrustEntries(*snapshot);
    };
    std::set<Number> changed(entries.begin(), entries.end());
    const auto note_trust = [&] {
      const auto found = WithinMemory(trust);
      if (found.has_value()) changed.insert(found.value().begin(), found.value().end());
    };
    note_trust();
    outcome = WithinMemory(change);
    if (outcome.has_value()) {
      note_trust();
      replacement.Done();
      // What cannot be told now shows when what the kernel keeps has expired.
      static_cast<void>(WithinMemory([&] { return TellChanged(changed); }));
    }
  }
  if (outcome.has_value()) {
    state_->observer.Settle(holds);
    state_->observer.ListingChanged(NodeId::Of(Fixed::kIssued));
  }
  return outcome;
}

Result<HandleId> Volume::OpenControl() {
  const std::lock_guard lock(state_->mutex);
  const HandleId handle = state_->NewHandle(HandleUse::kReads);
  state_->controls.emplace(handle, std::make_shared<ControlHandle>());
  return handle;
}

std::shared_ptr<ControlHandle> Volume::FindControl(HandleId handle) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->controls.find(handle);
  return found == state_->controls.end() ? nullptr : found->second;
}

Result<void> Volume::Command(const Caller& caller, ControlHandle& control, BytesView command) {
  CallerRequest request(caller, state_->processes, "control", "ca/control");
  const std::string_view text = AsText(command);
  request.Describe(std::string(text.substr(0, text.find('\n'))));  // What follows may be a key.
  // One command of a handle at a time: its answer is the last one's.
  const std::lock_guard lock(control.mutex);
  control::Context context{
      keystore_,
      state_->authority,
      {caller.uid, caller.gid, caller.umask},
      [&](const std::vector<Number>& entries, const std::function<Result<void>()>& change) {
        return ChangeByAuthority(caller, KernelHolds::kNoDirectory, entries, change);
      }};
  auto answer = WithinMemory([&] { return control::Run(context, command); });
  if (answer.has_value()) {
    control.answer = std::move(answer).value();
    return {};
  }
  Error error = state_->Refuse(caller, keystore_.Now(), "ca/control", std::move(answer).error());
  control.answer = control::AnswerOf(error);
  return error;
}

}  // namespace certfs
