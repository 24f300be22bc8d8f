// Replacing the root. What is left to do is a group of the ledger: the certificates of the one that goes
// which are live somewhere. Each step is one transaction that moves some of them to the other, so that
// whoever is killed between two steps goes on with what is left.

#include <algorithm>

#include "store/authority_step.h"

namespace certfs {

namespace {

Error UnderWay() {
  return {ErrorCode::kBusy, "replacement-under-way",
          "a replacement of the root is under way: finish it, or roll it back"};
}

Error CompromisedKey() {
  return {ErrorCode::kRejected, "compromised-key",
          "the new root has the key of the one that is replaced because it was compromised"};
}

// What the last replacement put aside: the newest that retires, as far as it can still issue.
AuthorityCertificate* FormerAuthority(AuthorityRecord& record) {
  const std::uint32_t issuing = record.Issuing()->id;
  AuthorityCertificate* former = nullptr;
  for (AuthorityCertificate& each : record.certificates) {
    const bool issues = !each.key.empty() || !each.token.empty();
    if (each.role == AuthorityRole::kRetiring && issues && each.id < issuing) former = &each;
  }
  return former;
}

bool IsAny(const IssuedCertificate&) { return true; }
// Neither revoked, nor replaced by another.
bool IsRelied(const IssuedCertificate& line) { return !line.revocation && !line.replaced_by; }

// Whether anything such that `authority` issued has not expired.
Result<bool> HasUnexpired(TableSnapshot& snapshot, const AuthorityCertificate& authority, Time now,
                          bool (*is_such)(const IssuedCertificate&)) {
  bool found = false;
  // Nothing outlives its issuer, or is good for longer than a profile may say; a CA may be good for ever.
  constexpr std::chrono::days kDaysMax{36525};
  const auto today = std::chrono::floor<std::chrono::days>(now);
  const auto last = std::min(std::chrono::floor<std::chrono::days>(TRY(CertificateOf(authority)).not_after()),
                             today + kDaysMax);
  for (auto day = today; day <= last && !found; day += std::chrono::days(1)) {
    const auto listed =
        snapshot.ListIssued(IssuedGroupKey::Day(day), [&](Cursor, const IssuedCertificate& line) {
          found = line.authority == authority.id && line.not_after >= now && is_such(line);
          return !found;
        });
    if (!listed.has_value() && listed.error().code() != ErrorCode::kCorrupt) return listed.error();
    // Of a damaged line nobody knows whose it is.
    found = found || !listed.has_value();
  }
  return found;
}

}  // namespace

Result<void> CertificateAuthority::State::Begin(const Newcomer& newcomer, bool compromised, bool rekey,
                                                Actor) {
  return Apply([&](TableTransaction& transaction) -> Result<void> {
    AuthorityRecord record = TRY(GetIssuingRecord(transaction));
    if (record.replacement) return UnderWay();
    RootReplacement replacement;
    replacement.from = record.Issuing()->id;
    replacement.to = TRY(Install(transaction, record, newcomer, AuthorityRole::kPrepared));
    replacement.compromised = compromised;
    replacement.rekey = rekey;
    replacement.began = keystore.Now();
    if (compromised && TRY(HaveOneKey(*record.Find(replacement.from), *record.Find(replacement.to))))
      return CompromisedKey();
    for (const std::uint32_t id : TRY(LeavingOf(record, replacement)))
      replacement.total += TRY(CountPlaced(transaction, id));
    record.replacement = replacement;
    record.last_operation = LastOperation{std::string(kReplaceRootOperation), replacement.began, {}, false};
    return transaction.PutAuthority(record);
  });
}

Result<void> CertificateAuthority::BeginReplacement(const NewAuthority& authority, bool compromised,
                                                    bool rekey, Actor actor) {
  if (TRY(GetIssuingRecord(*TRY(state_->keystore.Snapshot()))).replacement) return UnderWay();
  return state_->Begin(TRY(state_->MakeNewcomer(authority)), compromised, rekey, actor);
}

Result<void> CertificateAuthority::BeginReplacement(PrivateKey key, std::vector<Certificate> chain,
                                                    bool compromised, bool rekey, Actor actor) {
  if (TRY(GetIssuingRecord(*TRY(state_->keystore.Snapshot()))).replacement) return UnderWay();
  return state_->Begin(TRY(state_->CheckNewcomer(std::move(key), std::move(chain))), compromised, rekey,
                       actor);
}

Result<void> CertificateAuthority::RollBackReplacement(Actor) {
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    AuthorityRecord record = TRY(GetIssuingRecord(transaction));
    if (!record.replacement) TRY(state_->Reopen(transaction, record));
    record.replacement->phase = ReplacementPhase::kRollingBack;
    record.replacement->failed = 0;
    return transaction.PutAuthority(record);
  });
}

// One that has ended stands, once more, where it stood with everything re-issued.
Result<void> CertificateAuthority::State::Reopen(TableTransaction& transaction, AuthorityRecord& record) {
  AuthorityCertificate* const former = FormerAuthority(record);
  if (former == nullptr) return NoReplacement();
  AuthorityCertificate* const current = record.Issuing();
  RootReplacement replacement;
  replacement.from = former->id;
  replacement.to = current->id;
  replacement.began = keystore.Now();
  replacement.total = TRY(CountPlaced(transaction, current->id));
  current->role = AuthorityRole::kPrepared;
  former->role = AuthorityRole::kIssuing;
  record.replacement = replacement;
  return {};
}

Result<void> CertificateAuthority::State::Finish(TableTransaction& transaction, AuthorityRecord& record) {
  const RootReplacement replacement = *record.replacement;
  const Direction direction = DirectionOf(replacement);
  AuthorityCertificate* const leaving = record.Find(direction.from);
  AuthorityCertificate* const staying = record.Find(direction.to);
  if (leaving == nullptr || staying == nullptr)
    return Error(ErrorCode::kCorrupt, "a certificate of the replacement is missing");
  const std::vector<std::uint32_t> all_leaving = TRY(LeavingOf(record, replacement));
  record.replacement.reset();
  staying->role = AuthorityRole::kIssuing;
  const bool rolled_back = replacement.phase == ReplacementPhase::kRollingBack;
  if (rolled_back && record.last_operation && record.last_operation->name == kReplaceRootOperation)
    record.last_operation->reverted = true;
  // What could not be taken back is live under the new root, and what somebody was given meanwhile is good
  // for as long as he was told: then it has to stay trusted until that has expired.
  const bool distrust = rolled_back ? replacement.failed == 0 &&
                                          !TRY(HasUnexpired(transaction, *leaving, keystore.Now(), IsRelied))
                                    : replacement.compromised;
  leaving->role = AuthorityRole::kRetiring;
  if (!distrust) return {};
  for (const std::uint32_t id : all_leaving) TRY(Distrust(transaction, record, *record.Find(id)));
  return {};
}

Result<ReplacementProgress> CertificateAuthority::Progress(TableSnapshot& snapshot) {
  ReplacementProgress progress;
  if (!snapshot.has_authority()) return progress;
  progress.replacement = TRY(snapshot.GetAuthority()).replacement;
  if (!progress.replacement) return progress;
  std::uint64_t placed = 0;
  for (const std::uint32_t id : TRY(LeavingOf(TRY(snapshot.GetAuthority()), *progress.replacement)))
    placed += TRY(CountPlaced(snapshot, id));
  progress.left = placed - std::min(placed, progress.replacement->failed);
  return progress;
}

// --- The end of the old one

Result<std::vector<std::uint32_t>> CertificateAuthority::Retire(bool now, Actor) {
  bool unchanged = true;
  const auto retire = [&](TableTransaction& transaction) -> Result<std::vector<std::uint32_t>> {
    std::vector<std::uint32_t> retired;
    AuthorityRecord record = TRY(GetIssuingRecord(transaction));
    for (AuthorityCertificate& each : record.certificates) {
      if (each.role != AuthorityRole::kRetiring) continue;
      if (!now && TRY(HasUnexpired(transaction, each, state_->keystore.Now(), IsAny))) continue;
      TRY(state_->Distrust(transaction, record, each));
      retired.push_back(each.id);
    }
    unchanged = retired.empty();
    TRY(transaction.PutAuthority(record));
    return retired;
  };
  return state_->Apply(retire, &unchanged);
}

}  // namespace certfs
