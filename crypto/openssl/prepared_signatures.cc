#include "crypto/openssl/prepared_signatures.h"

#include <array>
#include <string>

#include "crypto/openssl/error_queue.h"

namespace certfs::openssl {

namespace {

constexpr std::array<std::uint8_t, 12> kEcdsaSha256{0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                    0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
constexpr std::array<std::uint8_t, 12> kEcdsaSha384{0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                    0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03};
constexpr std::array<std::uint8_t, 12> kEcdsaSha512{0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                    0x48, 0xCE, 0x3D, 0x04, 0x03, 0x04};
constexpr std::array<std::uint8_t, 15> kRsaSha256{0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86,
                                                  0xF7, 0x0D, 0x01, 0x01, 0x0B, 0x05, 0x00};
constexpr std::array<std::uint8_t, 7> kEd25519{0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70};
constexpr std::array<std::uint8_t, 7> kEd448{0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x71};

using Init = int (*)(EVP_MD_CTX*, EVP_PKEY_CTX**, const char*, OSSL_LIB_CTX*, const char*, EVP_PKEY*,
                     const OSSL_PARAM*);

Result<DigestContextHandle> Begin(Init init, EVP_PKEY* key, const char* digest) {
  DigestContextHandle context(EVP_MD_CTX_new());
  if (!context || init(context.get(), nullptr, digest, nullptr, nullptr, key, nullptr) != 1)
    return Error(ErrorCode::kInternal, "no signature: " + TakeReason("OpenSSL"));
  return context;
}

// Returns a context that is ready for one message: a copy of `prepared`, or a new one.
Result<DigestContextHandle> Ready(const EVP_MD_CTX* prepared, Init init, EVP_PKEY* key, const char* digest) {
  if (prepared == nullptr) return Begin(init, key, digest);
  DigestContextHandle context(EVP_MD_CTX_new());
  if (!context || EVP_MD_CTX_copy_ex(context.get(), prepared) != 1)
    return Error(ErrorCode::kInternal, "no signature: " + TakeReason("OpenSSL"));
  return context;
}

Result<const char*> DigestOf(EVP_PKEY* key) {
  const auto scheme = SchemeOf(key);
  if (!scheme) return Error(ErrorCode::kUnsupported, "a key of a kind that signs no certificates");
  return scheme->digest;
}

KeyHandle Share(EVP_PKEY* key) {
  EVP_PKEY_up_ref(key);
  return KeyHandle(key);
}

}  // namespace

std::optional<SignatureScheme> SchemeOf(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) return SignatureScheme{"SHA256", kRsaSha256};
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return SignatureScheme{nullptr, kEd25519};
  if (EVP_PKEY_is_a(key, "ED448") == 1) return SignatureScheme{nullptr, kEd448};
  if (EVP_PKEY_is_a(key, "EC") != 1) return std::nullopt;
  const int bits = EVP_PKEY_get_bits(key);
  if (bits <= 256) return SignatureScheme{"SHA256", kEcdsaSha256};
  if (bits <= 384) return SignatureScheme{"SHA384", kEcdsaSha384};
  return SignatureScheme{"SHA512", kEcdsaSha512};
}

Result<PreparedSigning> PreparedSigning::Make(EVP_PKEY* key) {
  const EmptyQueue empty;
  PreparedSigning signing;
  signing.digest_ = TRY(DigestOf(key));
  signing.key_ = Share(key);
  // OpenSSL 3.0 copies no context without a digest.
  if (signing.digest_ != nullptr) signing.context_ = TRY(Begin(EVP_DigestSignInit_ex, key, signing.digest_));
  return signing;
}

Result<Bytes> PreparedSigning::Sign(BytesView message) const {
  const EmptyQueue empty;
  const DigestContextHandle context = TRY(Ready(context_.get(), EVP_DigestSignInit_ex, key_.get(), digest_));
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())));
  std::size_t size = signature.size();
  if (EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1)
    return Error(ErrorCode::kInternal, "no signature: " + TakeReason("OpenSSL"));
  signature.resize(size);
  return signature;
}

Result<PreparedVerifying> PreparedVerifying::Make(EVP_PKEY* key) {
  const EmptyQueue empty;
  PreparedVerifying verifying;
  verifying.digest_ = TRY(DigestOf(key));
  verifying.key_ = Share(key);
  if (verifying.digest_ != nullptr)
    verifying.context_ = TRY(Begin(EVP_DigestVerifyInit_ex, key, verifying.digest_));
  return verifying;
}

bool PreparedVerifying::Verify(BytesView message, BytesView signature) const {
  const EmptyQueue empty;
  auto context = Ready(context_.get(), EVP_DigestVerifyInit_ex, key_.get(), digest_);
  return context.has_value() && EVP_DigestVerify(context.value().get(), signature.data(), signature.size(),
                                                 message.data(), message.size()) == 1;
}

}  // namespace certfs::openssl
