#include "crypto/key_slot.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "crypto/openssl/aead.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kSlotLabel = "certfs/v1/slot\0"sv;
constexpr std::size_t kSaltAt = 16;
constexpr std::size_t kCommitmentAt = 48;
constexpr std::size_t kWrappedAt = 80;

struct ScryptCost {
  std::uint8_t log2_n;
  std::uint8_t r;
  std::uint8_t p;
};
constexpr ScryptCost kWrittenCost{17, 8, 1};

// Bounds on what a header may ask for. The lower ones keep a forged header from weakening the passphrase, the
// upper ones from exhausting memory before anything is authenticated.
bool WithinBounds(const ScryptCost& cost) {
  return cost.log2_n >= 16 && cost.log2_n <= 20 && cost.r == 8 && cost.p >= 1 && cost.p <= 4;
}

Result<SecretBytes> Scrypt(const SecretBytes& passphrase, BytesView salt, const ScryptCost& cost) {
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> method(EVP_KDF_fetch(nullptr, "SCRYPT", nullptr),
                                                                 EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(
      method ? EVP_KDF_CTX_new(method.get()) : nullptr, EVP_KDF_CTX_free);
  std::uint64_t n = std::uint64_t{1} << cost.log2_n;
  std::uint32_t r = cost.r;
  std::uint32_t p = cost.p;
  std::uint64_t memory_max = 128 * n * r + (std::uint64_t{1} << 20) * (p + 1);
  const BytesView secret = passphrase.Reveal();
  const std::array<OSSL_PARAM, 7> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, const_cast<std::uint8_t*>(secret.data()),
                                        secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<std::uint8_t*>(salt.data()),
                                        salt.size()),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory_max),
      OSSL_PARAM_construct_end()};
  SecretBytes out(32);
  if (!context || EVP_KDF_derive(context.get(), out.data(), out.size(), parameters.data()) != 1) {
    ERR_clear_error();
    return Error(ErrorCode::kNoMemory, "scrypt failed; it needs 128 MiB of memory");
  }
  return out;
}

// The slot's wrapping key in the first half, its commitment in the second.
Result<SecretBytes> KeyAndCommitment(const StoreId& store_id, const UnlockSecret& secret, const Slot& slot) {
  const BytesView salt = BytesView(slot).subspan(kSaltAt, 32);
  SecretBytes stretched = secret.type == SlotType::kPassphrase
                              ? TRY(Scrypt(secret.bytes, salt, ScryptCost{slot[1], slot[2], slot[3]}))
                              : secret.bytes.Clone();
  Bytes info;
  Writer writer(info);
  writer.Raw(AsBytes(kSlotLabel));
  writer.Raw(store_id);
  writer.Raw(BytesView(slot).first(kCommitmentAt));
  return DeriveKey(stretched, salt, info, 64);
}

Bytes AssociatedData(const StoreId& store_id, const Slot& slot) {
  Bytes bytes(store_id.begin(), store_id.end());
  bytes.insert(bytes.end(), slot.begin(), slot.begin() + kWrappedAt);
  return bytes;
}

}  // namespace

Result<Slot> WrapRootKey(const StoreId& store_id, const UnlockSecret& secret, const SecretBytes& root_key,
                         std::chrono::sys_seconds now) {
  if (secret.bytes.empty()) return Error(ErrorCode::kInvalidArgument, "the passphrase is empty");
  if (secret.type == SlotType::kKeyFile && secret.bytes.size() != kKeyFileBytes) {
    return Error(ErrorCode::kInvalidArgument, "a key file is exactly 32 random bytes");
  }
  Bytes head;
  Writer writer(head);
  const bool stretched = secret.type == SlotType::kPassphrase;
  writer.U8(static_cast<std::uint8_t>(secret.type));
  writer.U8(stretched ? kWrittenCost.log2_n : std::uint8_t{0});
  writer.U8(stretched ? kWrittenCost.r : std::uint8_t{0});
  writer.U8(stretched ? kWrittenCost.p : std::uint8_t{0});
  writer.U32(0);
  writer.I64(now.time_since_epoch().count());
  Slot slot{};
  std::copy(head.begin(), head.end(), slot.begin());
  TRY(FillRandom(std::span(slot).subspan(kSaltAt, 32)));

  const SecretBytes keys = TRY(KeyAndCommitment(store_id, secret, slot));
  const BytesView commitment = keys.Reveal().subspan(32);
  std::copy(commitment.begin(), commitment.end(), slot.begin() + kCommitmentAt);
  Bytes wrapped;
  TRY(openssl::EncryptOnce(keys.Reveal().first(32), AssociatedData(store_id, slot), root_key.Reveal(),
                           wrapped));
  std::copy(wrapped.begin(), wrapped.end(), slot.begin() + kWrappedAt);
  return slot;
}

Result<SecretBytes> UnwrapRootKey(const StoreId& store_id, const UnlockSecret& secret, const Slot& slot) {
  const Error wrong_key(ErrorCode::kAccessDenied, "the key does not open this slot");
  if (slot[0] != static_cast<std::uint8_t>(secret.type)) return wrong_key;
  if (secret.type == SlotType::kPassphrase && !WithinBounds({slot[1], slot[2], slot[3]})) {
    return Error(ErrorCode::kUnsupported, "the slot asks for scrypt parameters that certfs does not accept");
  }
  const SecretBytes keys = TRY(KeyAndCommitment(store_id, secret, slot));
  if (!EqualSecrets(keys.Reveal().subspan(32), BytesView(slot).subspan(kCommitmentAt, 32))) return wrong_key;
  return openssl::DecryptOnce(keys.Reveal().first(32), AssociatedData(store_id, slot),
                              BytesView(slot).subspan(kWrappedAt));
}

}  // namespace certfs
