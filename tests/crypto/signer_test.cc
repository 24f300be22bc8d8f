// Goal: every kind of key signs in the one way that is said, and its encodings are OpenSSL's. Method:
// libcrypto verifies and encodes; each bit of a signature changed.

#include "crypto/signer.h"

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "crypto/openssl/prepared_signatures.h"
#include "tests/crypto/authorities.h"
#include "tests/crypto/verdicts.h"

namespace certfs {
namespace {

using namespace test;

constexpr const char* kKinds[] = {"ec-p256", "ec-p384", "ec-p521", "ed25519", "ed448", "rsa-2048"};

TEST(Signer, SignsAsItsAlgorithmSays) {
  const struct {
    const char* kind;
    int algorithm;
  } rows[] = {{"ec-p256", NID_ecdsa_with_SHA256},
              {"ec-p384", NID_ecdsa_with_SHA384},
              {"ec-p521", NID_ecdsa_with_SHA512},
              {"ed25519", NID_ED25519},
              {"ed448", NID_ED448},
              {"rsa-2048", NID_sha256WithRSAEncryption}};
  const Bytes message(1000, 'x');
  for (const auto& row : rows) {
    const PrivateKey key = NewKey(row.kind);
    const auto signer = Must(MakeSigner(key));
    const BytesView der = signer->algorithm();
    const unsigned char* at = der.data();
    const openssl::AlgorithmHandle algorithm(d2i_X509_ALGOR(nullptr, &at, static_cast<long>(der.size())));
    ASSERT_NE(algorithm, nullptr) << row.kind;
    EXPECT_EQ(OBJ_obj2nid(algorithm->algorithm), row.algorithm) << row.kind;
    const Bytes signature = Must(signer->Sign(message));
    int digest = NID_undef;
    OBJ_find_sigid_algs(row.algorithm, &digest, nullptr);
    const openssl::DigestContextHandle context(EVP_MD_CTX_new());
    ASSERT_EQ(EVP_DigestVerifyInit(context.get(), nullptr,
                                   digest == NID_undef ? nullptr : EVP_get_digestbynid(digest), nullptr,
                                   signer->key().handle()),
              1);
    EXPECT_EQ(
        EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()),
        1)
        << row.kind;
    EXPECT_TRUE(QueueIsEmpty());
  }
}

TEST(Signer, NoChangedSignatureVerifies) {
  const Bytes message(100, 'x');
  for (const char* const kind : kKinds) {
    const PrivateKey key = NewKey(kind);
    const Bytes signature = Must(Must(MakeSigner(key))->Sign(message));
    const auto verifying = Must(openssl::PreparedVerifying::Make(key.handle()));
    EXPECT_TRUE(verifying.Verify(message, signature)) << kind;
    EXPECT_FALSE(verifying.Verify(Bytes(100, 'y'), signature)) << kind;
    for (std::size_t bit = 0; bit < signature.size() * 8; bit += 3) {
      Bytes changed = signature;
      changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
      EXPECT_FALSE(verifying.Verify(message, changed)) << kind << " " << bit;
    }
    EXPECT_FALSE(verifying.Verify(message, {})) << kind;
    EXPECT_TRUE(QueueIsEmpty());
  }
}

TEST(Signer, AKeyThatSignsNoCertificatesIsNone) {
  const openssl::KeyContextHandle context(EVP_PKEY_CTX_new_id(EVP_PKEY_RSA_PSS, nullptr));
  EVP_PKEY* pss = nullptr;
  ASSERT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  ASSERT_EQ(EVP_PKEY_keygen(context.get(), &pss), 1);
  unsigned char* der = nullptr;
  const int size = i2d_PrivateKey(pss, &der);
  const auto key = PrivateKey::FromDer({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  EVP_PKEY_free(pss);
  const auto signer = MakeSigner(Must(key));
  ASSERT_FALSE(signer.has_value());
  EXPECT_EQ(signer.error().code(), ErrorCode::kUnsupported);
}

template <typename T>
Bytes Encoded(T* object, int (*encode)(T*, unsigned char**)) {
  unsigned char* der = nullptr;
  const int size = encode(object, &der);
  Bytes bytes(der, der + (size > 0 ? size : 0));
  OPENSSL_free(der);
  return bytes;
}

TEST(Key, IsEncodedAsOpensslDoes) {
  for (const char* const kind : kKinds) {
    const PrivateKey key = NewKey(kind);
    const PublicKey half = Must(PublicKey::Of(key));
    EXPECT_EQ(AsText(half.der()), AsText(Encoded<const EVP_PKEY>(key.handle(), i2d_PUBKEY))) << kind;
    EXPECT_EQ(AsText(half.der()), AsText(Encoded<const EVP_PKEY>(half.handle(), i2d_PUBKEY))) << kind;
    EXPECT_EQ(EVP_PKEY_eq(half.handle(), key.handle()), 1) << kind;
    PKCS8_PRIV_KEY_INFO* const info = EVP_PKEY2PKCS8(key.handle());
    EXPECT_EQ(AsText(Must(key.ToPkcs8()).Reveal()),
              AsText(Encoded<const PKCS8_PRIV_KEY_INFO>(info, i2d_PKCS8_PRIV_KEY_INFO)))
        << kind;
    PKCS8_PRIV_KEY_INFO_free(info);
    EXPECT_EQ(Must(PrivateKey::FromDer(Must(key.ToPkcs8()).Reveal())).Describe(), key.Describe());
  }
}

TEST(Key, NoChangedEncodingIsTheSameKey) {
  // Not of RSA, whose parameters OpenSSL overlooks: two encodings may be one key there.
  for (const char* const kind : {"ec-p256", "ed25519"}) {
    const PublicKey key = Must(PublicKey::Of(NewKey(kind)));
    Bytes longer(key.der().begin(), key.der().end());
    longer.push_back(0);
    EXPECT_EQ(PublicKey::FromDer(longer).error().rule(), "trailing-data") << kind;
    for (std::size_t at = 0; at < key.der().size(); ++at) {
      Bytes changed(key.der().begin(), key.der().end());
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ 0x11);
      const auto other = PublicKey::FromDer(changed);
      EXPECT_TRUE(QueueIsEmpty());
      // A point that is not on the curve is no key; any other key is another one.
      const bool same = other.has_value() && EVP_PKEY_eq(other.value().handle(), key.handle()) == 1;
      EXPECT_FALSE(same) << kind << " " << at;
    }
  }
}

TEST(Key, OneOfTheSameKindIsMade) {
  for (const char* const kind : kKinds) {
    const PrivateKey key = NewKey(kind);
    const PrivateKey another = Must(PrivateKey::GenerateLike(key));
    EXPECT_EQ(another.Describe(), key.Describe());
    EXPECT_NE(EVP_PKEY_eq(another.handle(), key.handle()), 1) << kind;
    EXPECT_EQ(Must(PrivateKey::GenerateLike(Must(PublicKey::Of(key)))).Describe(), key.Describe());
  }
  EXPECT_EQ(KeyTypeOf(NewKey("ec-p256")), KeyType::kEcP256);
  EXPECT_EQ(KeyTypeOf(NewKey("ec-p384")), KeyType::kEcP384);
  EXPECT_EQ(KeyTypeOf(NewKey("rsa-3072")), KeyType::kRsa3072);
  EXPECT_FALSE(KeyTypeOf(NewKey("ed25519")).has_value());
}

}  // namespace
}  // namespace certfs
