// The identifiers of an envelope's parts, and those of its algorithms that never differ. Private to crypto/.
//
// Thread-safety: constants and pure functions.

#pragma once

#include "crypto/base/bytes.h"
#include "crypto/der.h"

namespace certfs::openssl {

inline constexpr ObjectIdentifier kIdAuthEnvelopedData("1.2.840.113549.1.9.16.1.23");
inline constexpr ObjectIdentifier kIdData("1.2.840.113549.1.7.1");
inline constexpr ObjectIdentifier kIdAes256Gcm("2.16.840.1.101.3.4.1.46");
inline constexpr ObjectIdentifier kIdAes256Cbc("2.16.840.1.101.3.4.1.42");
inline constexpr ObjectIdentifier kIdAes256Wrap("2.16.840.1.101.3.4.1.45");
inline constexpr ObjectIdentifier kIdSha256("2.16.840.1.101.3.4.2.1");
inline constexpr ObjectIdentifier kIdHmacSha256("1.2.840.113549.2.9");
inline constexpr ObjectIdentifier kIdPbkdf2("1.2.840.113549.1.5.12");
inline constexpr ObjectIdentifier kIdPasswordKek("1.2.840.113549.1.9.16.3.9");
inline constexpr ObjectIdentifier kIdOaep("1.2.840.113549.1.1.7");
inline constexpr ObjectIdentifier kIdMgf1("1.2.840.113549.1.1.8");
inline constexpr ObjectIdentifier kIdEcPublicKey("1.2.840.10045.2.1");
inline constexpr ObjectIdentifier kIdStdDhSha256Kdf("1.3.132.1.11.1");

// RecipientInfo's tags. A KeyTransRecipientInfo is a plain SEQUENCE.
inline constexpr std::uint8_t kAgreementTag = DerContext(1);
inline constexpr std::uint8_t kPasswordTag = DerContext(3);

inline void PutHash(DerWriter<Bytes>& der, const ObjectIdentifier& hash) {
  der.Sequence([&] {
    der.Identifier(hash);
    der.Null();
  });
}

// RSAES-OAEP with SHA-256 for hash and mask, and no label (RFC 4055, 4.1).
inline Bytes OaepAlgorithm() {
  Bytes out;
  DerWriter der(out);
  der.Sequence([&] {
    der.Identifier(kIdOaep);
    der.Sequence([&] {
      der.Context(0, [&] { PutHash(der, kIdSha256); });
      der.Context(1, [&] {
        der.Sequence([&] {
          der.Identifier(kIdMgf1);
          PutHash(der, kIdSha256);
        });
      });
    });
  });
  return out;
}

// AES-256 key wrap, without parameters (RFC 3565, 2.3.2).
inline Bytes WrapAlgorithm() {
  Bytes out;
  DerWriter der(out);
  der.Sequence([&] { der.Identifier(kIdAes256Wrap); });
  return out;
}

// Its parameter is the algorithm that wraps (RFC 5753, 7.1.4).
inline Bytes AgreementAlgorithm() {
  Bytes out;
  DerWriter der(out);
  der.Sequence([&] {
    der.Identifier(kIdStdDhSha256Kdf);
    der.Raw(WrapAlgorithm());
  });
  return out;
}

// The curve of the originator's key is the recipient's (RFC 5753, 3.1.1): no parameters.
inline Bytes OriginatorAlgorithm() {
  Bytes out;
  DerWriter der(out);
  der.Sequence([&] { der.Identifier(kIdEcPublicKey); });
  return out;
}

}  // namespace certfs::openssl
