#include "crypto/openssl/pkcs12_keys.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <array>
#include <climits>
#include <cstring>
#include <string>

#include "crypto/der.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

namespace {

using KdfHandle = Handle<EVP_KDF, EVP_KDF_free>;
using KdfContextHandle = Handle<EVP_KDF_CTX, EVP_KDF_CTX_free>;
using CipherHandle = Handle<EVP_CIPHER, EVP_CIPHER_free>;
using CipherContextHandle = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

constexpr const char* kDefaultProvider = "provider=default";

Error Missing(const char* algorithm) {
  return {ErrorCode::kInternal, std::string(algorithm) + ": " + TakeReason("OpenSSL does not have it")};
}

OSSL_PARAM OctetParameter(const char* name, BytesView bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(bytes.data()), bytes.size());
}

OSSL_PARAM TextParameter(const char* name, const char* text) {
  return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(text), 0);
}

Result<SecretBytes> Derive(const char* method, const OSSL_PARAM* parameters, std::size_t size) {
  const EmptyQueue empty;
  const KdfHandle kdf(EVP_KDF_fetch(nullptr, method, kDefaultProvider));
  const KdfContextHandle context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  SecretBytes out(size);
  if (!context || EVP_KDF_derive(context.get(), out.data(), out.size(), parameters) != 1) {
    return Missing(method);
  }
  return out;
}

// A context that is ready to run `cipher` one way; kInternal if there is no such cipher, or the key or the IV
// has not its length.
Result<CipherContextHandle> Begin(OSSL_LIB_CTX* library, const char* name, const SecretBytes& key,
                                  BytesView iv, bool encrypt) {
  const CipherHandle cipher(EVP_CIPHER_fetch(library, name, library == nullptr ? kDefaultProvider : nullptr));
  CipherContextHandle context(EVP_CIPHER_CTX_new());
  if (!cipher || !context ||
      key.size() != static_cast<std::size_t>(EVP_CIPHER_get_key_length(cipher.get())) ||
      iv.size() != static_cast<std::size_t>(EVP_CIPHER_get_iv_length(cipher.get())) ||
      EVP_CipherInit_ex2(context.get(), cipher.get(), key.Reveal().data(), iv.data(), encrypt ? 1 : 0,
                         nullptr) != 1) {
    return Missing(name);
  }
  return context;
}

}  // namespace

SecretBytes Pkcs12PasswordBytes(const SecretBytes& password) {
  SecretBytes bytes;
  AppendBmp(AsText(password.Reveal()), bytes);
  bytes.resize(bytes.size() + 2);
  return bytes;
}

Result<SecretBytes> DerivePkcs12(const char* digest, const SecretBytes& password, BytesView salt,
                                 std::uint32_t iterations, Pkcs12Use use, std::size_t size) {
  int id = static_cast<int>(use);
  const std::array<OSSL_PARAM, 6> parameters{TextParameter(OSSL_KDF_PARAM_DIGEST, digest),
                                             OctetParameter(OSSL_KDF_PARAM_PASSWORD, password.Reveal()),
                                             OctetParameter(OSSL_KDF_PARAM_SALT, salt),
                                             OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &iterations),
                                             OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS12_ID, &id),
                                             OSSL_PARAM_construct_end()};
  return Derive("PKCS12KDF", parameters.data(), size);
}

Result<SecretBytes> DerivePbkdf2(const char* digest, BytesView password, BytesView salt,
                                 std::uint32_t iterations, std::size_t size) {
  const std::array<OSSL_PARAM, 5> parameters{
      TextParameter(OSSL_KDF_PARAM_DIGEST, digest), OctetParameter(OSSL_KDF_PARAM_PASSWORD, password),
      OctetParameter(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &iterations), OSSL_PARAM_construct_end()};
  return Derive("PBKDF2", parameters.data(), size);
}

Result<void> EncryptCbc(const char* cipher, const SecretBytes& key, BytesView iv, BytesView plaintext,
                        Bytes& out) {
  const EmptyQueue empty;
  const CipherContextHandle context = TRY(Begin(nullptr, cipher, key, iv, true));
  if (plaintext.size() > INT_MAX - EVP_MAX_BLOCK_LENGTH) {
    return Error(ErrorCode::kTooLarge, "more than two GiB to encrypt");
  }
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() +
             static_cast<std::size_t>(EVP_CIPHER_CTX_get_block_size(context.get())));
  int written = 0;
  int rest = 0;
  if (EVP_EncryptUpdate(context.get(), out.data() + start, &written, plaintext.data(),
                        static_cast<int>(plaintext.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), out.data() + start + written, &rest) != 1) {
    out.resize(start);
    return Missing(cipher);
  }
  out.resize(start + static_cast<std::size_t>(written + rest));
  return {};
}

Result<std::size_t> Decrypt(ossl_lib_ctx_st* library, const char* cipher, const SecretBytes& key,
                            BytesView iv, BytesView ciphertext, std::span<std::uint8_t> out) {
  const EmptyQueue empty;
  static_assert(kCipherSlack >= EVP_MAX_BLOCK_LENGTH, "what EVP_DecryptUpdate may write beyond");
  auto context = Begin(library, cipher, key, iv, false);
  if (!context.has_value()) return Error(ErrorCode::kUnsupported, context.error().message());
  if (ciphertext.size() > INT_MAX - kCipherSlack || out.size() < ciphertext.size() + kCipherSlack) {
    return Error(ErrorCode::kTooLarge, "too much to decrypt");
  }
  int written = 0;
  int rest = 0;
  if (EVP_DecryptUpdate(context.value().get(), out.data(), &written, ciphertext.data(),
                        static_cast<int>(ciphertext.size())) != 1 ||
      EVP_DecryptFinal_ex(context.value().get(), out.data() + written, &rest) != 1) {
    return Error(ErrorCode::kAccessDenied, "does not decrypt");
  }
  return static_cast<std::size_t>(written + rest);
}

Result<Bytes> MacOf(const char* digest, const SecretBytes& key, BytesView message) {
  const EmptyQueue empty;
  Bytes out(EVP_MAX_MD_SIZE);
  std::size_t size = 0;
  if (EVP_Q_mac(nullptr, "HMAC", kDefaultProvider, digest, nullptr, key.Reveal().data(), key.size(),
                message.data(), message.size(), out.data(), out.size(), &size) == nullptr) {
    return Missing(digest);
  }
  out.resize(size);
  return out;
}

}  // namespace certfs::openssl
