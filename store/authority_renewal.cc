// Renewing what is live in entries.

#include "store/authority_state.h"

namespace certfs {

namespace {

// Why a live line is to be renewed; empty where it is not.
std::string ReasonFor(const IssuedCertificate& line, AuthorityRole role, Time now, std::chrono::days within) {
  if (line.revocation) return "revoked";
  if (role == AuthorityRole::kRetiring || role == AuthorityRole::kRetired)
    return std::string(kAuthorityReplaced);
  if (line.not_after < now) return "expired " + FormatTimestamp(line.not_after);
  if (line.not_after <= std::chrono::floor<std::chrono::seconds>(now) + within)
    return "expires " + FormatTimestamp(line.not_after);
  return {};
}

// The line whose certificate is live in `entry`.
Result<IssuedCertificate> LineIn(TableSnapshot& snapshot, Number entry) {
  std::optional<IssuedCertificate> found;
  TRY(snapshot.ListIssued(IssuedGroupKey::InEntry(entry), [&](Cursor, const IssuedCertificate& line) {
    found = line.Clone();
    return false;
  }));
  if (!found) return NotIssuedHere();
  found->key.clear();
  return *std::move(found);
}

}  // namespace

Result<std::vector<RenewalPlan>> CertificateAuthority::PlanRenewals(TableSnapshot& snapshot,
                                                                    std::chrono::days within) {
  const AuthorityRecord record = TRY(GetIssuingRecord(snapshot));
  const Time now = state_->keystore.Now();
  std::vector<RenewalPlan> plans;
  for (const AuthorityCertificate& authority : record.certificates) {
    const auto note = [&](Cursor, const IssuedCertificate& line) {
      std::string reason = ReasonFor(line, authority.role, now, within);
      if (reason.empty()) return true;
      RenewalPlan& plan = plans.emplace_back();
      plan.entry = line.entry;
      plan.reason = std::move(reason);
      plan.current = line.Clone();
      plan.current.key.clear();
      return true;
    };
    TRY(PastDamage(snapshot.ListIssued(IssuedGroupKey::Placed(authority.id), note)));
  }
  // What is damaged, a line or an entry, keeps the others from nothing: certfs doctor names it.
  std::vector<RenewalPlan> whole;
  for (RenewalPlan& plan : plans) {
    const auto completed = state_->CompletePlan(snapshot, record, plan);
    TRY(PastDamage(completed));
    if (completed.has_value()) whole.push_back(std::move(plan));
  }
  return whole;
}

Result<std::optional<RenewalPlan>> CertificateAuthority::PlanRenewal(TableSnapshot& snapshot,
                                                                     const StoreName& store,
                                                                     const Alias& alias) {
  const AuthorityRecord record = TRY(GetIssuingRecord(snapshot));
  const auto in = TRY(snapshot.FindStoreFolded(store));
  if (!in) return Error(ErrorCode::kNotFound, "there is no store " + store.text());
  const auto entry = TRY(snapshot.FindEntryFolded(in->number, alias));
  if (!entry)
    return Error(ErrorCode::kNotFound, "there is no entry " + alias.text() + " in " + in->name.text());
  std::optional<RenewalPlan> plan;
  auto line = LineIn(snapshot, entry->number);
  if (!line.has_value() && line.error().code() == ErrorCode::kNotFound) return plan;
  plan.emplace();
  plan->entry = entry->number;
  plan->current = TRY(std::move(line));
  const AuthorityCertificate* const by = record.Find(plan->current.authority);
  plan->reason = ReasonFor(plan->current, by != nullptr ? by->role : AuthorityRole::kRetired,
                           state_->keystore.Now(), std::chrono::days(0));
  if (plan->reason.empty()) plan->reason = "asked for";
  TRY(state_->CompletePlan(snapshot, record, *plan));
  return plan;
}

Result<void> CertificateAuthority::State::CompletePlan(TableSnapshot& snapshot, const AuthorityRecord& record,
                                                       RenewalPlan& plan) {
  const Entry entry = TRY(GetEntry(snapshot, plan.entry));
  plan.store = TRY(GetStore(snapshot, entry.store)).name;
  plan.alias = entry.alias;
  const auto check = [&]() -> Result<void> {
    const auto profile = TRY(ProfileOf(record, plan.current.profile));
    const Certificate current = TRY(Certificate::FromDer(plan.current.certificate));
    TRY(CheckSubject(*profile, TRY(SubjectOf(current, nullptr))));
    if (KeyIsLost(plan.current) && !entry.file(Member::kKey)) return NoKeyHere();
    return {};
  };
  if (auto checked = check(); !checked.has_value()) plan.obstacle = std::move(checked).error();
  return {};
}

Result<IssuedCertificate> CertificateAuthority::Renew(Number entry, bool rekey, Actor actor) {
  return WhileOvertaken([&]() -> Result<IssuedCertificate> {
    std::optional<AuthorityRecord> record;
    std::optional<IssuedCertificate> line;
    bool new_key = rekey;
    {
      const auto snapshot = TRY(state_->keystore.Snapshot());
      record = TRY(GetIssuingRecord(*snapshot));
      const Entry live = TRY(GetEntry(*snapshot, entry));
      line = TRY(LineIn(*snapshot, entry));
      new_key = new_key || KeyIsLost(*line);
      if (new_key && !live.file(Member::kKey)) return NoKeyHere();
    }
    const Issuance at = TRY(state_->BeginIssuance(*std::move(record), actor));
    Draft draft = TRY(state_->DraftAgain(at, *line, new_key));
    const SecretBytes key =
        new_key ? WritePem("PRIVATE KEY", draft.issued.record.key.Reveal()) : SecretBytes();
    return state_->Apply([&](TableTransaction& transaction) -> Result<IssuedCertificate> {
      AuthorityRecord now = TRY(GetIssuingRecord(transaction));
      TRY(State::CheckIssuance(now, at));
      if (TRY(LineIn(transaction, entry)).serial != line->serial) return Overtaken();
      TRY(State::Enter(transaction, now, draft));
      TRY(state_->WriteInto(transaction, entry, draft.issued.chain, key.Reveal(), actor));
      TRY(transaction.PutAuthority(now));
      auto renewed = TRY(transaction.FindIssued(draft.issued.record.serial));
      return *std::move(renewed);
    });
  });
}

}  // namespace certfs
