// The identifiers of a signed message's parts (RFC 5652, 5), and the algorithms that are taken. Private to
// crypto/.
//
// Thread-safety: constants and pure functions.

#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "crypto/base/bytes.h"
#include "crypto/der.h"

namespace certfs::openssl {

inline constexpr ObjectIdentifier kIdSignedData("1.2.840.113549.1.7.2");
inline constexpr ObjectIdentifier kIdEnvelopedData("1.2.840.113549.1.7.3");
inline constexpr ObjectIdentifier kIdContentType("1.2.840.113549.1.9.3");
inline constexpr ObjectIdentifier kIdMessageDigest("1.2.840.113549.1.9.4");
inline constexpr ObjectIdentifier kIdSigningTime("1.2.840.113549.1.9.5");
inline constexpr ObjectIdentifier kIdSigningCertificateV2("1.2.840.113549.1.9.16.2.47");
inline constexpr ObjectIdentifier kIdRsaEncryption("1.2.840.113549.1.1.1");

// The SignerInfo's version (RFC 5652, 5.3), and that of SignedData where all is as certfs writes it (5.1).
inline constexpr std::uint64_t kSignerByName = 1;
inline constexpr std::uint64_t kSignerByKeyIdentifier = 3;

// A digest (RFC 5754, 2), and what signatures over it are called (3.2, 3.3).
struct SignedDigest {
  const char* name;  // As OpenSSL knows it.
  std::size_t bytes;
  ObjectIdentifier identifier;
  ObjectIdentifier with_rsa;
  ObjectIdentifier with_ecdsa;
};
inline constexpr std::array<SignedDigest, 3> kSignedDigests{{
    {"SHA256", 32, ObjectIdentifier("2.16.840.1.101.3.4.2.1"), ObjectIdentifier("1.2.840.113549.1.1.11"),
     ObjectIdentifier("1.2.840.10045.4.3.2")},
    {"SHA384", 48, ObjectIdentifier("2.16.840.1.101.3.4.2.2"), ObjectIdentifier("1.2.840.113549.1.1.12"),
     ObjectIdentifier("1.2.840.10045.4.3.3")},
    {"SHA512", 64, ObjectIdentifier("2.16.840.1.101.3.4.2.3"), ObjectIdentifier("1.2.840.113549.1.1.13"),
     ObjectIdentifier("1.2.840.10045.4.3.4")},
}};

// What encloses the message: each size follows from those inside it.
struct SignedDataFrame {
  std::uint64_t digests_bytes;  // Of the SET digestAlgorithms, its tag and length included.
  std::uint64_t message_bytes;
  std::uint64_t tail_bytes;  // Of certificates and signerInfos.

  std::uint64_t octets_bytes() const { return DerBytes(message_bytes); }
  std::uint64_t encapsulated_bytes() const { return DerBytes(kIdDataBytes) + DerBytes(octets_bytes()); }
  std::uint64_t signed_bytes() const {
    return kVersionBytes + digests_bytes + DerBytes(encapsulated_bytes()) + tail_bytes;
  }
  std::uint64_t outer_bytes() const {
    return DerBytes(kIdSignedData.content().size()) + DerBytes(DerBytes(signed_bytes()));
  }

 private:
  static constexpr std::size_t kIdDataBytes = 9;  // 1.2.840.113549.1.7.1
  static constexpr std::size_t kVersionBytes = 3;
};

}  // namespace certfs::openssl
