// The making of roots.

#include "crypto/issuing.h"
#include "crypto/issuing/extensions.h"
#include "crypto/issuing/lint.h"
#include "crypto/issuing/signed_objects.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"

namespace certfs {

Result<Certificate> MakeRoot(const RootOptions& options, const SerialNumber& serial,
                             std::chrono::sys_seconds now, const Signer& signer) {
  const openssl::EmptyQueue empty;
  constexpr auto kBackdate = std::chrono::minutes(5);
  Bytes extensions;
  issuing::Der der(extensions);
  issuing::WriteAuthorityConstraints(der, options.path_length);
  issuing::WriteKeyUsage(der, KU_KEY_CERT_SIGN | KU_CRL_SIGN);
  issuing::WriteSubjectKeyIdentifier(der, TRY(issuing::KeyIdentifier(signer.key().der())));
  if (!options.permitted.empty() || !options.excluded.empty())
    TRY(issuing::WriteNameConstraints(der, options.permitted, options.excluded));
  const auto begin = now - kBackdate;
  const Validity validity{begin, begin + std::chrono::seconds(options.lifetime) - std::chrono::seconds(1)};
  const Bytes body = issuing::CertificateBody(
      {serial, signer.algorithm(), options.name, validity, options.name, signer.key().der()}, extensions);
  // A draft by another key would not be self-signed: what is judged is the root itself, which nobody has yet.
  Certificate root =
      TRY(Certificate::FromDer(issuing::Signed(body, signer.algorithm(), TRY(signer.Sign(body)))));
  TRY(issuing::Lint(root, signer.key(), Role::kAnchor));
  if (!root.IsSelfSigned())
    return Error(ErrorCode::kInternal, "what the new authority's key signed does not verify");
  return root;
}

}  // namespace certfs
