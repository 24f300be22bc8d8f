#include "crypto/encrypted_key.h"

#include <openssl/pem.h>

#include <algorithm>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/store_file.h"

namespace certfs {

namespace {

// What the passphrase is read by: OpenSSL asks for it through a callback.
int GivePassphrase(char* out, int out_bytes, int /*writing*/, void* given) {
  const BytesView passphrase = static_cast<const SecretBytes*>(given)->Reveal();
  if (passphrase.size() > static_cast<std::size_t>(out_bytes)) return -1;
  std::copy(passphrase.begin(), passphrase.end(), out);
  return static_cast<int>(passphrase.size());
}

}  // namespace

Result<PrivateKey> DecryptKeyFile(BytesView file, const SecretBytes& passphrase) {
  auto plain = ReadKeyFile(file);
  if (plain.has_value()) return std::move(plain).value().key;
  if (plain.error().rule() != "encrypted-key") return std::move(plain).error();
  const openssl::EmptyQueue empty;
  const openssl::BioHandle bio(BIO_new_mem_buf(file.data(), static_cast<int>(file.size())));
  void* const given = const_cast<SecretBytes*>(&passphrase);
  const bool is_der = file.front() == 0x30;
  const openssl::KeyHandle key(!bio     ? nullptr
                               : is_der ? d2i_PKCS8PrivateKey_bio(bio.get(), nullptr, GivePassphrase, given)
                                        : PEM_read_bio_PrivateKey(bio.get(), nullptr, GivePassphrase, given));
  if (!key) return Error(ErrorCode::kAccessDenied, "wrong passphrase, or a damaged key");
  // By way of its plain encoding, so that what is let in is what the strict reader lets in.
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PrivateKey(key.get(), &encoded);
  if (size <= 0) return Error(ErrorCode::kMalformed, "unreadable", "the key has no encoding");
  const SecretBytes der = SecretBytes::CopyOf({encoded, static_cast<std::size_t>(size)});
  OPENSSL_clear_free(encoded, static_cast<std::size_t>(size));
  return PrivateKey::FromDer(der.Reveal());
}

}  // namespace certfs
