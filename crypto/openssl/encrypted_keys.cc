#include "crypto/openssl/encrypted_keys.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <algorithm>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

namespace {

using EncryptedKeyHandle = Handle<X509_SIG, X509_SIG_free>;
using KeyInfoHandle = Handle<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

int GivePassword(char* buffer, int size, int /*writing*/, void* secret) {
  const BytesView password = static_cast<const SecretBytes*>(secret)->Reveal();
  if (password.size() > static_cast<std::size_t>(size)) return -1;
  std::copy(password.begin(), password.end(), buffer);
  return static_cast<int>(password.size());
}

}  // namespace

SecretBytes EncodedPkcs8(const PKCS8_PRIV_KEY_INFO* info) {
  const int size = info != nullptr ? i2d_PKCS8_PRIV_KEY_INFO(info, nullptr) : -1;
  SecretBytes out(size > 0 ? static_cast<std::size_t>(size) : 0);
  std::uint8_t* at = out.data();
  if (size > 0) i2d_PKCS8_PRIV_KEY_INFO(info, &at);
  return out;
}

Result<SecretBytes> DecryptKey(const X509_SIG* encrypted, Pkcs12Decryption& decryption) {
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_OCTET_STRING* ciphertext = nullptr;
  X509_SIG_get0(encrypted, &algorithm, &ciphertext);
  SecretBytes pkcs8;
  TRY(decryption.Decrypt(algorithm, ciphertext, [&](BytesView der) {
    const std::uint8_t* at = der.data();
    const KeyInfoHandle info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
    pkcs8 = EncodedPkcs8(info.get());
    return !pkcs8.empty();
  }));
  return pkcs8;
}

Result<SecretBytes> DecryptPkcs8(BytesView der, Pkcs12Decryption& decryption) {
  const EmptyQueue empty;
  const std::uint8_t* at = der.data();
  const EncryptedKeyHandle encrypted(d2i_X509_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!encrypted || at != der.data() + der.size()) {
    return Error(ErrorCode::kMalformed, "an encrypted key that is damaged: " + TakeReason("bad DER"));
  }
  return DecryptKey(encrypted.get(), decryption);
}

Result<SecretBytes> DecryptTraditional(BytesView pem, const SecretBytes& password) {
  const EmptyQueue empty;
  if (password.empty()) return Error(ErrorCode::kPasswordRequired, "a key that needs a password");
  const BioHandle in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const KeyHandle key(
      in ? PEM_read_bio_PrivateKey(in.get(), nullptr, GivePassword, const_cast<SecretBytes*>(&password))
         : nullptr);
  if (!key) return Error(ErrorCode::kAccessDenied, "the password of a key is wrong, or the key is damaged");
  const KeyInfoHandle info(EVP_PKEY2PKCS8(key.get()));
  SecretBytes pkcs8 = EncodedPkcs8(info.get());
  if (pkcs8.empty()) return Error(ErrorCode::kUnsupported, "a key of a kind that has no PKCS#8 encoding");
  return pkcs8;
}

}  // namespace certfs::openssl
