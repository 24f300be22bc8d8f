// One step of a replacement of the root: what it moves, and the transaction that moves it.

#include "store/authority_step.h"

#include <algorithm>
#include <limits>

#include "store/kept_state.h"

namespace certfs {

namespace {

// What `line` replaced; nothing where that is unknown or damaged.
Result<std::optional<IssuedCertificate>> FormerOf(TableSnapshot& snapshot, const IssuedCertificate& line) {
  std::optional<IssuedCertificate> none;
  if (!line.replaces) return none;
  auto former = snapshot.FindIssued(*line.replaces);
  if (!former.has_value() && former.error().code() == ErrorCode::kCorrupt) return none;
  if (former.has_value() && former.value() && former.value()->certificate.empty()) return none;
  return former;
}

// Whether a failure is of one entry: it stays as it is, and the others go on.
bool ConcernsOne(ErrorCode code) {
  switch (code) {
    case ErrorCode::kMalformed:
    case ErrorCode::kTooLarge:
    case ErrorCode::kRejected:
    case ErrorCode::kExpired:
    case ErrorCode::kRevoked:
    case ErrorCode::kNotFound:
    case ErrorCode::kNotPermitted:
    case ErrorCode::kReadOnly:
    case ErrorCode::kUnsupported:
    case ErrorCode::kCorrupt:
      return true;
    default:
      return false;
  }
}

// Notes that `line` is live in its entry no more, which got another certificate: where the one before could
// not be read nobody has told the ledger.
Result<void> Displace(TableTransaction& transaction, const IssuedCertificate& line) {
  auto displaced = TRY(transaction.FindIssuedByNumber(line.number));
  if (!displaced || displaced->entry != line.entry) return {};
  displaced->entry = 0;
  TRY(transaction.PutIssued(*std::move(displaced)));
  return {};
}

Error NothingMoved() {
  return {ErrorCode::kRejected, "nothing-reissued",
          "nothing could be re-issued: see what certfs renew says of one, or take the replacement back"};
}

}  // namespace

Error NoReplacement() {
  return {ErrorCode::kNotFound, "no-replacement", "no replacement of the root is under way"};
}

Result<std::vector<std::uint32_t>> LeavingOf(const AuthorityRecord& record,
                                             const RootReplacement& replacement) {
  const Direction direction = DirectionOf(replacement);
  std::vector<std::uint32_t> leaving{direction.from};
  const AuthorityCertificate* const from = record.Find(direction.from);
  if (!replacement.compromised || replacement.phase == ReplacementPhase::kRollingBack || from == nullptr)
    return leaving;
  for (const AuthorityCertificate& each : record.certificates) {
    if (each.id == direction.from || each.id == direction.to || each.role == AuthorityRole::kRetired)
      continue;
    if (TRY(HaveOneKey(each, *from))) leaving.push_back(each.id);
  }
  return leaving;
}

Result<std::vector<IssuedCertificate>> NextPlaced(TableSnapshot& snapshot,
                                                  std::span<const std::uint32_t> authorities,
                                                  std::size_t count, const std::set<Number>& except) {
  std::vector<IssuedCertificate> lines;
  for (const std::uint32_t authority : authorities) {
    const auto listed =
        snapshot.ListIssued(IssuedGroupKey::Placed(authority), [&](Cursor, const IssuedCertificate& line) {
          if (lines.size() >= count) return false;
          if (!except.contains(line.number)) lines.push_back(line.Clone());
          return true;
        });
    // A damaged line cannot be moved, and keeps the others from nothing: all of them were shown.
    TRY(PastDamage(listed));
  }
  return lines;
}

Result<std::vector<Number>> CertificateAuthority::NextEntries(TableSnapshot& snapshot, std::size_t count) {
  std::vector<Number> entries;
  const AuthorityRecord record = TRY(snapshot.GetAuthority());
  if (!record.replacement) return entries;
  const std::vector<std::uint32_t> leaving = TRY(LeavingOf(record, *record.replacement));
  // Those that could not be re-issued stay where they are, and are passed over.
  const std::size_t wanted = count + static_cast<std::size_t>(record.replacement->failed);
  for (const IssuedCertificate& line : TRY(NextPlaced(snapshot, leaving, wanted, {})))
    entries.push_back(line.entry);
  return entries;
}

Result<ReplacementProgress> CertificateAuthority::StepReplacement(std::size_t count, Actor actor) {
  return WhileOvertaken([&] { return state_->TakeStep(std::max<std::size_t>(count, 1), actor); });
}

Result<void> CertificateAuthority::State::FindMoves(Step& step, std::size_t count) {
  const auto snapshot = TRY(keystore.Snapshot());
  AuthorityRecord record = TRY(GetIssuingRecord(*snapshot));
  if (!record.replacement) return NoReplacement();
  step.replacement = *record.replacement;
  step.direction = DirectionOf(step.replacement);
  step.leaving = TRY(LeavingOf(record, step.replacement));
  std::set<Number> not_restorable;
  {
    const std::lock_guard lock(mutex);
    const std::pair of(step.replacement.to, step.replacement.phase);
    if (stuck.of != of) stuck = {of, {}, {}, {}};
    not_restorable = stuck.not_restorable;
  }
  TRY(ReadyAll(record));
  const AuthorityCertificate* const to = record.Find(step.direction.to);
  if (to == nullptr) return Error(ErrorCode::kCorrupt, "the authority that is to issue is missing");
  step.issuer = TRY(IssuerOf(*to));
  for (IssuedCertificate& line : TRY(NextPlaced(*snapshot, step.leaving, count, Failed()))) {
    auto found = snapshot->FindEntryByNumber(line.entry);
    if (!found.has_value()) {
      if (!ConcernsOne(found.error().code())) return std::move(found).error();
      Fail(line.number, false);
      step.refusal = std::move(found).error();
      continue;
    }
    const auto& entry = found.value();
    StepMove& move = step.moves.emplace_back();
    move.line = std::move(line);
    move.has_key = entry && entry->file(Member::kKey);
    move.key_lost = KeyIsLost(move.line);
    const auto former = TRY(FormerOf(*snapshot, move.line));
    if (!former) continue;
    const Certificate certificate = TRY(Certificate::FromDer(former->certificate));
    const Certificate current = TRY(Certificate::FromDer(move.line.certificate));
    const bool one_key = std::ranges::equal(certificate.key_der(), current.key_der());
    move.key_lost = move.key_lost || (one_key && KeyIsLost(*former));
    if (step.replacement.phase != ReplacementPhase::kRollingBack || !entry || (one_key && move.key_lost))
      continue;
    if (!not_restorable.contains(move.line.number))
      TRY(PastDamage(FindFormer(*snapshot, *entry, *former, certificate, step, move)));
  }
  step.at = TRY(BeginIssuance(std::move(record), step.actor, step.direction.to));
  return {};
}

// Looks for the pair that `entry` had before: `certificate` is in the ledger, and its key still the live
// one, or else in BACKUP_STORE. kCorrupt where that is damaged: then there is none.
Result<void> CertificateAuthority::State::FindFormer(TableSnapshot& snapshot, const Entry& entry,
                                                     const IssuedCertificate& former,
                                                     const Certificate& certificate, const Step& step,
                                                     StepMove& move) {
  if (former.authority != step.direction.to || former.revocation) return {};
  if (move.has_key) {
    const auto fits = [&](const SecretBytes& bytes) {
      const auto file = ReadKeyFile(bytes.Reveal());
      return file.has_value() && file.value().key.Matches(certificate);
    };
    if (!fits(TRY(ReadLive(snapshot, entry, Member::kKey)))) {
      const Store store = TRY(GetStore(snapshot, entry.store));
      const auto kept = TRY(FindKeptState(snapshot, store, entry.alias));
      if (!kept || !kept->file(Member::kKey)) return {};
      SecretBytes key = TRY(ReadLive(snapshot, *kept, Member::kKey));
      if (!fits(key)) return {};
      move.key = std::move(key);
    }
  }
  move.certificate = step.issuer->FullChain(certificate);
  return {};
}

Result<ReplacementProgress> CertificateAuthority::State::TakeStep(std::size_t count, Actor actor) {
  Step step;
  step.actor = actor;
  TRY(FindMoves(step, count));
  std::vector<StepMove*> to_draft;
  for (StepMove& move : step.moves) {
    if (move.certificate.empty()) to_draft.push_back(&move);
  }
  auto made = MakeAll<Draft>(to_draft.size(), [&](std::size_t i) -> Result<Draft> {
    const StepMove& move = *to_draft[i];
    if (move.key_lost && !move.has_key) return NoKeyHere();
    return DraftAgain(*step.at, move.line, move.key_lost || (step.replacement.rekey && move.has_key));
  });
  bool refused = false;
  for (std::size_t i = 0; i < made.size(); ++i) {
    StepMove& move = *to_draft[i];
    if (!made[i]->has_value()) {
      if (!ConcernsOne(made[i]->error().code())) return made[i]->error();
      Fail(move.line.number, false);
      step.refusal = made[i]->error();
      refused = true;
      continue;
    }
    move.draft = std::move(*made[i]).value();
    move.certificate = move.draft->issued.chain;
    const SecretBytes& key = move.draft->issued.record.key;
    if (!key.empty()) move.key = WritePem("PRIVATE KEY", key.Reveal());
  }
  if (refused) std::erase_if(step.moves, [](const StepMove& move) { return move.certificate.empty(); });
  return CommitStep(step);
}

Result<ReplacementProgress> CertificateAuthority::State::CommitStep(Step& step) {
  for (;;) {
    StepMove* failed = nullptr;
    bool finished = false;
    std::uint64_t left = 0;
    const auto change = [&](TableTransaction& transaction) -> Result<RootReplacement> {
      AuthorityRecord record = TRY(GetIssuingRecord(transaction));
      if (!record.replacement || record.replacement->phase != step.replacement.phase ||
          record.replacement->to != step.replacement.to)
        return Overtaken();
      TRY(CheckIssuance(record, *step.at));
      // Where nothing can be judged it is no entry's fault.
      const auto trust = TRY(keystore.GetTrust(transaction));
      const bool judges = !trust->lists_damaged && !trust->roots_damaged;
      step.moved = 0;
      for (StepMove& move : step.moves) {
        const auto line = TRY(transaction.FindIssuedByNumber(move.line.number));
        if (!line || line->entry != move.line.entry) continue;  // Somebody else was there first.
        if (move.draft) TRY(Enter(transaction, record, *move.draft));
        auto written =
            WriteInto(transaction, move.line.entry, move.certificate, move.key.Reveal(), step.actor);
        if (!written.has_value()) {
          if (judges && ConcernsOne(written.error().code())) failed = &move;
          return std::move(written).error();
        }
        TRY(Displace(transaction, move.line));
        ++step.moved;
      }
      record.replacement->failed = Failed().size();
      const RootReplacement replacement = *record.replacement;
      finished = TRY(NextPlaced(transaction, step.leaving, 1, Failed())).empty();
      // The compromised one is trusted no more when this ends: not where that would be all that was done.
      const std::size_t total = static_cast<std::size_t>(replacement.total);
      if (finished && replacement.compromised && total != 0 &&
          TRY(NextPlaced(transaction, step.leaving, total, {})).size() == total)
        return step.refusal ? *step.refusal : NothingMoved();
      left = finished ? 0 : TRY(CountLeft(transaction, step));
      if (finished) TRY(Finish(transaction, record));
      TRY(transaction.PutAuthority(record));
      return replacement;
    };
    auto outcome = Apply(change);
    if (!outcome.has_value() && failed != nullptr) {
      // The others go without it.
      Fail(failed->line.number, !failed->draft);
      if (failed->draft) step.refusal = outcome.error();
      std::erase_if(step.moves, [&](const StepMove& move) { return &move == failed; });
      continue;
    }
    ReplacementProgress progress{TRY(std::move(outcome)), left};
    if (finished) progress.replacement.reset();
    const std::lock_guard lock(mutex);
    stuck.left = left;
    return progress;
  }
}

std::set<Number> CertificateAuthority::State::Failed() {
  const std::lock_guard lock(mutex);
  return stuck.failed;
}

void CertificateAuthority::State::Fail(Number line, bool restored) {
  const std::lock_guard lock(mutex);
  (restored ? stuck.not_restorable : stuck.failed).insert(line);
  if (!restored && stuck.left && *stuck.left > 0) --*stuck.left;
}

Result<std::uint64_t> CertificateAuthority::State::CountLeft(TableSnapshot& after, const Step& step) {
  {
    const std::lock_guard lock(mutex);
    if (stuck.left) return std::max<std::uint64_t>(*stuck.left, step.moved + 1) - step.moved;
  }
  const auto all = std::numeric_limits<std::size_t>::max();
  return std::uint64_t{TRY(NextPlaced(after, step.leaving, all, Failed())).size()};
}

}  // namespace certfs
