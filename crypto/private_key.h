// A private key that answers questions about itself but never shows itself, and the public half of one.
//
// Thread-safety: values whose copies share one immutable object. Ownership: copies are cheap owners; the
// numbers are wiped with the last of them.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/certificate.h"

struct evp_pkey_st;

namespace certfs {

// The kinds of key that certfs makes.
enum class KeyType { kEcP256, kEcP384, kRsa3072, kRsa4096 };

class Key;

// What both halves can tell.
class Key {
 public:
  // Says whether `certificate` certifies this key: the public halves are equal.
  bool Matches(const Certificate& certificate) const;

  // Says whether this is a key of `type`.
  bool Is(KeyType type) const;

  // "RSA 3072", "EC P-256", "ED25519": the algorithm and its size as people name them.
  std::string Describe() const;

  // The OpenSSL object, borrowed, for use inside crypto/ only.
  evp_pkey_st* handle() const noexcept;

 protected:
  explicit Key(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  const std::shared_ptr<evp_pkey_st>& shared() const noexcept { return key_; }
  // Not to be copied as a Key: what keeps it would not show that it keeps a secret.
  ~Key() = default;
  Key(const Key&) = default;
  Key& operator=(const Key&) = default;
  Key(Key&&) = default;
  Key& operator=(Key&&) = default;

 private:
  std::shared_ptr<evp_pkey_st> key_;
};

class PrivateKey : public Key {
  friend class PublicKey;

 public:
  // Makes a new key, of OpenSSL's private random generator. Returns kInternal if OpenSSL cannot.
  static Result<PrivateKey> Generate(KeyType type);

  // Makes a new key of the kind of `key`, of whichever: the same curve, or as many bits. kUnsupported for an
  // algorithm that makes no signatures, or an RSA key of more than 16384 bits; kInternal if OpenSSL cannot.
  static Result<PrivateKey> GenerateLike(const Key& key);

  // Parses exactly one DER key: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017, A.1.2) or SEC 1 (RFC 5915).
  // Returns kPasswordRequired ("encrypted-key") for an EncryptedPrivateKeyInfo, kRejected ("key-algorithm")
  // for a key that is neither RSA, EC nor EdDSA, kMalformed ("unreadable") for anything else that is
  // not a key, ("trailing-data") when bytes follow it.
  static Result<PrivateKey> FromDer(BytesView der);

  // The unencrypted PKCS#8 encoding.
  Result<SecretBytes> ToPkcs8() const;

 private:
  using Key::Key;
};

// Holds nothing secret, unless it is made by Beside.
class PublicKey : public Key {
 public:
  // Returns the public half of `key`, sharing nothing with it. kInternal if OpenSSL cannot encode it.
  static Result<PublicKey> Of(const PrivateKey& key);

  // The same, made in a tenth of the time, but it keeps `key` in memory for as long as it lives: for whoever
  // holds that as well meanwhile.
  static Result<PublicKey> Beside(const PrivateKey& key);

  // Parses exactly one SubjectPublicKeyInfo (RFC 5280, 4.1.2.7). kMalformed ("unreadable", "trailing-data"),
  // kRejected ("key-algorithm") for what OpenSSL cannot read as a key.
  static Result<PublicKey> FromDer(BytesView der);

  // Returns the key that `certificate` certifies. kRejected ("key-algorithm") as above.
  static Result<PublicKey> Of(const Certificate& certificate);

  // The SubjectPublicKeyInfo; lives as long as any copy of this key.
  BytesView der() const noexcept { return *der_; }

 private:
  PublicKey(std::shared_ptr<evp_pkey_st> key, Bytes der)
      : Key(std::move(key)), der_(std::make_shared<const Bytes>(std::move(der))) {}

  std::shared_ptr<const Bytes> der_;
};

// Returns which of the kinds that certfs makes `key` is of; nothing for any other.
std::optional<KeyType> KeyTypeOf(const Key& key);

}  // namespace certfs
