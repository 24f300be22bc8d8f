// The making of CRLs.

#include <algorithm>

#include "crypto/issuing.h"
#include "crypto/issuing/extensions.h"
#include "crypto/issuing/issuer_state.h"
#include "crypto/issuing/lint.h"
#include "crypto/issuing/signed_objects.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/revocation_list.h"

namespace certfs {

namespace {

constexpr std::uint8_t kEnumerated = 0x0A;
constexpr std::uint64_t kVersion2 = 1;
constexpr ObjectIdentifier kReasonCode("2.5.29.21");

void WriteEntry(DerWriter<Bytes>& der, const RevokedSerial& revoked) {
  der.Sequence([&] {
    der.Integer(BytesView(revoked.serial));
    issuing::WriteTime(der, revoked.at);
    // "unspecified" is said by saying nothing (RFC 5280, 5.3.1).
    if (revoked.reason == RevocationReason::kUnspecified) return;
    const auto code = static_cast<std::uint8_t>(revoked.reason);
    der.Sequence([&] {
      der.Sequence([&] {
        der.Identifier(kReasonCode);
        der.OctetStringOf([&] { der.Primitive(kEnumerated, {&code, 1}); });
      });
    });
  });
}

// By number, each once: the first revocation counts.
void Order(std::vector<RevokedSerial>& revoked) {
  std::sort(revoked.begin(), revoked.end(), [](const RevokedSerial& a, const RevokedSerial& b) {
    return a.serial != b.serial ? a.serial < b.serial : a.at < b.at;
  });
  const auto same = [](const RevokedSerial& a, const RevokedSerial& b) { return a.serial == b.serial; };
  revoked.erase(std::unique(revoked.begin(), revoked.end(), same), revoked.end());
}

}  // namespace

Result<Bytes> MakeRevocationList(const Issuer& issuer, std::uint64_t number,
                                 std::chrono::sys_seconds this_update, std::chrono::sys_seconds next_update,
                                 std::vector<RevokedSerial> revoked) {
  const openssl::EmptyQueue empty;
  if (next_update <= this_update)
    return Error(ErrorCode::kInvalidArgument, "a CRL that ends before it begins");
  X509* const authority = issuer.certificate().keyless_handle();
  if ((X509_get_extension_flags(authority) & EXFLAG_KUSAGE) != 0 &&
      (X509_get_key_usage(authority) & KU_CRL_SIGN) == 0)
    return Error(ErrorCode::kRejected, "crl-issuer-may-not-sign", issuer.certificate().subject());
  Order(revoked);
  // Entries one behind the other first: enclosing them as they come would move what is behind each time.
  Bytes entries;
  DerWriter each(entries);
  for (const RevokedSerial& entry : revoked) WriteEntry(each, entry);
  Bytes body;
  DerWriter der(body);
  der.Sequence([&] {
    der.Integer(kVersion2);
    der.Raw(issuer.signer().algorithm());
    der.Raw(issuer.certificate().subject_der());
    issuing::WriteTime(der, this_update);
    issuing::WriteTime(der, next_update);
    if (!entries.empty()) der.Sequence([&] { der.Raw(entries); });
    der.Context(0, [&] {
      der.Sequence([&] {
        issuing::WriteAuthorityKeyIdentifier(der, issuer.state_->key_identifier);
        issuing::WriteCrlNumber(der, number);
      });
    });
  });
  return issuer.state_->Sign(body, [](BytesView draft) -> Result<void> {
    return issuing::Lint(TRY(RevocationList::FromDer(draft)));
  });
}

}  // namespace certfs
