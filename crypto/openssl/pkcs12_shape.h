// The shape of a PKCS#12 file (RFC 7292), each part of it written down once: over Bytes for the file, over
// ByteCount for its size. Private to crypto/.

#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/der.h"
#include "crypto/pkcs12.h"

namespace certfs::pkcs12 {

// RFC 2315 (PKCS#7), RFC 2985 (PKCS#9), RFC 7292, RFC 8018.
inline constexpr ObjectIdentifier kData("1.2.840.113549.1.7.1");
inline constexpr ObjectIdentifier kEncryptedData("1.2.840.113549.1.7.6");
inline constexpr ObjectIdentifier kFriendlyName("1.2.840.113549.1.9.20");
inline constexpr ObjectIdentifier kLocalKeyId("1.2.840.113549.1.9.21");
inline constexpr ObjectIdentifier kX509Certificate("1.2.840.113549.1.9.22.1");
inline constexpr ObjectIdentifier kShroudedKeyBag("1.2.840.113549.1.12.10.1.2");
inline constexpr ObjectIdentifier kCertificateBag("1.2.840.113549.1.12.10.1.3");
inline constexpr ObjectIdentifier kPbeSha1TripleDes("1.2.840.113549.1.12.1.3");
inline constexpr ObjectIdentifier kPbkdf2("1.2.840.113549.1.5.12");
inline constexpr ObjectIdentifier kPbes2("1.2.840.113549.1.5.13");
inline constexpr ObjectIdentifier kHmacSha256("1.2.840.113549.2.9");
inline constexpr ObjectIdentifier kAes256Cbc("2.16.840.1.101.3.4.1.42");
inline constexpr ObjectIdentifier kSha1("1.3.14.3.2.26");
inline constexpr ObjectIdentifier kSha256("2.16.840.1.101.3.4.2.1");
// Oracle's trustedKeyUsage, and what it says: any purpose.
inline constexpr ObjectIdentifier kTrustedKeyUsage("2.16.840.1.113894.746875.1.1");
inline constexpr ObjectIdentifier kAnyExtendedKeyUsage("2.5.29.37.0");

struct Algorithms {
  const char* cipher;
  std::size_t key_bytes;
  std::size_t block_bytes;
  const char* digest;
  std::size_t digest_bytes;
  const ObjectIdentifier& digest_identifier;
};

inline const Algorithms& AlgorithmsOf(Pkcs12Profile profile) {
  static const Algorithms modern{"AES-256-CBC", 32, 16, "SHA256", 32, kSha256};
  static const Algorithms compatible{"DES-EDE3-CBC", 24, 8, "SHA1", 20, kSha1};
  return profile == Pkcs12Profile::kModern ? modern : compatible;
}

inline std::uint32_t IterationsOf(const Pkcs12Settings& settings) {
  return settings.profile == Pkcs12Profile::kModern ? settings.iterations : kPkcs12CompatibleIterations;
}

// Stands in the place of Bytes where only their number is asked for, so that each shape below is written down
// once for both. Content whose bytes are not known is given by its size.
class ByteCount {
 public:
  void push_back(std::uint8_t /*byte*/) { ++size_; }
  std::ptrdiff_t end() const { return static_cast<std::ptrdiff_t>(size_); }
  template <typename Input>
  void insert(std::ptrdiff_t /*where*/, Input first, Input last) {
    size_ += static_cast<std::size_t>(last - first);
  }
  void Add(std::size_t bytes) { size_ += bytes; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
};

inline void Put(Bytes& out, BytesView content) { out.insert(out.end(), content.begin(), content.end()); }
inline void Put(ByteCount& out, std::size_t content) { out.Add(content); }

// --- Attributes (RFC 7292, 4.2)

template <typename Fill>
Bytes Attribute(const ObjectIdentifier& type, Fill&& value) {
  Bytes out;
  DerWriter<Bytes> der(out);
  der.Sequence([&] {
    der.Identifier(type);
    der.Set([&] { value(der); });
  });
  return out;
}

inline Bytes NameAttribute(std::string_view name) {
  return Attribute(kFriendlyName, [&](DerWriter<Bytes>& der) { der.BmpString(name); });
}

// What joins a key with its certificate.
inline std::vector<Bytes> PairAttributes(std::string_view name, BytesView local_key_id) {
  std::vector<Bytes> attributes;
  if (!name.empty()) attributes.push_back(NameAttribute(name));
  attributes.push_back(Attribute(kLocalKeyId, [&](DerWriter<Bytes>& der) { der.OctetString(local_key_id); }));
  return attributes;
}

inline std::vector<Bytes> TrustedAttributes(std::string_view name) {
  std::vector<Bytes> attributes;
  if (!name.empty()) attributes.push_back(NameAttribute(name));
  attributes.push_back(
      Attribute(kTrustedKeyUsage, [](DerWriter<Bytes>& der) { der.Identifier(kAnyExtendedKeyUsage); }));
  return attributes;
}

// --- Bags (RFC 7292, 4.2). `Out` is Bytes, with a view as content, or ByteCount, with a size.

template <typename Out, typename Fill>
void PutBag(Out& out, const ObjectIdentifier& type, Fill&& value, std::vector<Bytes> attributes) {
  DerWriter<Out> der(out);
  der.Sequence([&] {
    der.Identifier(type);
    der.Context(0, value);
    if (!attributes.empty()) der.SetOf(std::move(attributes));
  });
}

template <typename Out, typename Content>
void PutCertificateBag(Out& out, const Content& certificate, std::vector<Bytes> attributes) {
  DerWriter<Out> der(out);
  const auto value = [&] {
    der.Sequence([&] {
      der.Identifier(kX509Certificate);
      der.Context(0, [&] { der.OctetStringOf([&] { Put(out, certificate); }); });
    });
  };
  PutBag(out, kCertificateBag, value, std::move(attributes));
}

template <typename Out, typename Content>
void PutKeyBag(Out& out, BytesView algorithm, const Content& ciphertext, std::vector<Bytes> attributes) {
  DerWriter<Out> der(out);
  const auto value = [&] {
    der.Sequence([&] {
      der.Raw(algorithm);
      der.OctetStringOf([&] { Put(out, ciphertext); });
    });
  };
  PutBag(out, kShroudedKeyBag, value, std::move(attributes));
}

// --- The file (RFC 7292, 4)

// `derived` is the IV under kModern, the salt under kCompatible.
inline Bytes EncryptionAlgorithm(const Pkcs12Settings& settings, BytesView salt, BytesView derived) {
  Bytes out;
  DerWriter<Bytes> der(out);
  if (settings.profile == Pkcs12Profile::kCompatible) {
    der.Sequence([&] {
      der.Identifier(kPbeSha1TripleDes);
      der.Sequence([&] {
        der.OctetString(derived);
        der.Integer(IterationsOf(settings));
      });
    });
    return out;
  }
  const auto derivation = [&] {
    der.Identifier(kPbkdf2);
    der.Sequence([&] {
      der.OctetString(salt);
      der.Integer(IterationsOf(settings));
      der.Sequence([&] {
        der.Identifier(kHmacSha256);
        der.Null();
      });
    });
  };
  const auto encryption = [&] {
    der.Identifier(kAes256Cbc);
    der.OctetString(derived);
  };
  der.Sequence([&] {
    der.Identifier(kPbes2);
    der.Sequence([&] {
      der.Sequence(derivation);
      der.Sequence(encryption);
    });
  });
  return out;
}

// A ContentInfo of an EncryptedData (RFC 2315, 13).
template <typename Out, typename Content>
void PutEncryptedSafe(Out& out, BytesView algorithm, const Content& ciphertext) {
  DerWriter<Out> der(out);
  const auto content = [&] {
    der.Identifier(kData);
    der.Raw(algorithm);
    der.Constructed(DerContextPrimitive(0), [&] { Put(out, ciphertext); });
  };
  der.Sequence([&] {
    der.Identifier(kEncryptedData);
    der.Context(0, [&] {
      der.Sequence([&] {
        der.Integer(0);
        der.Sequence(content);
      });
    });
  });
}

// A ContentInfo of data, which `fill` writes.
template <typename Out, typename Fill>
void PutData(Out& out, Fill&& fill) {
  DerWriter<Out> der(out);
  der.Sequence([&] {
    der.Identifier(kData);
    der.Context(0, [&] { der.OctetStringOf(fill); });
  });
}

// The AuthenticatedSafe; what is empty is left out.
template <typename Out, typename Content>
void PutSafes(Out& out, BytesView algorithm, const Content& certificates, const Content& key_bags,
              bool has_certificates, bool has_keys) {
  DerWriter<Out> der(out);
  der.Sequence([&] {
    if (has_certificates) PutEncryptedSafe(out, algorithm, certificates);
    if (has_keys) PutData(out, [&] { der.Sequence([&] { Put(out, key_bags); }); });
  });
}

template <typename Out, typename Content>
void PutFile(Out& out, const Pkcs12Settings& settings, const Content& safes, BytesView mac, BytesView salt) {
  DerWriter<Out> der(out);
  const auto digest_info = [&] {
    der.Sequence([&] {
      der.Identifier(AlgorithmsOf(settings.profile).digest_identifier);
      der.Null();
    });
    der.OctetString(mac);
  };
  der.Sequence([&] {
    der.Integer(3);
    PutData(out, [&] { Put(out, safes); });
    der.Sequence([&] {
      der.Sequence(digest_info);
      der.OctetString(salt);
      der.Integer(IterationsOf(settings));
    });
  });
}

}  // namespace certfs::pkcs12
