// The authority as one PKCS#12 file under the export password.

#include <algorithm>

#include "crypto/pkcs12.h"
#include "store/authority_state.h"

namespace certfs {

namespace {

constexpr std::string_view kFriendlyName = "certfs CA";

Result<AuthorityCertificate> WithKey(TableSnapshot& snapshot) {
  AuthorityRecord record = TRY(GetIssuingRecord(snapshot));
  AuthorityCertificate& issuing = *record.Issuing();
  if (issuing.key.empty()) {
    return Error(ErrorCode::kUnsupported, "key-in-token",
                 "the authority's key lies in a token, which alone can back it up");
  }
  return std::move(issuing);
}

}  // namespace

Result<Bytes> CertificateAuthority::MakeBackup(TableSnapshot& snapshot) {
  const AuthorityCertificate authority = TRY(WithKey(snapshot));
  const auto password = TRY(state_->context.ExportPassword(snapshot));
  Pkcs12Builder builder(*password, TRY(state_->context.Seed(snapshot)));
  std::vector<BytesView> certificates{authority.certificate};
  certificates.insert(certificates.end(), authority.chain.begin(), authority.chain.end());
  TRY(builder.AddKey(kFriendlyName, authority.key.Reveal(), certificates));
  return builder.Finish();
}

Result<std::uint64_t> CertificateAuthority::MeasureBackup(TableSnapshot& snapshot) {
  const AuthorityCertificate authority = TRY(WithKey(snapshot));
  Pkcs12Measure measure(TRY(state_->context.ExportForm(snapshot)));
  std::vector<std::size_t> certificates{authority.certificate.size()};
  for (const Bytes& each : authority.chain) certificates.push_back(each.size());
  measure.AddKey(kFriendlyName, authority.key.size(), certificates);
  return std::uint64_t{measure.size()};
}

Result<void> CertificateAuthority::NoteBackup() {
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    AuthorityRecord record = TRY(GetIssuingRecord(transaction));
    record.backed_up = state_->keystore.Now();
    // The root that a replacement is about to bring is not in it: it counts as made afterwards.
    for (const AuthorityCertificate& each : record.certificates) {
      if (each.role == AuthorityRole::kPrepared)
        record.backed_up = std::min(record.backed_up, each.created - Time::duration(1));
    }
    record.issued_at_backup = transaction.issued_count();
    return transaction.PutAuthority(record);
  });
}

}  // namespace certfs
