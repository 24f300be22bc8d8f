// Certificates that go straight into entries, several in one step, and taking the last such step back.

#include <algorithm>

#include "store/authority_state.h"
#include "store/kept_state.h"

namespace certfs {

namespace {

std::string PathOf(const StoreName& store, const Alias& alias) { return store.text() + "/" + alias.text(); }

// Made for the plan only, where there is nothing to be written.
struct Prepared {
  std::optional<Draft> draft;
  Bytes certificate;  // PEM.
  SecretBytes key;    // PEM; empty to keep the live one.
};

Error NoOperation() {
  return {ErrorCode::kNotFound, "no-operation", "there is no operation that could be taken back"};
}
Error RootWasReplaced() {
  return {ErrorCode::kNotFound, "no-operation",
          "the last operation replaced the root: replace-root-back takes it back"};
}
Error ChangedSince(const std::string& entry) {
  return {ErrorCode::kStale, "changed-since", entry + " has changed since: it is not taken back"};
}

}  // namespace

Result<WriteOutcome> CertificateAuthority::State::WriteInto(TableTransaction& transaction, Number number,
                                                            BytesView certificate, BytesView key,
                                                            Actor actor) {
  Entry entry = TRY(GetEntry(transaction, number));
  const Store store = TRY(GetStore(transaction, entry.store));
  if (PolicyOf(store.name).holds == Holds::kNothing || entry.is_staged())
    return Error(ErrorCode::kReadOnly, store.name.text() + "/" + entry.alias.text() + " is no live entry");
  return keystore.WritePair(transaction, store, std::move(entry), certificate, key, actor);
}

Result<Entry> CertificateAuthority::State::EntryFor(TableTransaction& transaction, const EntryOrder& order,
                                                    Actor actor) {
  const auto store = TRY(transaction.FindStoreFolded(order.store));
  if (!store) return Error(ErrorCode::kNotFound, "there is no store " + order.store.text());
  if (PolicyOf(store->name).holds == Holds::kNothing)
    return Error(ErrorCode::kReadOnly, store->name.text() + " is written by certfs alone");
  auto entry = TRY(transaction.FindEntryFolded(store->number, order.alias));
  if (entry) return *std::move(entry);
  return AddEntry(transaction, *store, order.alias, actor, 0755, keystore.Now());
}

Result<std::vector<WriteOutcome>> CertificateAuthority::WriteEntries(std::span<const EntryOrder> orders,
                                                                     const std::string& operation,
                                                                     bool plan_only, Actor actor) {
  if (!operation.empty() && orders.size() > kOperationEntriesMax)
    return Error(ErrorCode::kTooLarge, "too-many-entries", "one operation changes at most 4096 entries");
  const bool issues =
      std::ranges::any_of(orders, [](const EntryOrder& each) { return each.certificate.empty(); });
  return WhileOvertaken([&]() -> Result<std::vector<WriteOutcome>> {
    std::optional<Issuance> at;
    if (issues) at = TRY(state_->BeginIssuance(actor));
    auto made = MakeAll<Prepared>(orders.size(), [&](std::size_t i) -> Result<Prepared> {
      const EntryOrder& order = orders[i];
      if (!order.certificate.empty()) return Prepared{{}, order.certificate, order.key.Clone()};
      Prepared prepared{TRY(state_->DraftOf(*at, order.issue)), {}, {}};
      Issued& issued = prepared.draft->issued;
      prepared.certificate = issued.chain;
      if (!issued.record.key.empty()) prepared.key = WritePem("PRIVATE KEY", issued.record.key.Reveal());
      return prepared;
    });
    const auto write = [&](TableTransaction& transaction) -> Result<std::vector<WriteOutcome>> {
      std::optional<AuthorityRecord> record;
      if (at || !operation.empty()) record = TRY(transaction.GetAuthority());
      if (at) TRY(State::CheckIssuance(*record, *at));
      LastOperation last{operation, {}, {}, false};
      std::vector<WriteOutcome> outcomes;
      for (std::size_t i = 0; i < orders.size(); ++i) {
        const std::string name = PathOf(orders[i].store, orders[i].alias);
        if (!made[i]->has_value()) return About(name, made[i]->error());
        Prepared& prepared = made[i]->value();
        auto entry = state_->EntryFor(transaction, orders[i], actor);
        if (!entry.has_value()) return About(name, entry.error());
        if (prepared.draft) TRY(State::Enter(transaction, *record, *prepared.draft));
        auto outcome = state_->WriteInto(transaction, entry.value().number, prepared.certificate,
                                         prepared.key.Reveal(), actor);
        if (!outcome.has_value()) return About(name, outcome.error());
        const Entry& written = outcome.value().entry;
        if (outcome.value().changed) last.entries.push_back({written.number, written.revision});
        outcomes.push_back(std::move(outcome).value());
      }
      last.at = state_->keystore.Now();  // Whatever changes an entry from now on is later.
      if (!operation.empty()) record->last_operation = std::move(last);
      if (record) TRY(transaction.PutAuthority(*record));
      return outcomes;
    };
    return state_->Apply(write, &plan_only);
  });
}

Result<void> CertificateAuthority::State::RevertEntry(TableTransaction& transaction,
                                                      const LastOperation& operation,
                                                      const LastOperation::Changed& changed, Actor actor,
                                                      std::string& name) {
  const auto found = TRY(transaction.FindEntryByNumber(changed.entry));
  if (!found) return ChangedSince("an entry that is gone");
  const Store store = TRY(GetStore(transaction, found->store));
  name = PathOf(store.name, found->alias);
  // Removing a file leaves the revision.
  if (found->revision != changed.revision || !found->file(Member::kCertificate) || !found->changed ||
      found->changed->at > operation.at)
    return ChangedSince(name);
  // It held nothing before.
  if (changed.revision == 1) return keystore.Empty(transaction, store, *found, actor);
  const auto kept = TRY(FindKeptState(transaction, store, found->alias));
  if (!kept || kept->empty()) return ChangedSince(name);
  const auto read = [&](Member member) -> Result<SecretBytes> {
    if (!kept->file(member)) return SecretBytes();
    return transaction.ReadFile(*kept, member);
  };
  const SecretBytes certificate = TRY(read(Member::kCertificate));
  const SecretBytes key = TRY(read(Member::kKey));
  if (kept->is_pair()) {
    TRY(WriteInto(transaction, found->number, certificate.Reveal(), key.Reveal(), actor));
    return {};
  }
  // Half a pair takes the place of a whole one.
  TRY(keystore.Empty(transaction, store, *found, actor));
  const Member half = key.empty() ? Member::kCertificate : Member::kKey;
  Keystore::Write write{half, key.empty() ? certificate.Reveal() : key.Reveal(), actor, {}};
  TRY(keystore.WriteLive(transaction, store, TRY(GetEntry(transaction, found->number)), write));
  return {};
}

Result<std::vector<std::string>> CertificateAuthority::RevertLast(bool plan_only, Actor actor) {
  const auto revert = [&](TableTransaction& transaction) -> Result<std::vector<std::string>> {
    AuthorityRecord record = TRY(transaction.GetAuthority());
    if (!record.last_operation || record.last_operation->reverted) return NoOperation();
    if (record.last_operation->name == kReplaceRootOperation) return RootWasReplaced();
    std::vector<std::string> names;
    for (const LastOperation::Changed& changed : record.last_operation->entries) {
      std::string& name = names.emplace_back();
      if (auto done = state_->RevertEntry(transaction, *record.last_operation, changed, actor, name);
          !done.has_value()) {
        return done.error().code() == ErrorCode::kStale ? std::move(done).error() : About(name, done.error());
      }
    }
    record.last_operation->reverted = true;
    TRY(transaction.PutAuthority(record));
    return names;
  };
  return state_->Apply(revert, &plan_only);
}

}  // namespace certfs
