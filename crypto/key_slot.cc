#include "crypto/key_slot.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "crypto/openssl/aead.h"
#include "crypto/openssl/encapsulation.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/store_file.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kSlotLabel = "certfs/v1/slot\0"sv;
constexpr std::size_t kSaltAt = 16;
constexpr std::size_t kSaltBytes = 32;
constexpr std::size_t kCommitmentAt = 48;
constexpr std::size_t kWrappedAt = 80;
constexpr std::size_t kEncapsulatedAt = kSlotBytes + 32;  // Behind the recipient's digest.

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

// The slot's wrapping key in the first half, its commitment in the second. `shared` is what the secret came
// to.
Result<SecretBytes> KeyAndCommitment(const StoreId& store_id, const SecretBytes& shared, BytesView slot) {
  Bytes info;
  Writer writer(info);
  writer.Raw(AsBytes(kSlotLabel));
  writer.Raw(store_id);
  writer.Raw(slot.first(kCommitmentAt));
  return DeriveKey(shared, slot.subspan(kSaltAt, kSaltBytes), info, 64);
}

Bytes AssociatedData(const StoreId& store_id, BytesView slot) {
  Bytes bytes(store_id.begin(), store_id.end());
  bytes.insert(bytes.end(), slot.begin(), slot.begin() + kWrappedAt);
  return bytes;
}

Error WrongKey() { return {ErrorCode::kAccessDenied, "the key does not open this slot"}; }

// What a slot begins with, its salt included.
Result<Slot> BeginSlot(SlotType type, const ScryptCost& cost, std::chrono::sys_seconds now) {
  Slot slot;
  Writer writer(slot);
  writer.U8(static_cast<std::uint8_t>(type));
  writer.U8(cost.log2_n);
  writer.U8(cost.r);
  writer.U8(cost.p);
  writer.U32(0);
  writer.I64(now.time_since_epoch().count());
  slot.resize(kCommitmentAt);
  TRY(FillRandom(std::span(slot).subspan(kSaltAt, kSaltBytes)));
  return slot;
}

// Appends commitment and wrapped root key to what BeginSlot began.
Result<void> CompleteSlot(const StoreId& store_id, const SecretBytes& shared, const SecretBytes& root_key,
                          Slot& slot) {
  const SecretBytes keys = TRY(KeyAndCommitment(store_id, shared, slot));
  Writer(slot).Raw(keys.Reveal().subspan(32));
  const Bytes aad = AssociatedData(store_id, slot);
  return openssl::EncryptOnce(keys.Reveal().first(32), aad, root_key.Reveal(), slot);
}

Result<SecretBytes> Unwrap(const StoreId& store_id, const SecretBytes& shared, BytesView slot,
                           const Error& misfit) {
  const SecretBytes keys = TRY(KeyAndCommitment(store_id, shared, slot));
  if (!EqualSecrets(keys.Reveal().subspan(32), slot.subspan(kCommitmentAt, 32))) return misfit;
  return openssl::DecryptOnce(keys.Reveal().first(32), AssociatedData(store_id, slot),
                              slot.subspan(kWrappedAt, kSlotBytes - kWrappedAt));
}

Result<SecretBytes> UnwrapRecovery(const StoreId& store_id, const UnlockSecret& secret, const Slot& slot) {
  const PrivateKey key = TRY(ReadKeyFile(secret.bytes.Reveal())).key;
  if (TRY(openssl::KeyDigest(key.handle())) != TRY(ReadSlotFacts(slot)).recipient) return WrongKey();
  // From here on the key is the right one: what does not fit is damage.
  const SecretBytes shared =
      TRY(openssl::Decapsulate(key.handle(), BytesView(slot).subspan(kEncapsulatedAt)));
  return Unwrap(store_id, shared, slot,
                Error(ErrorCode::kCorrupt, "the slot of the recovery key is damaged"));
}

EVP_PKEY* KeyOf(const Certificate& certificate) { return X509_get0_pubkey(certificate.handle()); }

}  // namespace

Result<SlotFacts> ReadSlotFacts(BytesView slot) {
  Reader reader(slot);
  const std::uint8_t type = reader.U8();
  if (type > static_cast<std::uint8_t>(SlotType::kRecovery)) {
    return Error(ErrorCode::kUnsupported,
                 "a key slot is of type " + std::to_string(type) + ": made by a newer certfs");
  }
  reader.Raw(7);
  SlotFacts facts{
      static_cast<SlotType>(type), std::chrono::sys_seconds(std::chrono::seconds(reader.I64())), {}};
  const bool recovery = facts.type == SlotType::kRecovery;
  const bool fits = recovery ? slot.size() > kEncapsulatedAt : slot.size() == kSlotBytes;
  if (type == 0 || !fits) return Error(ErrorCode::kCorrupt, "a key slot is damaged");
  if (recovery) Reader(slot.subspan(kSlotBytes)).Fill(facts.recipient);
  return facts;
}

Result<Slot> WrapRootKey(const StoreId& store_id, const UnlockSecret& secret, const SecretBytes& root_key,
                         std::chrono::sys_seconds now) {
  switch (secret.type) {
    case SlotType::kPassphrase: {
      if (secret.bytes.empty()) return Error(ErrorCode::kInvalidArgument, "the passphrase is empty");
      Slot slot = TRY(BeginSlot(secret.type, kWrittenCost, now));
      const BytesView salt = BytesView(slot).subspan(kSaltAt, kSaltBytes);
      TRY(CompleteSlot(store_id, TRY(Scrypt(secret.bytes, salt, kWrittenCost)), root_key, slot));
      return slot;
    }
    case SlotType::kKeyFile: {
      if (secret.bytes.size() != kKeyFileBytes)
        return Error(ErrorCode::kInvalidArgument, "a key file is exactly 32 random bytes");
      Slot slot = TRY(BeginSlot(secret.type, {}, now));
      TRY(CompleteSlot(store_id, secret.bytes, root_key, slot));
      return slot;
    }
    case SlotType::kRecovery:
      break;
  }
  return Error(ErrorCode::kInvalidArgument, "a recovery slot is made from a certificate");
}

Result<void> CheckRecipient(const Certificate& recipient) {
  const openssl::EmptyQueue empty;
  const std::string reason = openssl::WhyNoRecipient(KeyOf(recipient));
  if (!reason.empty()) return Error(ErrorCode::kRejected, "it cannot be a recovery certificate: " + reason);
  const bool rsa = EVP_PKEY_is_a(KeyOf(recipient), "RSA") == 1;
  const std::uint32_t usage = X509_get_key_usage(recipient.handle());  // All bits, where it does not say.
  if ((usage & (rsa ? KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT)) != 0) return {};
  return Error(ErrorCode::kRejected,
               std::string("it cannot be a recovery certificate: its key usage is without ") +
                   (rsa ? "keyEncipherment" : "keyAgreement"));
}

Result<Slot> WrapRootKeyFor(const StoreId& store_id, const Certificate& recipient,
                            const SecretBytes& root_key, std::chrono::sys_seconds now) {
  TRY(CheckRecipient(recipient));
  const openssl::Encapsulation made = TRY(openssl::Encapsulate(KeyOf(recipient)));
  Slot slot = TRY(BeginSlot(SlotType::kRecovery, {}, now));
  TRY(CompleteSlot(store_id, made.secret, root_key, slot));
  Writer writer(slot);
  writer.Raw(TRY(RecipientDigest(recipient)));
  writer.Raw(made.bytes);
  return slot;
}

Result<Digest> RecipientDigest(const Certificate& recipient) { return openssl::KeyDigest(KeyOf(recipient)); }

Result<SecretBytes> UnwrapRootKey(const StoreId& store_id, const UnlockSecret& secret, const Slot& slot) {
  const SlotFacts facts = TRY(ReadSlotFacts(slot));
  if (facts.type != secret.type) return WrongKey();
  switch (facts.type) {
    case SlotType::kPassphrase: {
      const ScryptCost cost{slot[1], slot[2], slot[3]};
      if (!WithinBounds(cost)) {
        return Error(ErrorCode::kUnsupported,
                     "the slot asks for scrypt parameters that certfs does not accept");
      }
      const BytesView salt = BytesView(slot).subspan(kSaltAt, kSaltBytes);
      return Unwrap(store_id, TRY(Scrypt(secret.bytes, salt, cost)), slot, WrongKey());
    }
    case SlotType::kKeyFile:
      return Unwrap(store_id, secret.bytes, slot, WrongKey());
    case SlotType::kRecovery:
      return UnwrapRecovery(store_id, secret, slot);
  }
  return WrongKey();
}

}  // namespace certfs
