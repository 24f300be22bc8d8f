#include "crypto/encrypted_key.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <algorithm>

#include "crypto/openssl/encrypted_keys.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/pem.h"
#include "crypto/store_file.h"

namespace certfs {

namespace {

using EncryptedKeyHandle = openssl::Handle<X509_SIG, X509_SIG_free>;
using KeyInfoHandle = openssl::Handle<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

// What the passphrase is read by: OpenSSL asks for it through a callback.
int GivePassphrase(char* out, int out_bytes, int /*writing*/, void* given) {
  const BytesView passphrase = static_cast<const SecretBytes*>(given)->Reveal();
  if (passphrase.size() > static_cast<std::size_t>(out_bytes)) return -1;
  std::copy(passphrase.begin(), passphrase.end(), out);
  return static_cast<int>(passphrase.size());
}

Error NotOpened() { return {ErrorCode::kAccessDenied, "wrong passphrase, or a damaged key"}; }

// PKCS#8, encrypted.
Result<PrivateKey> DecryptInfo(BytesView der, const SecretBytes& passphrase) {
  const std::uint8_t* at = der.data();
  const EncryptedKeyHandle encrypted(d2i_X509_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!encrypted) return Error(ErrorCode::kMalformed, "unreadable", "no encrypted key that can be read");
  if (at != der.data() + der.size())
    return Error(ErrorCode::kMalformed, "trailing-data", "something follows the encrypted key");
  TRY(openssl::CheckStretching(encrypted.get()));
  const BytesView text = passphrase.Reveal();
  const KeyInfoHandle info(
      PKCS8_decrypt(encrypted.get(), text.empty() ? "" : AsText(text).data(), static_cast<int>(text.size())));
  const SecretBytes pkcs8 = openssl::EncodedPkcs8(info.get());
  if (pkcs8.empty()) return NotOpened();
  return PrivateKey::FromDer(pkcs8.Reveal());
}

// A PEM block with encryption headers.
Result<PrivateKey> DecryptBlock(BytesView pem, const SecretBytes& passphrase) {
  const openssl::BioHandle bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  void* const given = const_cast<SecretBytes*>(&passphrase);
  const openssl::KeyHandle key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, GivePassphrase, given)
                                   : nullptr);
  if (!key) return NotOpened();
  // By way of its plain encoding, so that what is let in is what the strict reader lets in.
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PrivateKey(key.get(), &encoded);
  if (size <= 0) return Error(ErrorCode::kMalformed, "unreadable", "the key has no encoding");
  const SecretBytes der = SecretBytes::CopyOf({encoded, static_cast<std::size_t>(size)});
  OPENSSL_clear_free(encoded, static_cast<std::size_t>(size));
  return PrivateKey::FromDer(der.Reveal());
}

}  // namespace

Result<PrivateKey> DecryptKeyFile(BytesView file, const SecretBytes& passphrase) {
  auto plain = ReadKeyFile(file);
  if (plain.has_value()) return std::move(plain).value().key;
  if (plain.error().rule() != "encrypted-key") return std::move(plain).error();
  const openssl::EmptyQueue empty;
  if (file.front() == 0x30) return DecryptInfo(file, passphrase);
  // One block alone: OpenSSL would look for one that it can read.
  const std::vector<PemBlock> blocks = TRY(ReadPem(file));
  for (const PemBlock& block : blocks) {
    if (block.label == "ENCRYPTED PRIVATE KEY") return DecryptInfo(block.body.Reveal(), passphrase);
    if (block.encrypted) return DecryptBlock(file.subspan(block.begin, block.end - block.begin), passphrase);
  }
  return std::move(plain).error();
}

}  // namespace certfs
