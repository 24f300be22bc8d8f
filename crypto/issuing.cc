#include "crypto/issuing.h"

#include <algorithm>

#include "crypto/base/time.h"
#include "crypto/issuing/extensions.h"
#include "crypto/issuing/issuer_state.h"
#include "crypto/issuing/lint.h"
#include "crypto/issuing/signed_objects.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/pem.h"

namespace certfs {

namespace {

constexpr std::string_view kServerAuth = "1.3.6.1.5.5.7.3.1";
constexpr std::size_t kEmptyNameBytes = 2;

// What a profile comes to for one subject.
struct Plan {
  AlternativeNames names;
  std::vector<std::string> purposes;
  std::uint16_t key_usage = 0;
  std::optional<int> path_length;
  Role role = Role::kLeaf;
};

Result<void> CheckDates(const Certificate& issuer, const Validity& validity) {
  // First: what begins behind the issuer's end ends, cut short, before it begins.
  if (validity.not_before < issuer.not_before() || validity.not_before > issuer.not_after()) {
    return Error(ErrorCode::kExpired, "issuer-expired",
                 FormatTimestamp(issuer.not_before()) + " to " + FormatTimestamp(issuer.not_after()));
  }
  if (validity.not_after < validity.not_before)
    return Error(ErrorCode::kInvalidArgument, "a validity that ends before it begins");
  if (validity.not_after > issuer.not_after())
    return Error(ErrorCode::kRejected, "outlives-its-issuer", FormatTimestamp(issuer.not_after()));
  return {};
}

// RSA keys encipher and do not agree; EC keys agree and do not encipher; Edwards keys only sign (RFC 8410,
// 5).
std::uint16_t UsageFor(const PublicKey& key, std::uint16_t usage) {
  const std::string kind = key.Describe();
  std::uint16_t foreign = KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT | KU_KEY_AGREEMENT;
  if (kind.starts_with("RSA")) foreign = KU_KEY_AGREEMENT;
  if (kind.starts_with("EC ")) foreign = KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT;
  return static_cast<std::uint16_t>(usage & ~foreign);
}

Result<Plan> PlanFor(const CertificateSubject& subject, const Profile& profile,
                     const issuing::IssuingChain& authorities) {
  TRY(CheckSubject(profile, subject));
  Plan plan;
  plan.names = NamesUnder(profile, subject);
  plan.key_usage = UsageFor(subject.key, profile.key_usage);
  if (plan.key_usage == 0) {
    return Error(ErrorCode::kRejected, "profile-key",
                 subject.key.Describe() + " is for none of the usages of profile " + profile.name);
  }
  // Who names no host cannot be a server that anybody verifies (RFC 6125, 6).
  const bool host = !plan.names.hosts.empty() || !plan.names.addresses.empty();
  for (const std::string& purpose : profile.extended_key_usage) {
    if (purpose != kServerAuth || host || profile.authority) plan.purposes.push_back(purpose);
  }
  if (plan.purposes.empty() && !profile.extended_key_usage.empty())
    return Error(ErrorCode::kRejected, "profile-no-host", "profile " + profile.name + " is for servers");
  TRY(authorities.CheckPurposes(plan.purposes));
  const bool server =
      std::find(plan.purposes.begin(), plan.purposes.end(), kServerAuth) != plan.purposes.end();
  if (profile.authority) {
    const auto left = TRY(authorities.PathLengthLeft());
    plan.path_length = profile.path_length;
    if (left) plan.path_length = std::min(plan.path_length.value_or(*left), *left);
    plan.role = Role::kIntermediate;
  } else if (server) {
    plan.role = Role::kServerLeaf;
  }
  return plan;
}

Bytes ExtensionsOf(const Plan& plan, const CertificateSubject& subject, const Profile& profile,
                   BytesView issuer_key_identifier, BytesView key_identifier) {
  Bytes extensions;
  issuing::Der der(extensions);
  // A leaf is none by default, and says nothing of it (RFC 5280, 4.2.1.9).
  if (profile.authority) issuing::WriteAuthorityConstraints(der, plan.path_length);
  issuing::WriteKeyUsage(der, plan.key_usage);
  if (!plan.purposes.empty()) issuing::WriteExtendedKeyUsage(der, plan.purposes);
  issuing::WriteSubjectKeyIdentifier(der, key_identifier);
  issuing::WriteAuthorityKeyIdentifier(der, issuer_key_identifier);
  if (plan.names.size() != 0)
    issuing::WriteAlternativeNames(der, plan.names, subject.name.size() <= kEmptyNameBytes);
  if (!profile.crl_urls.empty()) issuing::WriteCrlUrls(der, profile.crl_urls);
  if (!profile.ocsp_urls.empty() || !profile.issuer_urls.empty())
    issuing::WriteAuthorityInformation(der, profile.ocsp_urls, profile.issuer_urls);
  if (profile.ocsp_no_check) issuing::WriteOcspNoCheck(der);
  return extensions;
}

}  // namespace

Validity ValidityOf(const Profile& profile, std::chrono::sys_seconds now,
                    std::optional<std::chrono::seconds> asked, const Certificate& issuer) {
  using std::chrono::seconds;
  const auto begin =
      std::max(now - std::chrono::duration_cast<seconds>(profile.backdate), issuer.not_before());
  const auto most = begin + std::chrono::duration_cast<seconds>(profile.lifetime);
  // What was asked for begins now; the profile's limit counts from notBefore, as those who check it count.
  auto end = asked ? std::min(now + std::max(*asked, seconds(1)), most) : most;
  end -= seconds(1);
  return {begin, std::min(end, issuer.not_after())};
}

Issuer::Issuer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Issuer::~Issuer() = default;

Result<std::shared_ptr<const Issuer>> Issuer::Make(Certificate certificate, std::vector<Certificate> chain,
                                                   std::shared_ptr<const Signer> signer) {
  const openssl::EmptyQueue empty;
  if (!signer->key().Matches(certificate)) {
    return Error(ErrorCode::kRejected, "key-mismatch",
                 "the key is not that of " + certificate.subject() + ", but " + signer->key().Describe());
  }
  std::vector<Certificate> all{certificate};
  all.insert(all.end(), chain.begin(), chain.end());
  auto authorities = TRY(issuing::IssuingChain::Make(std::move(all)));
  // What an old CA does not say of its key, a verifier does not compare.
  const BytesView said = certificate.subject_key_identifier();
  Bytes identifier =
      said.empty() ? TRY(issuing::KeyIdentifier(signer->key().der())) : Bytes(said.begin(), said.end());
  auto throw_away = TRY(MakeSigner(TRY(PrivateKey::GenerateLike(signer->key()))));
  auto verifying = TRY(openssl::PreparedVerifying::Make(signer->key().handle()));
  std::unique_ptr<const State> state(new State{std::move(authorities), std::move(chain), std::move(signer),
                                               std::move(throw_away), std::move(verifying),
                                               std::move(identifier)});
  return std::shared_ptr<const Issuer>(new Issuer(std::move(state)));
}

const Certificate& Issuer::certificate() const noexcept { return state_->authorities.issuer(); }
const std::vector<Certificate>& Issuer::chain() const noexcept { return state_->chain; }
const Signer& Issuer::signer() const noexcept { return *state_->signer; }
const Certificate& Issuer::root() const noexcept { return state_->authorities.root(); }

Result<Bytes> Issuer::State::Sign(BytesView body,
                                  const std::function<Result<void>(BytesView der)>& judge) const {
  const Bytes draft = issuing::Signed(body, signer->algorithm(), TRY(throw_away->Sign(body)));
  TRY(judge(draft));
  const Bytes signature = TRY(signer->Sign(body));
  if (!verifying.Verify(body, signature))
    return Error(ErrorCode::kInternal, "what the authority's key signed does not verify");
  return issuing::Signed(body, signer->algorithm(), signature);
}

Result<Certificate> Issuer::Issue(const CertificateSubject& subject, const Profile& profile,
                                  const SerialNumber& serial, const Validity& validity) const {
  const openssl::EmptyQueue empty;
  const issuing::IssuingChain& authorities = state_->authorities;
  TRY(CheckDates(certificate(), validity));
  const Plan plan = TRY(PlanFor(subject, profile, authorities));
  const Bytes identifier = TRY(issuing::KeyIdentifier(subject.key.der()));
  const Bytes extensions = ExtensionsOf(plan, subject, profile, state_->key_identifier, identifier);
  const Bytes body =
      issuing::CertificateBody({serial, state_->signer->algorithm(), certificate().subject_der(), validity,
                                subject.name, subject.key.der()},
                               extensions);
  const auto judge = [&](BytesView draft) -> Result<void> {
    const Certificate drafted = TRY(Certificate::FromDer(draft));
    TRY(issuing::Lint(drafted, subject.key, plan.role));
    return authorities.CheckNames(drafted);
  };
  return Certificate::FromDer(TRY(state_->Sign(body, judge)));
}

Bytes Issuer::FullChain(const Certificate& leaf) const {
  Bytes pem;
  const auto add = [&](const Certificate& certificate) {
    const SecretBytes text = WritePem("CERTIFICATE", certificate.der());
    pem.insert(pem.end(), text.Reveal().begin(), text.Reveal().end());
  };
  add(leaf);
  const std::vector<Certificate>& all = state_->authorities.certificates();
  for (std::size_t i = 0; i + 1 < all.size(); ++i) add(all[i]);
  return pem;
}

}  // namespace certfs
