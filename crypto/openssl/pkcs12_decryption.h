// What a password opens in somebody else's PKCS#12 file. Private to crypto/.
//
// Programs differ in how they spell a password in bytes; each spelling is tried. How much work a file may ask
// for is bounded. Errors: kPasswordRequired or kAccessDenied if no spelling fits, kUnsupported, with what to
// do, for algorithms that are not known or need what is not installed, and for too much work. Leaves the
// error queue empty.

#pragma once

#include <openssl/pkcs12.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/pkcs12_reader.h"

namespace certfs::openssl {

// One spelling of a password.
struct PasswordForm {
  SecretBytes text;   // UTF-8, of which RFC 7292's derivation makes a BMPString.
  bool none = false;  // Not even an empty one: that derivation gets no bytes at all.
  SecretBytes raw;    // What PBKDF2 gets.
};

// How a key is made of a password, and what is done with it.
struct EncryptionScheme {
  bool pbkdf2;  // Else RFC 7292's own derivation.
  const char* digest;
  Bytes salt;
  std::uint32_t iterations;
  const char* cipher;
  std::size_t key_bytes;
  std::size_t iv_bytes;
  Bytes iv;             // With PBKDF2; the other makes it of the password too.
  bool legacy = false;  // The cipher is in OpenSSL's legacy provider only.
};

class Pkcs12Decryption {
 public:
  Pkcs12Decryption(const SecretBytes& password, const Pkcs12Limits& limits);

  // Finds the spelling under which the MAC of `file`, if it has one, is right; it is tried first from then
  // on.
  Result<void> CheckMac(PKCS12* file);

  // Decrypts under one spelling after the other until `accept` takes the plaintext, which is wiped behind it.
  Result<void> Decrypt(const X509_ALGOR* algorithm, const ASN1_OCTET_STRING* ciphertext,
                       const std::function<bool(BytesView)>& accept);

 private:
  // Called before each derivation.
  Result<void> Spend(std::int64_t iterations);
  Result<SecretBytes> Derive(const EncryptionScheme& scheme, const PasswordForm& form, Bytes& iv);
  Result<OSSL_LIB_CTX*> Library(const EncryptionScheme& scheme);
  Error WrongPassword() const;

  std::vector<PasswordForm> forms_;  // The one that fitted last is the first.
  bool empty_;                       // No password was given.
  bool opened_ = false;              // The MAC, or a part of the file.
  const Pkcs12Limits limits_;
  std::int64_t work_ = 0;
  // The last derivation by PBKDF2, because whole files have been made with one.
  Bytes derived_of_;
  SecretBytes derived_;
  std::shared_ptr<OSSL_LIB_CTX> legacy_;
};

}  // namespace certfs::openssl
