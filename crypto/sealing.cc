#include "crypto/sealing.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "crypto/openssl/aead.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/hmac.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kSuiteHkdfSha512Aes256Gcm = 1;
constexpr auto kRecordLabel = "certfs/v1/record\0"sv;

constexpr std::size_t kSaltAt = 16;
constexpr std::size_t kCommitmentAt = 48;
constexpr std::size_t kTextAt = 80;
static_assert(kTextAt + openssl::kTagBytes == kSealOverhead);

Bytes IdentityBytes(const RecordIdentity& identity) {
  Bytes bytes;
  Writer writer(bytes);
  writer.U64(identity.number);
  writer.U64(identity.member);
  return bytes;
}

// The record's own key in the first half, its commitment in the second.
Result<SecretBytes> KeyAndCommitment(const SecretBytes& key, const RecordIdentity& identity,
                                     BytesView header) {
  Bytes info;
  Writer writer(info);
  writer.Raw(AsBytes(kRecordLabel));
  writer.Raw(identity.store_id);
  writer.Raw(header.first(kSaltAt));
  writer.Raw(IdentityBytes(identity));
  return DeriveKey(key, header.subspan(kSaltAt, kCommitmentAt - kSaltAt), info, 64);
}

Bytes AssociatedData(const RecordIdentity& identity, BytesView header) {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(identity.store_id);
  writer.Raw(IdentityBytes(identity));
  writer.Raw(header.first(kTextAt));
  return bytes;
}

Error Damaged() { return {ErrorCode::kCorrupt, "a sealed record is not the one that belongs there"}; }

// A digest or MAC context that is made once a thread: making one costs more than hashing a record.
EVP_MD_CTX* ThreadDigest() {
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                                     EVP_MD_CTX_free);
  return context.get();
}

const EVP_MD* Sha256Method() {
  static EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return method;
}

using Sha512Value = std::array<std::uint8_t, 64>;

}  // namespace

Result<Bytes> Seal(const SecretBytes& key, const RecordIdentity& identity, std::uint64_t revision,
                   BytesView plaintext) {
  if (plaintext.empty()) return Error(ErrorCode::kInvalidArgument, "nothing to seal");
  Bytes record;
  record.reserve(plaintext.size() + kSealOverhead);
  Writer writer(record);
  writer.U8(kFormat);
  writer.U8(kSuiteHkdfSha512Aes256Gcm);
  writer.U8(static_cast<std::uint8_t>(identity.kind));
  writer.U8(0);
  writer.U32(identity.epoch);
  writer.U64(revision);
  record.resize(kTextAt);
  TRY(FillRandom(std::span(record).subspan(kSaltAt, kCommitmentAt - kSaltAt)));

  const SecretBytes keys = TRY(KeyAndCommitment(key, identity, record));
  const BytesView commitment = keys.Reveal().subspan(32);
  std::copy(commitment.begin(), commitment.end(), record.begin() + kCommitmentAt);
  TRY(openssl::EncryptOnce(keys.Reveal().first(32), AssociatedData(identity, record), plaintext, record));
  return record;
}

Result<Unsealed> Unseal(const SecretBytes& key, const RecordIdentity& identity, BytesView sealed) {
  if (sealed.size() <= kSealOverhead) return Damaged();
  Reader reader(sealed);
  const bool known = reader.U8() == kFormat && reader.U8() == kSuiteHkdfSha512Aes256Gcm &&
                     reader.U8() == static_cast<std::uint8_t>(identity.kind) && reader.U8() == 0 &&
                     reader.U32() == identity.epoch;
  if (!known) return Damaged();
  const std::uint64_t revision = reader.U64();

  const SecretBytes keys = TRY(KeyAndCommitment(key, identity, sealed));
  if (!EqualSecrets(keys.Reveal().subspan(32), sealed.subspan(kCommitmentAt, 32))) return Damaged();
  SecretBytes plaintext = TRY(openssl::DecryptOnce(keys.Reveal().first(32), AssociatedData(identity, sealed),
                                                   sealed.subspan(kTextAt)));
  return Unsealed{revision, std::move(plaintext)};
}

Digest Sha256(std::initializer_list<BytesView> parts) {
  Digest digest{};
  EVP_MD_CTX* const context = ThreadDigest();
  EVP_DigestInit_ex2(context, Sha256Method(), nullptr);
  for (const BytesView part : parts) EVP_DigestUpdate(context, part.data(), part.size());
  EVP_DigestFinal_ex(context, digest.data(), nullptr);
  return digest;
}

Digest HmacSha256(const SecretBytes& key, std::initializer_list<BytesView> parts) {
  Digest digest{};
  openssl::Hmac(openssl::Hash::kSha256, key.Reveal(), parts, digest);
  return digest;
}

Result<SecretBytes> DeriveKey(const SecretBytes& secret, BytesView salt, BytesView info, std::size_t size) {
  // RFC 5869, 2.2 and 2.3, for outputs of at most one block: EVP_KDF would spend more time on fetching and on
  // parameters than on the two hashes.
  if (size > sizeof(Sha512Value)) return Error(ErrorCode::kInvalidArgument, "HKDF output over one block");
  static constexpr Sha512Value kNoSalt{};
  static constexpr std::array<std::uint8_t, 1> kFirstBlock{1};
  Sha512Value extracted;
  Sha512Value block;
  const bool derived = openssl::Hmac(openssl::Hash::kSha512, salt.empty() ? BytesView(kNoSalt) : salt,
                                     {secret.Reveal()}, extracted) &&
                       openssl::Hmac(openssl::Hash::kSha512, extracted, {info, kFirstBlock}, block);
  SecretBytes out = SecretBytes::CopyOf(BytesView(block).first(size));
  Wipe(extracted);
  Wipe(block);
  if (!derived) {
    ERR_clear_error();
    return Error(ErrorCode::kInternal, "HMAC-SHA-512 is not available");
  }
  return out;
}

Result<void> FillRandom(std::span<std::uint8_t> out) {
  if (RAND_priv_bytes(out.data(), static_cast<int>(out.size())) != 1) {
    if (openssl::TakeOutOfMemory())
      return Error(ErrorCode::kNoMemory, "no locked memory is left for a random number generator");
    return Error(ErrorCode::kInternal, "the random number generator has nothing to give");
  }
  return {};
}

}  // namespace certfs
