#include "crypto/openssl/signer_rules.h"

#include <openssl/objects.h>

#include <array>
#include <string>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/key_rules.h"
#include "crypto/openssl/words.h"
#include "crypto/rules.h"

namespace certfs::openssl {

bool IsSignerKey(const evp_pkey_st* key) {
  const EmptyQueue empty;
  if (key == nullptr) return false;
  if (EVP_PKEY_is_a(key, "RSA") == 1) return true;
  std::array<char, 64> group{};
  if (EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1) {
    return false;
  }
  const int curve = OBJ_sn2nid(group.data());
  return curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1;
}

Result<void> CheckSignerKeyUsage(const Certificate& certificate) {
  const EmptyQueue empty;
  // All bits where there is no keyUsage.
  const std::uint32_t usage = X509_get_key_usage(certificate.handle());
  if ((usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) != 0) return {};
  return Error(ErrorCode::kRejected, "signer-key-usage",
               "signer-key-usage: the keyUsage of the signer's certificate allows no signatures: " +
                   Shortened(certificate.subject()));
}

Result<void> CheckSigner(const Certificate& certificate) {
  const EmptyQueue empty;
  const EVP_PKEY* const key = X509_get0_pubkey(certificate.handle());
  for (const KeyPredicate& predicate : KeyPredicates()) {
    const auto broken = predicate.broken(key);
    if (!broken) continue;
    const Rule& rule = RuleById(predicate.rule);
    return Error(ErrorCode::kRejected, rule.id,
                 std::string(rule.id) + ": " + std::string(rule.summary) + ": the signer's (" +
                     Shortened(certificate.subject()) + ")" + (broken->empty() ? "" : ": " + *broken));
  }
  if (!IsSignerKey(key)) {
    return Error(ErrorCode::kRejected, "key-algorithm",
                 "key-algorithm: signed by a key that is neither RSA nor EC on P-256, P-384 or P-521: " +
                     Shortened(certificate.subject()));
  }
  return CheckSignerKeyUsage(certificate);
}

}  // namespace certfs::openssl
