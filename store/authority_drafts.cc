// Certificates that are signed outside of any transaction, and their way into the ledger.

#include <algorithm>

#include "store/authority_state.h"

namespace certfs {

namespace {

// What certifying takes besides the issuer.
struct Wanted {
  const CertificateSubject& subject;
  const Profile& profile;
  std::optional<std::chrono::seconds> lifetime;
  const std::optional<PrivateKey>& made;  // The key, where it was made for this.
};

Result<Draft> Certify(const Issuance& at, const Wanted& wanted) {
  const Issuer& issuer = *at.issuer;
  const auto now = std::chrono::floor<std::chrono::seconds>(at.now);
  const Validity validity = ValidityOf(wanted.profile, now, wanted.lifetime, issuer.certificate());
  const SerialNumber serial = TRY(RandomSerialNumber());
  Certificate certificate = TRY(issuer.Issue(wanted.subject, wanted.profile, serial, validity));
  Issued issued;
  IssuedCertificate& line = issued.record;
  line.authority = at.authority;
  Describe(line, certificate);
  line.profile = wanted.profile.name;
  line.uid = at.actor.uid;
  line.gid = at.actor.gid;
  line.issued = at.now;
  if (wanted.made) line.key = TRY(wanted.made->ToPkcs8());
  issued.chain = issuer.FullChain(certificate);
  return Draft{std::move(issued), std::move(certificate)};
}

// Nobody but the newest line is picked up under a name.
Result<void> FreePickup(TableTransaction& transaction, const std::string& pickup) {
  std::vector<IssuedCertificate> before;
  TRY(transaction.ListIssued(IssuedGroupKey::Pickup(pickup), [&](Cursor, const IssuedCertificate& line) {
    before.push_back(line.Clone());
    return true;
  }));
  for (IssuedCertificate& line : before) {
    line.pickup.clear();
    line.key.clear();
    TRY(transaction.PutIssued(std::move(line)));
  }
  return {};
}

}  // namespace

Result<Issuance> CertificateAuthority::State::BeginIssuance(AuthorityRecord record, Actor actor,
                                                            std::uint32_t authority) {
  const AuthorityCertificate* const by = authority != 0 ? record.Find(authority) : IssuerNow(record);
  if (by == nullptr) return NoAuthority();
  const std::uint32_t id = by->id;
  auto issuer = TRY(IssuerOf(*by));
  return Issuance{std::move(record), id, std::move(issuer), keystore.Now(), actor};
}

Result<Issuance> CertificateAuthority::State::BeginIssuance(Actor actor) {
  return BeginIssuance(TRY(GetIssuingRecord(*TRY(keystore.Snapshot()))), actor);
}

Result<Draft> CertificateAuthority::State::DraftOf(const Issuance& at, const IssueOrder& order) {
  if (!order.request && !order.config)
    return Error(ErrorCode::kInvalidArgument, "neither a request nor its values are given");
  if (!order.pickup.empty()) TRY(internal::CheckName(order.pickup, kPickupNameBytesMax, "/@"));
  const auto profile = TRY(ProfileOf(at.record, order.profile));
  std::optional<PrivateKey> made;
  std::optional<CertificateSubject> subject;
  // Whoever asks shows that he has the key, also where he says the names in another way.
  if (order.request) subject = TRY(SubjectOf(*order.request, profile->authority));
  if (order.config && subject) {
    subject = TRY(SubjectOf(*order.config, subject->key));
  } else if (order.config) {
    made = TRY(PrivateKey::Generate(order.config->key_type.value_or(kDefaultKeyType)));
    subject = TRY(SubjectOf(*order.config, TRY(PublicKey::Beside(*made))));
  }
  Draft draft = TRY(Certify(at, {*subject, *profile, order.lifetime, made}));
  draft.issued.record.pickup = order.pickup;
  return draft;
}

Result<Draft> CertificateAuthority::State::DraftAgain(const Issuance& at, const IssuedCertificate& line,
                                                      bool rekey) {
  if (line.certificate.empty()) return NotIssuedHere();
  const Certificate before = TRY(Certificate::FromDer(line.certificate));
  const auto profile = TRY(ProfileOf(at.record, line.profile));
  std::optional<PrivateKey> made;
  std::optional<PublicKey> key;
  if (rekey) {
    made = TRY(PrivateKey::GenerateLike(TRY(SubjectOf(before, nullptr)).key));
    key = TRY(PublicKey::Beside(*made));
  }
  const CertificateSubject subject = TRY(SubjectOf(before, key ? &*key : nullptr));
  Draft draft = TRY(Certify(at, {subject, *profile, {}, made}));
  // Whose it is does not change with who renews it.
  draft.issued.record.uid = line.uid;
  draft.issued.record.gid = line.gid;
  return draft;
}

Result<void> CertificateAuthority::State::CheckIssuance(const AuthorityRecord& record, const Issuance& at) {
  const AuthorityCertificate* const by = record.Find(at.authority);
  const bool same = by != nullptr && std::ranges::equal(by->certificate, at.issuer->certificate().der());
  if (!same || IssuerNow(record) != by) return Overtaken();
  return {};
}

Result<void> CertificateAuthority::State::Enter(TableTransaction& transaction, AuthorityRecord& record,
                                                Draft& draft) {
  IssuedCertificate& line = draft.issued.record;
  const BytesView issuer = draft.certificate.issuer_der();
  const IssuedSerial serial{{issuer.begin(), issuer.end()}, draft.certificate.serial_der()};
  if (TRY(transaction.FindSerial(serial))) return Overtaken();
  if (!line.pickup.empty()) TRY(FreePickup(transaction, line.pickup));
  IssuedCertificate stored = line.Clone();
  // A draft is entered once more when the transaction that had it was given up: that number was never used.
  stored.number = 0;
  // A key is kept only for whoever picks it up.
  if (stored.pickup.empty()) stored.key.clear();
  auto number = transaction.PutIssued(std::move(stored));
  if (!number.has_value() && number.error().code() == ErrorCode::kAlreadyExists) return Overtaken();
  line.number = TRY(std::move(number));
  ++record.Find(line.authority)->issued;
  return {};
}

}  // namespace certfs
