#include "crypto/openssl/gcm_stream.h"

#include <utility>

#include "crypto/openssl/error_queue.h"

namespace certfs::openssl {

namespace {

Error Failure() { return {ErrorCode::kInternal, TakeReason("AES-256-GCM is not available")}; }

}  // namespace

Result<GcmStream> GcmStream::Begin(BytesView key, BytesView nonce, int encrypt) {
  CipherContextHandle context(EVP_CIPHER_CTX_new());
  if (key.size() != 32 || nonce.size() != kGcmNonceBytes || !context ||
      EVP_CipherInit_ex2(context.get(), EVP_aes_256_gcm(), key.data(), nonce.data(), encrypt, nullptr) != 1) {
    return Failure();
  }
  return GcmStream(std::move(context));
}

Result<GcmStream> GcmStream::Encrypt(BytesView key, BytesView nonce) { return Begin(key, nonce, 1); }
Result<GcmStream> GcmStream::Decrypt(BytesView key, BytesView nonce) { return Begin(key, nonce, 0); }

Result<void> GcmStream::Update(BytesView in, std::uint8_t* out) {
  int produced = 0;
  if (in.empty()) return {};
  if (EVP_CipherUpdate(context_.get(), out, &produced, in.data(), static_cast<int>(in.size())) != 1 ||
      produced != static_cast<int>(in.size())) {
    return Failure();
  }
  return {};
}

Result<GcmTag> GcmStream::Finish() {
  GcmTag tag{};
  std::array<std::uint8_t, 16> rest{};
  int produced = 0;
  if (EVP_CipherFinal_ex(context_.get(), rest.data(), &produced) != 1 ||
      EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagBytes, tag.data()) != 1) {
    return Failure();
  }
  return tag;
}

Result<void> GcmStream::Verify(const GcmTag& tag) {
  GcmTag expected = tag;
  std::array<std::uint8_t, 16> rest{};
  int produced = 0;
  if (EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagBytes, expected.data()) != 1)
    return Failure();
  const EmptyQueue empty;
  if (EVP_CipherFinal_ex(context_.get(), rest.data(), &produced) != 1)
    return Error(ErrorCode::kCorrupt, "it fails its integrity check");
  return {};
}

}  // namespace certfs::openssl
