#include "crypto/private_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <optional>

#include "crypto/der.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/key_encodings.h"

namespace certfs {

namespace {

using EncryptedKey = openssl::Handle<X509_SIG, X509_SIG_free>;
using Pkcs8Handle = openssl::Handle<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

// PKCS#8's EncryptedPrivateKeyInfo begins SEQUENCE { SEQUENCE ...: no unencrypted key does.
bool IsEncrypted(BytesView der) {
  const std::uint8_t* at = der.data();
  const EncryptedKey key(d2i_X509_SIG(nullptr, &at, static_cast<long>(der.size())));
  return key != nullptr && at == der.data() + der.size();
}

// The algorithms whose PKCS#8 form is decoded. Others are refused by their name alone: decoding a DSA or DH
// key computes its public half, and with numbers as long as the file allows that would take hours.
bool IsKnown(int algorithm) {
  return algorithm == EVP_PKEY_RSA || algorithm == EVP_PKEY_RSA_PSS || algorithm == EVP_PKEY_EC ||
         algorithm == EVP_PKEY_ED25519 || algorithm == EVP_PKEY_ED448;
}

// Returns the name of the algorithm of a PKCS#8 key that is not worth decoding; nothing for any other input.
std::optional<std::string> ForeignAlgorithm(BytesView der) {
  const std::uint8_t* at = der.data();
  const Pkcs8Handle info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  const ASN1_OBJECT* algorithm = nullptr;
  if (!info || PKCS8_pkey_get0(&algorithm, nullptr, nullptr, nullptr, info.get()) != 1) return std::nullopt;
  if (IsKnown(OBJ_obj2nid(algorithm))) return std::nullopt;
  char name[80] = {};
  OBJ_obj2txt(name, sizeof name, algorithm, 0);
  return name;
}

}  // namespace

Result<PrivateKey> PrivateKey::FromDer(BytesView der) {
  const openssl::EmptyQueue empty;
  if (IsEncrypted(der)) {
    return Error(ErrorCode::kPasswordRequired, "encrypted-key",
                 "the key is encrypted, and the mount has no one to ask for its password");
  }
  if (auto algorithm = ForeignAlgorithm(der)) return Error(ErrorCode::kRejected, "key-algorithm", *algorithm);
  const std::uint8_t* at = der.data();
  openssl::KeyHandle key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())));
  if (!key) {
    return Error(ErrorCode::kMalformed, "unreadable", "not a private key: " + openssl::TakeReason("bad DER"));
  }
  if (at != der.data() + der.size())
    return Error(ErrorCode::kMalformed, "trailing-data", "bytes after the key");
  // DSA had a form of its own before PKCS#8.
  if (!IsKnown(EVP_PKEY_get_base_id(key.get()))) {
    const char* const name = EVP_PKEY_get0_type_name(key.get());
    return Error(ErrorCode::kRejected, "key-algorithm", name != nullptr ? name : "an unknown algorithm");
  }
  return PrivateKey(std::shared_ptr<evp_pkey_st>(key.release(), EVP_PKEY_free));
}

Result<PrivateKey> PrivateKey::Generate(KeyType type) {
  const openssl::EmptyQueue empty;
  EVP_PKEY* made = nullptr;
  switch (type) {
    case KeyType::kEcP256:
      made = EVP_EC_gen("P-256");
      break;
    case KeyType::kEcP384:
      made = EVP_EC_gen("P-384");
      break;
    case KeyType::kRsa3072:
      made = EVP_RSA_gen(3072);
      break;
    case KeyType::kRsa4096:
      made = EVP_RSA_gen(4096);
      break;
  }
  if (made == nullptr) {
    return Error(ErrorCode::kInternal, "no key could be made: " + openssl::TakeReason("OpenSSL gave none"));
  }
  return PrivateKey(std::shared_ptr<evp_pkey_st>(made, EVP_PKEY_free));
}

Result<PrivateKey> PrivateKey::GenerateLike(const Key& key) {
  const openssl::EmptyQueue empty;
  constexpr int kRsaBitsMax = 16384;
  EVP_PKEY* const model = key.handle();
  EVP_PKEY* made = nullptr;
  if (EVP_PKEY_is_a(model, "EC") == 1) {
    char group[64] = {};
    std::size_t size = 0;
    if (EVP_PKEY_get_group_name(model, group, sizeof group, &size) == 1) made = EVP_EC_gen(group);
  } else if (EVP_PKEY_is_a(model, "RSA") == 1 && EVP_PKEY_get_bits(model) <= kRsaBitsMax) {
    made = EVP_RSA_gen(static_cast<std::size_t>(EVP_PKEY_get_bits(model)));
  } else if (EVP_PKEY_is_a(model, "ED25519") == 1 || EVP_PKEY_is_a(model, "ED448") == 1) {
    made = EVP_PKEY_Q_keygen(nullptr, nullptr, EVP_PKEY_get0_type_name(model));
  } else {
    return Error(ErrorCode::kUnsupported, "no key of the kind " + key.Describe() + " is made");
  }
  if (made == nullptr) {
    return Error(ErrorCode::kInternal, "no key could be made: " + openssl::TakeReason("OpenSSL gave none"));
  }
  return PrivateKey(std::shared_ptr<evp_pkey_st>(made, EVP_PKEY_free));
}

bool Key::Is(KeyType type) const {
  switch (type) {
    case KeyType::kEcP256:
      return Describe() == "EC P-256";
    case KeyType::kEcP384:
      return Describe() == "EC P-384";
    case KeyType::kRsa3072:
      return Describe() == "RSA 3072";
    case KeyType::kRsa4096:
      return Describe() == "RSA 4096";
  }
  return false;
}

bool Key::Matches(const Certificate& certificate) const {
  const openssl::EmptyQueue empty;
  // Equal encodings are equal keys; different ones may still be, as one that was imported from elsewhere.
  const auto mine = openssl::EncodePublicKey(handle());
  if (mine && std::ranges::equal(*mine, certificate.key_der())) return true;
  EVP_PKEY* const certified = X509_get0_pubkey(certificate.handle());
  return certified != nullptr && EVP_PKEY_eq(certified, handle()) == 1;
}

std::string Key::Describe() const {
  const openssl::EmptyQueue empty;
  char group[64] = {};
  std::size_t size = 0;
  if (EVP_PKEY_is_a(handle(), "EC") == 1 &&
      EVP_PKEY_get_group_name(handle(), group, sizeof group, &size) == 1) {
    const char* nist = EC_curve_nid2nist(OBJ_txt2nid(group));
    return std::string("EC ") + (nist != nullptr ? nist : group);
  }
  const char* name = EVP_PKEY_get0_type_name(handle());
  std::string type = name != nullptr ? name : "?";
  if (type == "RSA" || type == "RSA-PSS" || type == "DSA")
    return type + " " + std::to_string(EVP_PKEY_get_bits(handle()));
  return type;
}

Result<SecretBytes> PrivateKey::ToPkcs8() const {
  const openssl::EmptyQueue empty;
  auto encoded = openssl::EncodePrivateKey(handle());
  if (!encoded) return Error(ErrorCode::kInternal, "the key has no PKCS#8 encoding");
  return *std::move(encoded);
}

Result<PublicKey> PublicKey::Of(const PrivateKey& key) {
  const openssl::EmptyQueue empty;
  const auto encoded = openssl::EncodePublicKey(key.handle());
  if (!encoded) return Error(ErrorCode::kInternal, "the public half of a key has no encoding");
  return FromDer(*encoded);
}

Result<PublicKey> PublicKey::Beside(const PrivateKey& key) {
  const openssl::EmptyQueue empty;
  auto encoded = openssl::EncodePublicKey(key.handle());
  if (!encoded) return Error(ErrorCode::kInternal, "the public half of a key has no encoding");
  return PublicKey(key.shared(), *std::move(encoded));
}

Result<PublicKey> PublicKey::FromDer(BytesView der) {
  const openssl::EmptyQueue empty;
  DerReader reader(der);
  const auto info = reader.Take(kDerSequence);
  if (!info.has_value())
    return Error(ErrorCode::kMalformed, "unreadable", "not a public key: " + info.error().message());
  if (!reader.empty()) return Error(ErrorCode::kMalformed, "trailing-data", "bytes after the key");
  openssl::KeyHandle key = openssl::DecodePublicKey(der);
  if (!key) return Error(ErrorCode::kRejected, "key-algorithm", "a key that cannot be read");
  return PublicKey(std::shared_ptr<evp_pkey_st>(key.release(), EVP_PKEY_free), Bytes(der.begin(), der.end()));
}

Result<PublicKey> PublicKey::Of(const Certificate& certificate) { return FromDer(certificate.key_der()); }

std::optional<KeyType> KeyTypeOf(const Key& key) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa3072, KeyType::kRsa4096}) {
    if (key.Is(type)) return type;
  }
  return std::nullopt;
}

evp_pkey_st* Key::handle() const noexcept { return key_.get(); }

}  // namespace certfs
