#include "crypto/openssl/aead.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

namespace certfs::openssl {

namespace {

constexpr std::array<std::uint8_t, 12> kZeroIv{};

// A context that is made once a thread and scrubbed after each use: what it keeps between them is nothing.
class CipherContext {
 public:
  CipherContext() = default;
  ~CipherContext() {
    if (get() != nullptr) EVP_CIPHER_CTX_reset(get());  // Wipes the key schedule.
  }
  CipherContext(const CipherContext&) = delete;
  CipherContext& operator=(const CipherContext&) = delete;

  EVP_CIPHER_CTX* get() const {
    thread_local const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    return context.get();
  }
  explicit operator bool() const { return get() != nullptr; }
};

// Fetched once for the process, from the default provider: fetching costs more than sealing a record.
const EVP_CIPHER* Aes256Gcm() {
  static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", "provider=default");
  return cipher;
}

Error Failure() {
  ERR_clear_error();
  return {ErrorCode::kInternal, "AES-256-GCM is not available"};
}

}  // namespace

Result<void> EncryptOnce(BytesView key, BytesView aad, BytesView plaintext, Bytes& out) {
  const CipherContext context;
  int produced = 0;
  if (!context || Aes256Gcm() == nullptr ||
      EVP_EncryptInit_ex2(context.get(), Aes256Gcm(), key.data(), kZeroIv.data(), nullptr) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &produced, aad.data(), static_cast<int>(aad.size())) != 1) {
    return Failure();
  }
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() + kTagBytes);
  std::uint8_t* const text = out.data() + start;
  std::uint8_t* const tag = text + plaintext.size();
  if (EVP_EncryptUpdate(context.get(), text, &produced, plaintext.data(),
                        static_cast<int>(plaintext.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), tag, &produced) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) != 1) {
    out.resize(start);
    return Failure();
  }
  return {};
}

Result<SecretBytes> DecryptOnce(BytesView key, BytesView aad, BytesView sealed) {
  if (sealed.size() <= kTagBytes) return Error(ErrorCode::kCorrupt, "a sealed record is too short");
  const BytesView text = sealed.first(sealed.size() - kTagBytes);
  std::array<std::uint8_t, kTagBytes> tag{};
  std::copy(sealed.end() - kTagBytes, sealed.end(), tag.begin());

  const CipherContext context;
  int produced = 0;
  if (!context || Aes256Gcm() == nullptr ||
      EVP_DecryptInit_ex2(context.get(), Aes256Gcm(), key.data(), kZeroIv.data(), nullptr) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) != 1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &produced, aad.data(), static_cast<int>(aad.size())) != 1) {
    return Failure();
  }
  SecretBytes plaintext(text.size());
  std::array<std::uint8_t, kTagBytes> rest{};
  if (EVP_DecryptUpdate(context.get(), plaintext.data(), &produced, text.data(),
                        static_cast<int>(text.size())) != 1 ||
      EVP_DecryptFinal_ex(context.get(), rest.data(), &produced) != 1) {
    ERR_clear_error();
    return Error(ErrorCode::kCorrupt, "a sealed record fails its integrity check");
  }
  return plaintext;
}

}  // namespace certfs::openssl
