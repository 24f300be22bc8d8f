#include "crypto/openssl/key_rules.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include <array>

#include "crypto/base/bytes.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

namespace {

using Broken = std::optional<std::string>;

constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 16384;  // OpenSSL verifies no signature of a longer one.
constexpr int kEcBitsMin = 256;

bool IsRsa(const EVP_PKEY* key) {
  return key != nullptr && (EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1);
}

bool IsEc(const EVP_PKEY* key) { return key != nullptr && EVP_PKEY_is_a(key, "EC") == 1; }

Broken ForeignAlgorithm(const EVP_PKEY* key) {
  if (key == nullptr) return "a key that cannot be read";
  if (IsRsa(key) || IsEc(key) || EVP_PKEY_is_a(key, "ED25519") == 1 || EVP_PKEY_is_a(key, "ED448") == 1)
    return std::nullopt;
  const char* const name = EVP_PKEY_get0_type_name(key);
  return std::string(name != nullptr ? name : "an unknown algorithm");
}

Broken TooWeak(const EVP_PKEY* key) {
  if (!IsRsa(key) && !IsEc(key)) return std::nullopt;
  const int bits = EVP_PKEY_get_bits(key);
  if (IsRsa(key) && (bits < kRsaBitsMin || bits % 8 != 0))
    return "RSA " + std::to_string(bits) + ": 2048 bits at least, a multiple of 8";
  if (IsEc(key) && bits < kEcBitsMin) return "EC " + std::to_string(bits) + ": 256 bits at least";
  return std::nullopt;
}

Broken TooLarge(const EVP_PKEY* key) {
  if (!IsRsa(key) || EVP_PKEY_get_bits(key) <= kRsaBitsMax) return std::nullopt;
  return "RSA " + std::to_string(EVP_PKEY_get_bits(key)) + ": 16384 bits at most";
}

Broken OddExponent(const EVP_PKEY* key) {
  if (!IsRsa(key)) return std::nullopt;
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &raw) != 1) return "none at all";
  const BignumHandle exponent(raw);
  if (BN_is_odd(exponent.get()) && !BN_is_one(exponent.get()) && !BN_is_negative(exponent.get()))
    return std::nullopt;
  return "";
}

Broken CurveWithoutName(const EVP_PKEY* key) {
  if (!IsEc(key)) return std::nullopt;
  int explicit_parameters = 0;
  const bool told =
      EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_parameters) == 1;
  char group[64] = {};
  std::size_t size = 0;
  const bool named = EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1;
  if (named && !(told && explicit_parameters == 1)) return std::nullopt;
  return "";
}

constexpr std::array<KeyPredicate, 5> kKeyPredicates{{
    {"key-algorithm", ForeignAlgorithm},
    {"weak-key", TooWeak},
    {"oversized-key", TooLarge},
    {"rsa-exponent", OddExponent},
    {"explicit-curve", CurveWithoutName},
}};

}  // namespace

std::span<const KeyPredicate> KeyPredicates() { return kKeyPredicates; }

bool IsConsistent(evp_pkey_st* key) {
  const EmptyQueue empty;
  constexpr std::string_view kMessage = "certfs: does this key fit itself?";
  const BytesView message = AsBytes(kMessage);
  const DigestContextHandle signer(EVP_MD_CTX_new());
  std::size_t size = 0;
  // No digest is named: each kind of key has its own default, and Ed25519 takes none.
  if (!signer || EVP_DigestSignInit_ex(signer.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) != 1 ||
      EVP_DigestSign(signer.get(), nullptr, &size, message.data(), message.size()) != 1) {
    return true;
  }
  Bytes signature(size);
  const DigestContextHandle verifier(EVP_MD_CTX_new());
  return verifier &&
         EVP_DigestSign(signer.get(), signature.data(), &size, message.data(), message.size()) == 1 &&
         EVP_DigestVerifyInit_ex(verifier.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) == 1 &&
         EVP_DigestVerify(verifier.get(), signature.data(), size, message.data(), message.size()) == 1;
}

}  // namespace certfs::openssl
