// A table on LMDB and its audit log: what a line says of a commit, and where the log is anchored.

#include <utility>

#include "store/audit_opening.h"
#include "store/policy.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kAuditLabel = "certfs/v1/audit\0"sv;

}  // namespace

// --- The transaction

AuditEvent SealedTransaction::DescribeChange() const {
  const AuditedRequest* const request = AuditedRequest::Current();
  AuditEvent event;
  if (request != nullptr) {
    event = request->Event();
  } else {
    event.operation = touched_settings_ ? "settings" : touched_authority_ ? "authority" : "change";
    event.who = OwnProcess().Who();
  }
  event.commit = manifest_.commit;
  // What BACKUP_STORE keeps of an entry comes behind the entry itself, and a store that an entry came to or
  // went from is no change of its own.
  for (const bool kept : {false, true}) {
    for (const auto& [number, entry] : touched_entries_) {
      if ((entry.store == kBackupStore) == kept) event.about.push_back(entry);
    }
  }
  if (event.about.empty()) {
    for (const auto& [number, store] : touched_stores_) event.about.push_back(store);
  }
  return event;
}

Result<void> SealedTransaction::NoteChange() {
  if (shared_.audit == nullptr || !audited_) return {};
  line_ = TRY(shared_.audit->Append(DescribeChange()));
  if (AuditedRequest* const request = AuditedRequest::Current()) request->Noted();
  return {};
}

void SealedTransaction::NoteFailure(const Error& error) {
  if (!line_) return;
  AuditEvent event = DescribeChange();
  const AuditedRequest* const request = AuditedRequest::Current();
  event.outcome = request != nullptr ? request->OutcomeOf(error) : OwnProcess().OutcomeOf(error);
  event.rule = error.rule();
  event.reason = error.message();
  event.detail = "line " + std::to_string(*line_) + " did not come to be";
  // The number of the commit says the same, where this cannot be written: the next one has it again.
  static_cast<void>(shared_.audit->Append(event).has_value());
}

bool SealedTransaction::Anchor(const AuditAnchor& anchor) {
  const AuditAnchor before = manifest_.audit;
  manifest_.audit.Advance(anchor);
  if (manifest_.audit == before) return false;
  --manifest_.commit;  // Begin counted it up.
  only_anchors_ = true;
  SkipAudit();
  return true;
}

// --- The table

Result<SecretBytes> SealedTable::DeriveAuditKey() {
  const auto transaction = TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kRead));
  const std::shared_ptr<CheckedState> state = TRY(shared_.StateOf(*transaction));
  Bytes info;
  Writer writer(info);
  writer.Raw(AsBytes(kAuditLabel));
  writer.Raw(shared_.keys.store_id);
  return DeriveKey(state->manifest().index_key, {}, info, 32);
}

Result<AuditAnchor> SealedTable::ReadAuditAnchor() {
  const auto transaction = TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kRead));
  return TRY(shared_.StateOf(*transaction))->manifest().audit;
}

Result<void> SealedTable::WriteAuditAnchor(const AuditAnchor& anchor) {
  for (;;) {
    // Also in a keystore that is full.
    auto transaction = TRY(BeginSealed(Room::kReserve));
    if (!transaction->Anchor(anchor)) return {};
    auto outcome = transaction->Commit();
    const bool full = !outcome.has_value() && outcome.error().code() == ErrorCode::kNoSpace;
    if (!full || !transaction->WantsRoom()) return outcome;
    transaction.reset();
    if (!TRY(Grow(Room::kReserve))) return outcome;
  }
}

Result<std::unique_ptr<AuditLog>> OpenAuditLog(const std::filesystem::path& directory, SealedTable& table,
                                               AuditLog::Clock clock) {
  auto log = std::make_unique<AuditLog>(
      directory, table.store_id(), TRY(table.DeriveAuditKey()), TRY(table.ReadAuditAnchor()),
      AuditAnchorage{[&table] { return table.ReadAuditAnchor(); },
                     [&table](const AuditAnchor& anchor) { return table.WriteAuditAnchor(anchor); }},
      std::move(clock));
  table.SetAudit(log.get());
  return log;
}

}  // namespace certfs
