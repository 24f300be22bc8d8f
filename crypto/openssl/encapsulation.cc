#include "crypto/openssl/encapsulation.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <array>
#include <string_view>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/key_rules.h"
#include "crypto/sealing.h"

namespace certfs::openssl {

namespace {

using namespace std::string_view_literals;
using KeyContextHandle = Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

// On disk: never change or reuse. OAEP's label, and the first part of HKDF's info.
constexpr auto kRecoveryLabel = "certfs/v1/recovery\0"sv;

Error Unavailable(std::string_view what) {
  return {ErrorCode::kInternal, std::string(what) + ": " + TakeReason("OpenSSL cannot")};
}

Error NotOurs() { return {ErrorCode::kCorrupt, "what is encapsulated for the recovery key is damaged"}; }

Result<Bytes> EncodePublic(EVP_PKEY* key) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PUBKEY(key, &encoded);
  const DerHandle der(encoded);
  if (size <= 0) return Unavailable("a public key has no encoding");
  return Bytes(encoded, encoded + size);
}

// Readies `context`, on which encryption or decryption was begun, for OAEP with SHA-256 and our label.
bool SetOaep(EVP_PKEY_CTX* context) {
  std::array<OSSL_PARAM, 5> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE,
                                       const_cast<char*>(OSSL_PKEY_RSA_PAD_MODE_OAEP), 0),
      OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, const_cast<char*>("SHA2-256"), 0),
      OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, const_cast<char*>("SHA2-256"), 0),
      OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL,
                                        const_cast<char*>(kRecoveryLabel.data()), kRecoveryLabel.size()),
      OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, parameters.data()) == 1;
}

Result<Encapsulation> EncapsulateRsa(EVP_PKEY* recipient) {
  SecretBytes secret(kEncapsulatedSecretBytes);
  TRY(FillRandom({secret.data(), secret.size()}));
  const KeyContextHandle context(EVP_PKEY_CTX_new_from_pkey(nullptr, recipient, nullptr));
  Bytes bytes(static_cast<std::size_t>(EVP_PKEY_get_size(recipient)));
  std::size_t size = bytes.size();
  const bool done =
      context && EVP_PKEY_encrypt_init(context.get()) == 1 && SetOaep(context.get()) &&
      EVP_PKEY_encrypt(context.get(), bytes.data(), &size, secret.Reveal().data(), secret.size()) == 1;
  if (!done) return Unavailable("RSA-OAEP");
  bytes.resize(size);
  return Encapsulation{std::move(secret), std::move(bytes)};
}

Result<SecretBytes> DecapsulateRsa(EVP_PKEY* key, BytesView bytes) {
  const KeyContextHandle context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  SecretBytes secret(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
  std::size_t size = secret.size();
  const bool done = context && EVP_PKEY_decrypt_init(context.get()) == 1 && SetOaep(context.get()) &&
                    EVP_PKEY_decrypt(context.get(), secret.data(), &size, bytes.data(), bytes.size()) == 1;
  if (!done || size != kEncapsulatedSecretBytes) return NotOurs();
  secret.resize(size);
  return secret;
}

// The x-coordinate that both sides come to; nothing if they do not.
SecretBytes SharedPoint(EVP_PKEY* own, EVP_PKEY* peer) {
  const KeyContextHandle context(EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr));
  std::size_t size = 0;
  const bool ready = context && EVP_PKEY_derive_init(context.get()) == 1 &&
                     EVP_PKEY_derive_set_peer(context.get(), peer) == 1 &&
                     EVP_PKEY_derive(context.get(), nullptr, &size) == 1;
  if (!ready) return {};
  SecretBytes shared(size);
  if (EVP_PKEY_derive(context.get(), shared.data(), &size) != 1) return {};
  shared.resize(size);
  return shared;
}

// Both public keys go in, so that no other pair of them leads to the same secret.
Result<SecretBytes> SecretOf(const SecretBytes& shared, EVP_PKEY* recipient, BytesView ephemeral) {
  Bytes info;
  Writer writer(info);
  writer.Raw(AsBytes(kRecoveryLabel));
  writer.Raw(TRY(KeyDigest(recipient)));
  writer.Raw(ephemeral);
  return DeriveKey(shared, {}, info, kEncapsulatedSecretBytes);
}

Result<Encapsulation> EncapsulateEc(EVP_PKEY* recipient) {
  const KeyContextHandle context(EVP_PKEY_CTX_new_from_pkey(nullptr, recipient, nullptr));
  EVP_PKEY* made = nullptr;
  const bool done =
      context && EVP_PKEY_keygen_init(context.get()) == 1 && EVP_PKEY_generate(context.get(), &made) == 1;
  const KeyHandle ephemeral(made);
  if (!done) return Unavailable("an ephemeral EC key");
  Bytes bytes = TRY(EncodePublic(ephemeral.get()));
  const SecretBytes shared = SharedPoint(ephemeral.get(), recipient);
  if (shared.empty()) return Unavailable("ECDH");
  return Encapsulation{TRY(SecretOf(shared, recipient, bytes)), std::move(bytes)};
}

Result<SecretBytes> DecapsulateEc(EVP_PKEY* key, BytesView bytes) {
  const std::uint8_t* at = bytes.data();
  const KeyHandle ephemeral(d2i_PUBKEY(nullptr, &at, static_cast<long>(bytes.size())));
  if (!ephemeral || at != bytes.data() + bytes.size()) return NotOurs();
  const SecretBytes shared = SharedPoint(key, ephemeral.get());
  if (shared.empty()) return NotOurs();
  return SecretOf(shared, key, bytes);
}

}  // namespace

std::string WhyNoRecipient(EVP_PKEY* key) {
  const EmptyQueue empty;
  if (key == nullptr) return "its key cannot be read";
  for (const KeyPredicate& each : KeyPredicates()) {
    const auto detail = each.broken(key);
    if (detail)
      return "its key breaks the rule " + std::string(each.rule) + (detail->empty() ? "" : ": " + *detail);
  }
  if (EVP_PKEY_is_a(key, "RSA") == 1) return {};
  std::array<char, 64> group{};
  std::size_t size = 0;
  const bool has_group =
      EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1;
  for (const std::string_view known : {"prime256v1"sv, "secp384r1"sv, "secp521r1"sv}) {
    if (has_group && known == group.data()) return {};
  }
  const char* const name = has_group ? group.data() : EVP_PKEY_get0_type_name(key);
  return "nothing can be encrypted to its key (" + std::string(name != nullptr ? name : "?") +
         "): it has to be RSA, or EC P-256, P-384 or P-521";
}

Result<Digest> KeyDigest(EVP_PKEY* key) {
  const EmptyQueue empty;
  return Sha256({TRY(EncodePublic(key))});
}

Result<Encapsulation> Encapsulate(EVP_PKEY* recipient) {
  const EmptyQueue empty;
  return EVP_PKEY_is_a(recipient, "RSA") == 1 ? EncapsulateRsa(recipient) : EncapsulateEc(recipient);
}

Result<SecretBytes> Decapsulate(EVP_PKEY* key, BytesView bytes) {
  const EmptyQueue empty;
  return EVP_PKEY_is_a(key, "RSA") == 1 ? DecapsulateRsa(key, bytes) : DecapsulateEc(key, bytes);
}

}  // namespace certfs::openssl
