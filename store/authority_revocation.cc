#include "store/authority_state.h"

namespace certfs {

Result<void> CertificateAuthority::Revoke(const SerialNumber& serial, RevocationReason reason, Actor) {
  {
    const auto snapshot = TRY(state_->keystore.Snapshot());
    if (!snapshot->has_authority()) return NoAuthority();
    TRY(state_->ReadyAll(TRY(snapshot->GetAuthority())));
  }
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    auto line = TRY(transaction.FindIssued(serial));
    if (!line) return NotIssuedHere();
    if (line->revocation) {
      return Error(ErrorCode::kAlreadyExists, "revoked-already",
                   "it was revoked at " + FormatTimestamp(line->revocation->at));
    }
    line->revocation = Revocation{state_->keystore.Now(), reason};
    const std::uint32_t by = line->authority;
    TRY(transaction.PutIssued(*std::move(line)));
    AuthorityRecord record = TRY(transaction.GetAuthority());
    const AuthorityCertificate* const issuer = record.Find(by);
    // What nobody trusts any more needs no list; but another certificate may have the same name and key.
    for (AuthorityCertificate& each : record.certificates) {
      if (issuer == nullptr || each.role == AuthorityRole::kRetired) continue;
      if (each.id != by && !TRY(ShareList(each, *issuer))) continue;
      TRY(state_->SignList(transaction, each));
      return transaction.PutAuthority(record);
    }
    return {};
  });
}

Result<std::size_t> CertificateAuthority::RefreshLists(bool force) {
  std::vector<std::uint32_t> wanted;
  {
    const auto snapshot = TRY(state_->keystore.Snapshot());
    if (!snapshot->has_authority()) return NoAuthority();
    const AuthorityRecord record = TRY(snapshot->GetAuthority());
    for (const AuthorityCertificate& each : record.certificates) {
      if (each.role == AuthorityRole::kRetired) continue;
      if (force || TRY(state_->WantsList(*snapshot, each))) wanted.push_back(each.id);
    }
  }
  // One by one: of what cannot sign the others' lists do not grow old.
  std::size_t signed_lists = 0;
  std::optional<Error> failure;
  for (const std::uint32_t id : wanted) {
    auto refreshed = state_->RefreshList(id, force);
    if (refreshed.has_value()) {
      signed_lists += refreshed.value() ? 1 : 0;
    } else if (!failure) {
      failure = std::move(refreshed).error();
    }
  }
  if (failure) return *std::move(failure);
  return signed_lists;
}

// Says whether it was signed anew.
Result<bool> CertificateAuthority::State::RefreshList(std::uint32_t id, bool force) {
  {
    const auto snapshot = TRY(keystore.Snapshot());
    const AuthorityRecord record = TRY(snapshot->GetAuthority());
    if (const AuthorityCertificate* const each = record.Find(id)) TRY(IssuerOf(*each));
  }
  return Apply([&](TableTransaction& transaction) -> Result<bool> {
    AuthorityRecord record = TRY(transaction.GetAuthority());
    AuthorityCertificate* const each = record.Find(id);
    if (each == nullptr || each->role == AuthorityRole::kRetired) return false;
    if (!force && !TRY(WantsList(transaction, *each))) return false;
    TRY(PutAnchors(transaction, *each));
    TRY(SignList(transaction, *each, force));
    TRY(transaction.PutAuthority(record));
    return true;
  });
}

}  // namespace certfs
