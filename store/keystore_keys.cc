#include "store/keystore_keys.h"

#include <algorithm>
#include <utility>

#include "store/audit_opening.h"
#include "store/opened_keystore.h"
#include "store/rotation.h"

namespace certfs {

namespace {

namespace filesystem = std::filesystem;

// Every failure says which keystore it is about.
template <typename Work>
auto Within(const filesystem::path& directory, Work&& work) -> decltype(work()) {
  auto outcome = work();
  if (!outcome.has_value()) return std::move(outcome).error().Within(directory.string());
  return outcome;
}

// Saves `header`, once the audit log has it that somebody does so.
Result<void> SaveNoted(AuditLog& audit, const char* operation, const Header& header,
                       const filesystem::path& directory) {
  AuditEvent event = AuditedRequest(operation, std::nullopt).Event();
  std::string slots;
  for (const SlotDescription& slot : header.Slots())
    slots += (slots.empty() ? "the slots are now " : ", ") + std::to_string(slot.number);
  event.detail = slots;
  const std::uint64_t line = TRY(audit.Append(event));
  auto saved = header.Save(directory);
  if (saved.has_value()) return saved;
  event.outcome = OwnProcess().OutcomeOf(saved.error());
  event.reason = saved.error().message();
  event.detail = "line " + std::to_string(line) + " did not come to be";
  static_cast<void>(audit.Append(event).has_value());
  return saved;
}

// Changes the header, and saves it while no other process does: LMDB's write transaction is held meanwhile,
// and then abandoned. Stretching passphrases takes seconds, in which nobody's write is to wait: that is done
// before.
template <typename Change>
auto ChangeHeader(const filesystem::path& directory, const UnlockSecret& secret, const char* operation,
                  Change&& change) -> decltype(change(std::declval<UnlockedHeader&>())) {
  return Within(directory, [&]() -> decltype(change(std::declval<UnlockedHeader&>())) {
    OpenedKeystore opened = TRY(OpenShared(directory, secret));
    const auto audit = TRY(OpenAuditLog(directory, *opened.table, std::chrono::system_clock::now));
    for (;;) {
      const Bytes before = opened.header.header().bytes();
      auto outcome = change(opened.header);
      if (!outcome.has_value()) return outcome;
      {
        const auto transaction = TRY(opened.table->BeginTransaction(Room::kUpToLimit));
        const Header latest = TRY(Header::Load(directory));
        if (latest.bytes() == before) {
          TRY(SaveNoted(*audit, operation, opened.header.header(), directory));
          return outcome;
        }
      }
      // Somebody else changed it meanwhile.
      opened.header = TRY(UnlockedHeader::Open(TRY(Header::Load(directory)), secret));
    }
  });
}

bool Contains(const std::vector<SlotNumber>& numbers, SlotNumber number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

Result<RevocationPlan> Plan(const UnlockedHeader& header, const SlotRevocation& revocation) {
  std::vector<SlotNumber> given{header.opened()};
  for (const UnlockSecret& each : revocation.keep) {
    auto found = header.Find(each);
    if (!found.has_value()) return std::move(found).error().Within("a secret that is to be kept");
    given.push_back(found.value());
  }
  if (Contains(given, revocation.revoked)) {
    return Error(ErrorCode::kNotPermitted,
                 "slot " + std::to_string(revocation.revoked) +
                     " is opened by a secret that is to be kept; unlock with another one");
  }
  RevocationPlan plan;
  bool there = false;
  for (const SlotDescription& slot : header.header().Slots()) {
    there = there || slot.number == revocation.revoked;
    const bool wrappable = slot.facts.type == SlotType::kRecovery || Contains(given, slot.number);
    const bool kept = wrappable && slot.number != revocation.revoked;
    (kept ? plan.kept : plan.dropped).push_back(slot.number);
  }
  if (!there) return Error(ErrorCode::kNotFound, "there is no slot " + std::to_string(revocation.revoked));
  return plan;
}

// The header under a new root key, with the slots that `plan` keeps.
Result<UnlockedHeader> Rewrap(const UnlockedHeader& old, const UnlockSecret& secret,
                              const SlotRevocation& revocation, const RevocationPlan& plan,
                              std::chrono::sys_seconds now) {
  UnlockedHeader renewed = TRY(old.WithNewRootKey());
  for (const SlotDescription& slot : TRY(old.header().Slots(TRY(old.Keys()).header))) {
    if (slot.certificate && Contains(plan.kept, slot.number))
      TRY(renewed.Put(slot.number, *slot.certificate, now));
  }
  // One secret may have been given twice.
  std::vector<SlotNumber> done;
  const auto put = [&](const UnlockSecret& each) -> Result<void> {
    const SlotNumber number = TRY(old.Find(each));
    if (each.type == SlotType::kRecovery || Contains(done, number)) return {};
    done.push_back(number);
    return renewed.Put(number, each, now);
  };
  TRY(put(secret));
  for (const UnlockSecret& each : revocation.keep) TRY(put(each));
  return renewed;
}

// Says whether it is the header there, as far as that can be read.
bool IsThere(const filesystem::path& directory, const Header& header) {
  const auto there = Header::Load(directory);
  return there.has_value() && there.value().bytes() == header.bytes();
}

// From the new header's rename on the slot is revoked, whatever fails: the error says so.
Result<RotationOutcome> ReplaceHeader(const filesystem::path& directory, const UnlockedHeader& renewed,
                                      SlotNumber revoked, const RotationProgress& progress) {
  bool saved = false;
  auto outcome = WithinMemory([&]() -> Result<RotationOutcome> {
    TRY(renewed.header().Save(directory));
    saved = true;
    const auto table = TRY(SealedTable::Open(directory, TRY(renewed.Keys())));
    const auto audit = TRY(OpenAuditLog(directory, *table, std::chrono::system_clock::now));
    return FinishRotation(*table, progress);
  });
  if (outcome.has_value() || (!saved && !IsThere(directory, renewed.header()))) return outcome;
  return std::move(outcome).error().Within(
      "slot " + std::to_string(revoked) +
      " is revoked, but the keystore is not yet encrypted anew; run: certfs key rotate");
}

}  // namespace

Result<KeyState> ReadKeyState(const filesystem::path& directory, const UnlockSecret& secret) {
  return Within(directory, [&]() -> Result<KeyState> {
    const OpenedKeystore opened = TRY(OpenShared(directory, secret));
    const ManifestFacts facts = TRY(opened.table->ReadManifestFacts());
    return KeyState{TRY(opened.header.header().Slots(TRY(opened.header.Keys()).header)),
                    opened.header.opened(), facts.epoch, facts.old_data_keys != 0, facts.rewrite_pending};
  });
}

Result<SlotNumber> AddSlot(const filesystem::path& directory, const UnlockSecret& secret,
                           const UnlockSecret& added, std::chrono::sys_seconds now) {
  return ChangeHeader(directory, secret, "slot-add",
                      [&](UnlockedHeader& header) { return header.Add(added, now); });
}

Result<SlotNumber> AddRecoverySlot(const filesystem::path& directory, const UnlockSecret& secret,
                                   const Certificate& recipient, std::chrono::sys_seconds now) {
  return ChangeHeader(directory, secret, "slot-add",
                      [&](UnlockedHeader& header) { return header.Add(recipient, now); });
}

Result<std::vector<SlotDescription>> RemoveSlot(const filesystem::path& directory, const UnlockSecret& secret,
                                                SlotNumber number) {
  const auto remove = [&](UnlockedHeader& header) -> Result<std::vector<SlotDescription>> {
    TRY(header.Remove(number));
    return header.header().Slots();
  };
  return ChangeHeader(directory, secret, "slot-remove", remove);
}

Result<RotationOutcome> RotateDataKey(const filesystem::path& directory, const UnlockSecret& secret,
                                      const RotationProgress& progress) {
  return Within(directory, [&]() -> Result<RotationOutcome> {
    OpenedKeystore opened = TRY(OpenShared(directory, secret));
    auto audit = TRY(OpenAuditLog(directory, *opened.table, std::chrono::system_clock::now));
    const AuditedRequest request("rotate-keys", std::nullopt);
    RotationOutcome outcome = TRY(Rotate(*opened.table, progress));
    audit.reset();
    opened.table.reset();
    opened.lock.reset();
    auto rewritten = RewriteIfAlone(directory, opened.header);
    outcome.rewritten = rewritten.has_value() && rewritten.value();
    if (!rewritten.has_value()) outcome.rewrite_failure = std::move(rewritten).error();
    return outcome;
  });
}

Result<RevocationPlan> PlanRevocation(const filesystem::path& directory, const UnlockSecret& secret,
                                      const SlotRevocation& revocation) {
  return Within(directory, [&]() -> Result<RevocationPlan> {
    return Plan(TRY(OpenShared(directory, secret)).header, revocation);
  });
}

Result<RotationOutcome> RevokeSlot(const filesystem::path& directory, const UnlockSecret& secret,
                                   const SlotRevocation& revocation, const RevocationPlan& plan,
                                   std::chrono::sys_seconds now, const RotationProgress& progress) {
  return Within(directory, [&]() -> Result<RotationOutcome> {
    const auto lock = TRY(DirectoryLock::TryAlone(directory));
    if (!lock)
      return Error(ErrorCode::kBusy,
                   "somebody has the keystore open; a slot is revoked while it is not mounted");
    const UnlockedHeader old = TRY(UnlockedHeader::Open(TRY(Header::Load(directory)), secret));
    if (TRY(Plan(old, revocation)).dropped != plan.dropped)
      return Error(ErrorCode::kStale, "the slots have changed since");
    const UnlockedHeader renewed = TRY(Rewrap(old, secret, revocation, plan, now));
    AuditedRequest request("slot-revoke", std::nullopt);
    request.Describe("slot " + std::to_string(revocation.revoked) + ", and the root key");
    {
      // Whichever header is there after a crash, one of the two manifests is its own.
      const auto table = TRY(SealedTable::Open(directory, TRY(old.Keys())));
      const auto audit = TRY(OpenAuditLog(directory, *table, std::chrono::system_clock::now));
      TRY(RunSealed(*table, [&](SealedTransaction& transaction) -> Result<void> {
        return transaction.Announce(TRY(renewed.Keys()));
      }));
    }
    RotationOutcome outcome = TRY(ReplaceHeader(directory, renewed, revocation.revoked, progress));
    auto rewritten = RewriteData(directory, TRY(renewed.Keys()));
    outcome.rewritten = rewritten.has_value();
    if (!rewritten.has_value()) outcome.rewrite_failure = std::move(rewritten).error();
    return outcome;
  });
}

}  // namespace certfs
