// How an authority comes to be: made here, or brought from elsewhere.

#include <algorithm>

#include "crypto/sealing.h"
#include "crypto/trust_set.h"
#include "store/authority_state.h"

namespace certfs {

namespace {

Error AuthorityExists() {
  return {ErrorCode::kAlreadyExists, "authority-exists", "this keystore has a certificate authority already"};
}

Result<void> CheckThereIsNone(TableSnapshot& snapshot) {
  if (!snapshot.has_authority()) return {};
  const AuthorityRecord record = TRY(snapshot.GetAuthority());
  if (record.Issuing() != nullptr) return AuthorityExists();
  return {};
}

Error NoChain(const std::string& why) {
  return {ErrorCode::kRejected, "chain-broken", "the chain of the signing certificate does not hold: " + why};
}

}  // namespace

Result<Newcomer> CertificateAuthority::State::MakeNewcomer(const NewAuthority& authority) {
  PrivateKey key = TRY(PrivateKey::Generate(authority.key_type));
  SecretBytes pkcs8 = TRY(key.ToPkcs8());
  std::shared_ptr<const Signer> signer = TRY(MakeSigner(std::move(key)));
  RootOptions options;
  options.name = TRY(DistinguishedName(authority.subject));
  options.lifetime = authority.lifetime;
  options.path_length = authority.path_length;
  options.permitted = authority.permitted;
  options.excluded = authority.excluded;
  Certificate certificate = TRY(MakeRoot(options, TRY(RandomSerialNumber()),
                                         std::chrono::floor<std::chrono::seconds>(keystore.Now()), *signer));
  auto issuer = TRY(Issuer::Make(std::move(certificate), {}, std::move(signer)));
  return Newcomer{std::move(pkcs8), std::move(issuer)};
}

Result<Newcomer> CertificateAuthority::State::CheckNewcomer(PrivateKey key, std::vector<Certificate> chain) {
  if (chain.empty()) return Error(ErrorCode::kInvalidArgument, "no certificate is given");
  if (chain.size() > kAuthorityChainMax) return NoChain("it has too many certificates");
  if (!chain.back().IsSelfSigned()) return NoChain("it does not end in a root");
  SecretBytes pkcs8 = TRY(key.ToPkcs8());
  Certificate certificate = chain.front();
  chain.erase(chain.begin());
  // Refuses a key that does not fit and what is no CA.
  auto issuer = TRY(Issuer::Make(certificate, chain, TRY(MakeSigner(std::move(key)))));
  const auto now = std::chrono::floor<std::chrono::seconds>(keystore.Now());
  if (certificate.not_after() < now || certificate.not_before() > now)
    return Error(ErrorCode::kExpired, "expired", "the signing certificate is not valid at this time");
  const TrustSet trust({chain.empty() ? certificate : chain.back()}, {});
  const ChainResult verified = trust.Verify(certificate, chain, Purpose::kAny, now);
  if (!verified.faults.empty()) return NoChain(verified.faults.front().words);
  if (verified.chain.size() != chain.size() + 1)
    return NoChain("it holds a certificate that is not part of it");
  return Newcomer{std::move(pkcs8), std::move(issuer)};
}

Result<std::uint32_t> CertificateAuthority::State::Install(TableTransaction& transaction,
                                                           AuthorityRecord& record, const Newcomer& newcomer,
                                                           AuthorityRole role) {
  if (record.certificates.size() >= kAuthorityCertificatesMax)
    return Error(ErrorCode::kTooLarge, "too-many-authorities", "the authority has had too many certificates");
  const BytesView der = newcomer.issuer->certificate().der();
  for (const AuthorityCertificate& each : record.certificates) {
    if (each.role != AuthorityRole::kRetired && std::ranges::equal(each.certificate, der))
      return AuthorityExists();
  }
  AuthorityCertificate made;
  made.id = record.next_id++;
  made.role = role;
  made.certificate.assign(der.begin(), der.end());
  for (const Certificate& each : newcomer.issuer->chain())
    made.chain.emplace_back(each.der().begin(), each.der().end());
  made.key = newcomer.key.Clone();
  made.created = keystore.Now();
  const std::uint32_t id = made.id;
  {
    const std::lock_guard lock(mutex);
    issuers[id] = {Sha256({der}), newcomer.issuer};
  }
  record.certificates.push_back(std::move(made));
  TRY(PutAnchors(transaction, record.certificates.back()));
  TRY(SignList(transaction, record.certificates.back()));
  return id;
}

Result<void> CertificateAuthority::Create(const NewAuthority& authority, Actor) {
  TRY(CheckThereIsNone(*TRY(state_->keystore.Snapshot())));
  const Newcomer newcomer = TRY(state_->MakeNewcomer(authority));
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    TRY(CheckThereIsNone(transaction));
    AuthorityRecord record = TRY(transaction.GetAuthority());
    TRY(state_->Install(transaction, record, newcomer, AuthorityRole::kIssuing));
    return transaction.PutAuthority(record);
  });
}

Result<void> CertificateAuthority::Import(PrivateKey key, std::vector<Certificate> chain, bool replace,
                                          Actor) {
  if (!replace) TRY(CheckThereIsNone(*TRY(state_->keystore.Snapshot())));
  const Newcomer newcomer = TRY(state_->CheckNewcomer(std::move(key), std::move(chain)));
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    if (!replace) TRY(CheckThereIsNone(transaction));
    AuthorityRecord record = TRY(transaction.GetAuthority());
    if (record.replacement) {
      return Error(ErrorCode::kBusy, "replacement-under-way",
                   "a replacement of the root is under way: finish it, or roll it back");
    }
    if (AuthorityCertificate* const old = record.Issuing()) old->role = AuthorityRole::kRetiring;
    TRY(state_->Install(transaction, record, newcomer, AuthorityRole::kIssuing));
    return transaction.PutAuthority(record);
  });
}

Result<void> CertificateAuthority::Restore(PrivateKey key, std::vector<Certificate> chain,
                                           const RevocationList* crl, Actor actor) {
  TRY(CheckThereIsNone(*TRY(state_->keystore.Snapshot())));
  const Newcomer newcomer = TRY(state_->CheckNewcomer(std::move(key), std::move(chain)));
  if (crl != nullptr && !crl->SignedBy(newcomer.issuer->certificate()))
    return Error(ErrorCode::kRejected, "crl-bad-signature", "the CRL is not of this authority");
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    TRY(CheckThereIsNone(transaction));
    AuthorityRecord record = TRY(transaction.GetAuthority());
    TRY(state_->Install(transaction, record, newcomer, AuthorityRole::kIssuing));
    AuthorityCertificate& restored = record.certificates.back();
    if (crl != nullptr) {
      TRY(TakeOverList(transaction, restored, *crl, actor));
      restored.crl_number = std::max(restored.crl_number, crl->number().value_or(0));
      TRY(state_->SignList(transaction, restored));
    }
    // Whoever has it from a backup has a backup.
    record.backed_up = state_->keystore.Now();
    record.issued_at_backup = transaction.issued_count();
    return transaction.PutAuthority(record);
  });
}

}  // namespace certfs
